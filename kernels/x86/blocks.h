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
    Block *const *single, *const *pair; /* [n] for n vectors, of one tile and of two; pair or its
                                         * first entries may be NULL where one tile is faster */
    uint32_t max_vectors;
    uint32_t few; /* vectors up to which blocks are faster than `many` */
    Matmul *many; /* or NULL: never */
};

/* The first vector of block i, when n vectors are cut into blocks as even as can be. */
static inline uint32_t block_cut(uint32_t n, uint32_t n_blocks, uint32_t i) {
    return (uint32_t)((uint64_t)n * i / n_blocks);
}

static inline void matmul_in_blocks(const struct BlockKernel *kernel, const struct Matrix *matrix,
                                    uint32_t tile0, uint32_t tile1, const struct Activations *x,
                                    float *y, size_t y_stride) {
    const uint32_t n = x->n_vectors, n_blocks = (n + kernel->max_vectors - 1) / kernel->max_vectors;
    if (kernel->many && n > kernel->few) {
        kernel->many(matrix, tile0, tile1, x, y, y_stride);
        return;
    }
    const bool in_pairs = kernel->pair && n > 0 && kernel->pair[n / n_blocks];
    for (uint32_t n_tiles; tile0 < tile1; tile0 += n_tiles) {
        n_tiles = in_pairs && tile1 - tile0 >= 2 ? 2 : 1;
        Block *const *blocks = n_tiles == 2 ? kernel->pair : kernel->single;
        for (uint32_t i = 0; i < n_blocks; i++) {
            const uint32_t v = block_cut(n, n_blocks, i), end = block_cut(n, n_blocks, i + 1);
            blocks[end - v](matrix, tile0, x, v, y, y_stride);
        }
    }
}

/* each(name, 1) to each(name, n); from 3 to 8. */
#define UP_TO_1(each, name) each(name, 1)
#define UP_TO_2(each, name) UP_TO_1(each, name) each(name, 2)
#define UP_TO_4(each, name) UP_TO_2(each, name) each(name, 3) each(name, 4)
#define UP_TO_6(each, name) UP_TO_4(each, name) each(name, 5) each(name, 6)
#define UP_TO_8(each, name) UP_TO_6(each, name) each(name, 7) each(name, 8)
#define UP_TO_12(each, name)                                                                       \
    UP_TO_8(each, name) each(name, 9) each(name, 10) each(name, 11) each(name, 12)
#define FROM_3_TO_8(each, name)                                                                    \
    each(name, 3) each(name, 4) each(name, 5) each(name, 6) each(name, 7) each(name, 8)

/* Defines blocks of 1 to n vectors, each with define(name, n), and `name`_blocks, in which they
 * have their number. */
#define BLOCK_ENTRY(name, n) [n] = name##_##n,
#define DEFINE_BLOCK_TABLE(type, define, name, n)                                                  \
    UP_TO_##n(define, name) static type *const name##_blocks[] = {UP_TO_##n(BLOCK_ENTRY, name)};

/* Those of a kernel for few vectors, from an inline function that has the number of vectors as its
 * last parameter. */
#define DEFINE_BLOCK(name, n)                                                                      \
    static void name##_##n(const struct Matrix *matrix, uint32_t tile,                             \
                           const struct Activations *x, uint32_t v, float *y, size_t y_stride) {   \
        name(matrix, tile, x, v, y, y_stride, n);                                                  \
    }
#define DEFINE_BLOCKS(name, n) DEFINE_BLOCK_TABLE(Block, DEFINE_BLOCK, name, n)

/* Blocks of one tile, `name`_single_blocks, and from 3 vectors on of two, `name`_pair_blocks: one
 * or two vectors are faster with one stream of weights. The inline function has the number of tiles
 * before that of vectors. */
#define DEFINE_TILES_BLOCK(name, tiles, suffix, n)                                                 \
    static void name##_##suffix##_##n(const struct Matrix *matrix, uint32_t tile,                  \
                                      const struct Activations *x, uint32_t v, float *y,           \
                                      size_t y_stride) {                                           \
        name(matrix, tile, x, v, y, y_stride, tiles, n);                                           \
    }
#define DEFINE_SINGLE_BLOCK(name, n) DEFINE_TILES_BLOCK(name, 1, single, n)
#define DEFINE_PAIR_BLOCK(name, n) DEFINE_TILES_BLOCK(name, 2, pair, n)
#define DEFINE_TILES_BLOCKS(name)                                                                  \
    UP_TO_8(DEFINE_SINGLE_BLOCK, name)                                                             \
    FROM_3_TO_8(DEFINE_PAIR_BLOCK, name)                                                           \
    static Block *const name##_single_blocks[] = {UP_TO_8(BLOCK_ENTRY, name##_single)};            \
    static Block *const name##_pair_blocks[] = {FROM_3_TO_8(BLOCK_ENTRY, name##_pair)};

/* Defines a kernel from its blocks: NULL, then those of 1, 2, ... vectors; `many` is for more than
 * there are blocks for, or for more than `few`. */
#define DEFINE_MATMUL_FEW(name, single, pair, few, many)                                           \
    void name(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,                         \
              const struct Activations *x, float *y, size_t y_stride) {                            \
        static const struct BlockKernel kernel = {single, pair,                                    \
                                                  sizeof(single) / sizeof *(single)-1, few, many}; \
        matmul_in_blocks(&kernel, matrix, tile0, tile1, x, y, y_stride);                           \
    }
#define DEFINE_MATMUL(name, single, pair, many)                                                    \
    DEFINE_MATMUL_FEW(name, single, pair, sizeof(single) / sizeof *(single)-1, many)

/* The bytes of a tile. */
ALWAYS_INLINE const char *block_tile(const struct Matrix *matrix, size_t tile) {
    return (const char *)matrix->data + tile * matrix_tile_size(matrix->layout, matrix->n_cols);
}

/* The tile's rows of vector v's product. */
ALWAYS_INLINE float *block_y(float *y, size_t y_stride, size_t v, size_t tile) {
    return y + v * y_stride + tile * TILE_ROWS;
}

/* Asks for what a stream of weights will read so many bytes from here; it may lie behind the
 * matrix: asking is no reading. 1 to 4 KiB are alike. */
#define BLOCK_AHEAD 2048
ALWAYS_INLINE void block_prefetch(const char *data) {
    _mm_prefetch(data + BLOCK_AHEAD, _MM_HINT_T0);
}

/*
 * The same for line number `line` of a stream. Where there is little to compute, a core runs so far
 * ahead of itself that its own streams reach the wall (Zen 4), and asking for every line takes 15 %
 * from them; to ask for every fourth line of the page to come costs nothing and gains 3 to 7 % with
 * small pages, at whose ends those streams end. With more vectors it looks ahead less: there every
 * line is asked for, which takes F16 times 6 vectors from 9.3 to 14.7 GB/s.
 */
ALWAYS_INLINE void block_prefetch_line(const char *data, size_t line, const bool is_little) {
    if (!is_little)
        block_prefetch(data);
    else if (line % 4 == 0)
        _mm_prefetch(data + 4096, _MM_HINT_T1);
}
