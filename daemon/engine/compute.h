/*
 * What a family computes with: a tier of kernels, a pool of threads, and the most tokens in a step.
 */
#pragma once

#include <stdint.h>

#include "engine/pool.h"
#include "kernels/kernels.h"

struct Compute {
    const struct Kernels *kernels;
    Pool *pool;
    uint32_t max_tokens;
};

/* Calls `job` for rows 0 to n_rows - 1, one after the other on a thread, threads side by side. A
 * single row stays with the caller: waking the others costs more than it saves. */
typedef void RowJob(void *userdata, uint32_t row);
void compute_rows(const struct Compute *compute, uint32_t n_rows, RowJob *job, void *userdata);
