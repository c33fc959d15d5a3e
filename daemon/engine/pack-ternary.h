/*
 * Which layout ternary matrices get. They differ in what there is to read and to compute, so that
 * the fastest depends on the processor, on how many cores share how much bandwidth, and on the
 * width: all are timed on all threads, on more data than the last cache holds, once for each number
 * of columns. Results do not depend on it: all give the same bits.
 *
 * Small matrices, whose model may well stay in a cache, are MATRIX_T2 without a trial, as is
 * everything where memory is short or only the C tier is there. RYZEN_LLM_TERNARY=t2|t1.6|lut in
 * the environment decides without a trial, for tests and comparisons.
 */
#pragma once

#include <stdint.h>

#include "engine/pool.h"
#include "kernels/kernels.h"

/* Numbers of columns that a model's ternary matrices may have and be timed for. */
#define TERNARY_MAX_TRIALS 8

#define TERNARY_N_LAYOUTS 3
/* Batches: one vector, a few, a prompt's. */
#define TERNARY_N_CASES 3

/* What was found out, for the matrices that follow. Starts zeroed; belongs to one thread. */
struct TernaryTrials {
    struct TernaryTrial {
        uint32_t n_cols;
        unsigned chosen;                                  /* number of a layout */
        double times[TERNARY_N_CASES][TERNARY_N_LAYOUTS]; /* seconds, each case with work of its
                                                             own; 0: no trial could be made */
    } trials[TERNARY_MAX_TRIALS];
    unsigned n;
};

enum MatrixLayout pack_ternary(Pool *pool, struct TernaryTrials *trials, uint64_t n_rows,
                               uint32_t n_cols);

/* As RYZEN_LLM_TERNARY has it; i < TERNARY_N_LAYOUTS. The first is MATRIX_T2. */
const char *ternary_layout_name(unsigned i);
enum MatrixLayout ternary_layout(unsigned i);
/* What layout i takes in a trial, weighted by how often the cases occur, over what the first one
 * takes. */
double ternary_cost(const struct TernaryTrial *trial, unsigned i);
/* The number of the layout that those times speak for. */
unsigned ternary_choose(const struct TernaryTrial *trial);
