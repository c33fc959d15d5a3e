/*
 * Where a MATRIX_I8 or a MATRIX_I4 keeps its codes and scales.
 *
 * A block is 32 columns of 16 rows. Two blocks share a cache line for their scales, half floats,
 * with their codes behind it, so that no line holds both and no load crosses one:
 *   16 scales of block 2i, 16 scales of block 2i + 1, codes of block 2i, codes of block 2i + 1
 * The line of a last block without a second one is there all the same.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

#define SCALES_LINE 64u

/* Bytes of the codes of a block. */
static inline size_t scaled_codes_size(enum MatrixLayout layout) {
    return (size_t)TILE_ROWS * I8_BLOCK / (layout == MATRIX_I4 ? 2 : 1);
}

/* Where block b has its codes, and its scales. */
static inline size_t scaled_codes_at(enum MatrixLayout layout, size_t b) {
    return (b / 2 + 1) * SCALES_LINE + b * scaled_codes_size(layout);
}

static inline size_t scaled_scales_at(enum MatrixLayout layout, size_t b) {
    return scaled_codes_at(layout, b / 2 * 2) - SCALES_LINE + b % 2 * (SCALES_LINE / 2);
}

/* Of n blocks. */
static inline size_t scaled_size(enum MatrixLayout layout, size_t n) {
    return (n + 1) / 2 * SCALES_LINE + n * scaled_codes_size(layout);
}
