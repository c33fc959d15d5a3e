/*
 * Register blocking: how a matmul is cut into pieces whose accumulators stay in registers.
 *
 * A block is a few tiles times a few vectors. Tiles are the outer loop: those of one block come
 * from memory once and from the cache for all the vectors that follow.
 */
#pragma once

#include "kernels/x86/x86.h"

/* Computes the block at `tile` and vector `v`. */
typedef void Block(const struct Matrix *matrix, uint32_t tile, const struct Activations *x,
                   uint32_t v, float *y, size_t y_stride);

/* Vectors in one block at most, over all kernels. */
#define BLOCK_MAX_VECTORS 8u

struct Blocking {
    uint32_t n_tiles, n_vectors;          /* of the largest block */
    Block *wide[BLOCK_MAX_VECTORS + 1];   /* by number of vectors: blocks of n_tiles tiles */
    Block *narrow[BLOCK_MAX_VECTORS + 1]; /* of one tile, for what is left over */
};

/* Defines the block `name`_`n_tiles`_`n_vectors` from an inline function with these as last
 * parameters. */
#define DEFINE_BLOCK(name, n_tiles, n_vectors)                                                     \
    static void name##_##n_tiles##_##n_vectors(const struct Matrix *matrix, uint32_t tile,         \
                                               const struct Activations *x, uint32_t v, float *y,  \
                                               size_t y_stride) {                                  \
        name(matrix, tile, x, v, y, y_stride, n_tiles, n_vectors);                                 \
    }

static inline void matmul_in_blocks(const struct Blocking *blocking, const struct Matrix *matrix,
                                    uint32_t tile0, uint32_t tile1, const struct Activations *x,
                                    float *y, size_t y_stride) {
    uint32_t n_tiles;

    for (uint32_t tile = tile0; tile < tile1; tile += n_tiles) {
        n_tiles = tile1 - tile >= blocking->n_tiles ? blocking->n_tiles : 1;
        Block *const *blocks = n_tiles > 1 ? blocking->wide : blocking->narrow;
        uint32_t n_vectors;
        for (uint32_t v = 0; v < x->n_vectors; v += n_vectors) {
            n_vectors = x->n_vectors - v;
            if (n_vectors > blocking->n_vectors) n_vectors = blocking->n_vectors;
            blocks[n_vectors](matrix, tile, x, v, y, y_stride);
        }
    }
}

#define DEFINE_MATMUL(name, blocking)                                                              \
    void name(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,                         \
              const struct Activations *x, float *y, size_t y_stride) {                            \
        matmul_in_blocks(&blocking, matrix, tile0, tile1, x, y, y_stride);                         \
    }

/* The bytes of a tile. */
ALWAYS_INLINE const char *block_tile(const struct Matrix *matrix, size_t tile) {
    return (const char *)matrix->data + tile * matrix_tile_size(matrix->layout, matrix->n_cols);
}
