/*
 * What a family computes with: a tier of kernels, a pool of threads, and the most tokens in a step.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/pool.h"
#include "kernels/kernels.h"

struct Compute {
    const struct Kernels *kernels;
    Pool *pool;
    uint32_t max_tokens;
    bool is_alone; /* the running step is too small to wake sleeping threads for */
};

/* Decides is_alone: a step that reads fewer bytes than this takes about as long as it takes the
 * pool to wake up. A model of some megabytes decodes fastest on one thread. */
#define COMPUTE_MIN_STEP (4u << 20)

/* Runs a job on all threads, or on the caller alone (as thread 0 of 1) when it takes so few
 * microseconds that waiting for the others costs more: below COMPUTE_MIN_COST bytes to read. What a
 * job computes may not depend on how many threads share it. */
#define COMPUTE_MIN_COST (128u << 10)
void compute_run(const struct Compute *compute, uint64_t cost, PoolJob *job, void *userdata);

/* Calls `job` for rows 0 to n_rows - 1, one after the other on a thread, threads side by side.
 * `row_cost` is one row's part of the cost. */
typedef void RowJob(void *userdata, uint32_t row);
void compute_rows(const struct Compute *compute, uint32_t n_rows, uint64_t row_cost, RowJob *job,
                  void *userdata);
