/*
 * Which layout ternary matrices get: MATRIX_T2, or MATRIX_T1_6 with a fifth less to read and more
 * to compute. Which one is faster depends on how many cores share how much bandwidth, so both are
 * timed, on all threads, one vector at a time, on more data than the last cache holds; once for
 * each number of columns. Results do not depend on it: the two give the same bits.
 *
 * Small matrices, whose model may well stay in a cache, are MATRIX_T2 without a trial, as is
 * everything where memory is short. RYZEN_LLM_TERNARY=t2|t1.6 in the environment decides without a
 * trial, for tests and comparisons.
 */
#pragma once

#include <stdint.h>

#include "engine/pool.h"
#include "kernels/kernels.h"

/* Numbers of columns that a model's ternary matrices may have and be timed for. */
#define TERNARY_MAX_TRIALS 8

/* What was found out, for the matrices that follow. Starts zeroed; belongs to one thread. */
struct TernaryTrials {
    struct TernaryTrial {
        uint32_t n_cols;
        enum MatrixLayout layout;
    } trials[TERNARY_MAX_TRIALS];
    unsigned n;
};

enum MatrixLayout pack_ternary(Pool *pool, struct TernaryTrials *trials, uint64_t n_rows,
                               uint32_t n_cols);
