/*
 * Register blocking: how a matmul is cut into pieces whose accumulators stay in registers.
 *
 * A block is one tile times a few vectors. Tiles are the outer loop, so that a tile comes from
 * memory once, as one stream (which is what the hardware prefetches best), and from the cache for
 * the vectors that don't fit into its first block.
 */
#pragma once

#include "kernels/x86/x86.h"

/* Computes the block of `tile` and the vectors from v on. */
typedef void Block(const struct Matrix *matrix, uint32_t tile, const struct Activations *x,
                   uint32_t v, float *y, size_t y_stride);

/* Vectors in one block at most, over all kernels. */
#define BLOCK_MAX_VECTORS 8u

/* blocks[n] does n vectors, 1 to max_vectors. */
static inline void matmul_in_blocks(Block *const *blocks, uint32_t max_vectors,
                                    const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,
                                    const struct Activations *x, float *y, size_t y_stride) {
    for (uint32_t tile = tile0; tile < tile1; tile++)
        for (uint32_t v = 0; v < x->n_vectors; v += max_vectors) {
            uint32_t n_vectors = x->n_vectors - v < max_vectors ? x->n_vectors - v : max_vectors;
            blocks[n_vectors](matrix, tile, x, v, y, y_stride);
        }
}

/* Defines the block `name`_`n` from an inline function that has the number of vectors as its last
 * parameter. */
#define DEFINE_BLOCK(name, n)                                                                      \
    static void name##_##n(const struct Matrix *matrix, uint32_t tile,                             \
                           const struct Activations *x, uint32_t v, float *y, size_t y_stride) {   \
        name(matrix, tile, x, v, y, y_stride, n);                                                  \
    }

/* Defines a kernel from its blocks: NULL, then those of 1, 2, ... vectors. */
#define DEFINE_MATMUL(name, blocks)                                                                \
    void name(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,                         \
              const struct Activations *x, float *y, size_t y_stride) {                            \
        matmul_in_blocks(blocks, sizeof(blocks) / sizeof *(blocks)-1, matrix, tile0, tile1, x, y,  \
                         y_stride);                                                                \
    }

/* The same; more vectors than `few` go to the kernel `many`. */
#define DEFINE_MATMUL_OR(name, blocks, few, many)                                                  \
    void name(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,                         \
              const struct Activations *x, float *y, size_t y_stride) {                            \
        if (x->n_vectors > (few))                                                                  \
            many(matrix, tile0, tile1, x, y, y_stride);                                            \
        else                                                                                       \
            matmul_in_blocks(blocks, sizeof(blocks) / sizeof *(blocks)-1, matrix, tile0, tile1, x, \
                             y, y_stride);                                                         \
    }

/* The bytes of a tile. */
ALWAYS_INLINE const char *block_tile(const struct Matrix *matrix, size_t tile) {
    return (const char *)matrix->data + tile * matrix_tile_size(matrix->layout, matrix->n_cols);
}

/* The tile's rows of vector v's product. */
ALWAYS_INLINE float *block_y(float *y, size_t y_stride, size_t v, size_t tile) {
    return y + v * y_stride + tile * TILE_ROWS;
}

/* One block of columns in a MATRIX_I8, and the scales in it. */
#define I8_BLOCK_SIZE 576u
#define I8_SCALES 512u
/* The same of a MATRIX_I4. */
#define I4_BLOCK_SIZE 288u
#define I4_SCALES 256u
