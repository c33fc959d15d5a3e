/*
 * What a tier could reach at most: loops that read memory and do nothing with it, or multiply
 * registers and read no memory. Benchmarks divide what kernels do by what these do
 * (engine/bench/limits.h). Pure functions, any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Streams of `read` at most. */
#define PROBE_MAX_STREAMS 8u
/* A stream is read in pieces of this many bytes. */
#define PROBE_PIECE 256u

struct Probe {
    /* Reads `size` bytes, a multiple of n_streams * PROBE_PIECE, in n_streams (1 to
     * PROBE_MAX_STREAMS) equal parts that lie one behind the other, a piece of each in turn; asks
     * for what lies `prefetch` bytes ahead, 0: asks for nothing. `data` is 64-byte aligned. Returns
     * something that depends on all of it. */
    uint64_t (*read)(const void *data, size_t size, unsigned n_streams, size_t prefetch);
    /* n rounds of independent multiply-adds of bytes, and of floats, as the tier's products do
     * them. Return something that depends on all of them. */
    uint64_t (*multiply_i8)(uint64_t n);
    uint64_t (*multiply_f32)(uint64_t n);
    unsigned i8_operations, f32_operations; /* of a round; a multiply-add counts as two */
};

/* Of kernels_best()'s tier. */
const struct Probe *probe_best(void);
