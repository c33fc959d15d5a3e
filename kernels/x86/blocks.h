/*
 * Register blocking: how a matmul is cut into pieces whose accumulators stay in registers.
 *
 * A block is one tile, or a few side by side, times a few vectors. Tiles are the outer loop, so
 * that a tile comes from memory once, as one stream (which is what the hardware prefetches best),
 * and from the cache for the vectors that don't fit into its first block.
 */
#pragma once

#include "kernels/x86/x86.h"

/* Computes the block of `tile` (and those behind it that belong to the block) and the vectors from
 * v on. */
typedef void Block(const struct Matrix *matrix, uint32_t tile, const struct Activations *x,
                   uint32_t v, float *y, size_t y_stride);

/* Vectors and tiles in one block at most, over all kernels. */
#define BLOCK_MAX_VECTORS 8u
#define BLOCK_MAX_TILES 2u

/* Registers that the rows of a tile take, ROWS being how many are in one. */
#define N_SLICES (TILE_ROWS / ROWS)

struct BlockKernel {
    Block *const *single, *const *pair; /* [n] for n vectors, of one tile and of two; pair or one of
                                         * its entries may be NULL where one tile is faster */
    uint32_t max_vectors;
    Matmul *many; /* for more than max_vectors; NULL: in several blocks, and no pairs */
};

static inline void matmul_in_blocks(const struct BlockKernel *kernel, const struct Matrix *matrix,
                                    uint32_t tile0, uint32_t tile1, const struct Activations *x,
                                    float *y, size_t y_stride) {
    if (kernel->many && x->n_vectors > kernel->max_vectors) {
        kernel->many(matrix, tile0, tile1, x, y, y_stride);
        return;
    }
    const bool in_pairs = kernel->pair && kernel->pair[x->n_vectors];
    for (uint32_t n_tiles; tile0 < tile1; tile0 += n_tiles) {
        n_tiles = in_pairs && tile1 - tile0 >= 2 ? 2 : 1;
        Block *const *blocks = n_tiles == 2 ? kernel->pair : kernel->single;
        for (uint32_t v = 0, n; v < x->n_vectors; v += n) {
            n = x->n_vectors - v < kernel->max_vectors ? x->n_vectors - v : kernel->max_vectors;
            blocks[n](matrix, tile0, x, v, y, y_stride);
        }
    }
}

/* Defines the block `name`_`n` from an inline function that has the number of vectors as its last
 * parameter, and `name`_`tiles`x`n` from one that has the number of tiles before that. */
#define DEFINE_BLOCK(name, n)                                                                      \
    static void name##_##n(const struct Matrix *matrix, uint32_t tile,                             \
                           const struct Activations *x, uint32_t v, float *y, size_t y_stride) {   \
        name(matrix, tile, x, v, y, y_stride, n);                                                  \
    }
#define DEFINE_TILES_BLOCK(name, tiles, n)                                                         \
    static void name##_##tiles##x##n(const struct Matrix *matrix, uint32_t tile,                   \
                                     const struct Activations *x, uint32_t v, float *y,            \
                                     size_t y_stride) {                                            \
        name(matrix, tile, x, v, y, y_stride, tiles, n);                                           \
    }

/* Defines a kernel from its blocks: NULL, then those of 1, 2, ... vectors. */
#define DEFINE_MATMUL(name, single, pair, many)                                                    \
    void name(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,                         \
              const struct Activations *x, float *y, size_t y_stride) {                            \
        static const struct BlockKernel kernel = {single, pair,                                    \
                                                  sizeof(single) / sizeof *(single)-1, many};      \
        matmul_in_blocks(&kernel, matrix, tile0, tile1, x, y, y_stride);                           \
    }

/* The bytes of a tile. */
ALWAYS_INLINE const char *block_tile(const struct Matrix *matrix, size_t tile) {
    return (const char *)matrix->data + tile * matrix_tile_size(matrix->layout, matrix->n_cols);
}

/* The tile's rows of vector v's product. */
ALWAYS_INLINE float *block_y(float *y, size_t y_stride, size_t v, size_t tile) {
    return y + v * y_stride + tile * TILE_ROWS;
}

/* Asks for what a stream of weights will read so many bytes from here; it may lie behind the
 * matrix: asking is no reading. The more vectors, the less the processor itself looks ahead: on a
 * Zen 4 it takes I4 times 4 vectors from 6.4 to 10.9 GB/s, and one vector nowhere; 1 to 4 KiB are
 * alike. */
#define BLOCK_AHEAD 2048
ALWAYS_INLINE void block_prefetch(const char *data) {
    _mm_prefetch(data + BLOCK_AHEAD, _MM_HINT_T0);
}

/* One block of columns in a MATRIX_I8, and the scales in it. */
#define I8_BLOCK_SIZE 576u
#define I8_SCALES 512u
/* The same of a MATRIX_I4. */
#define I4_BLOCK_SIZE 288u
#define I4_SCALES 256u
