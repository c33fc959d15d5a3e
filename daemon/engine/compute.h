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
