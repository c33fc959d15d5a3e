/*
 * MATRIX_I8 and MATRIX_I4, whose rows have a scale for every 32 columns, for any width of vector.
 * Beside what float-matmul.h wants the includer defines Dots, a register of ROWS int32,
 * rows_of_dots() and rows_mul(), and, behind this, i8_dots() and i4_dots().
 */
#pragma once

#include "kernels/scaled.h"
#include "kernels/x86/blocks.h"

/* 32 columns of a few vectors: of the first one; the next one's values lie `stride` behind, its
 * scale and its sum `per_vector`. */
struct ScaledColumns {
    const int8_t *q;
    const float *scales;
    const int32_t *sums;
    size_t stride, per_vector;
};

/* Registers of a vector's rows: the first tile's, and the second one's. */
#define MAX_SLICES (BLOCK_MAX_TILES * N_SLICES)
typedef Dots BlockDots[BLOCK_MAX_VECTORS][MAX_SLICES];
typedef Rows BlockRows[MAX_SLICES];

/* The dots of 32 columns of a tile, whose codes lie at `codes`; or of two, tile_size apart, where
 * the includer makes blocks of i8_tiles(). */
ALWAYS_INLINE void i8_dots(const char *codes, size_t tile_size, const struct ScaledColumns *x,
                           BlockDots dots, const unsigned n_tiles, const unsigned n_vectors);
ALWAYS_INLINE void i4_dots(const char *codes, const struct ScaledColumns *x, BlockDots dots,
                           const unsigned n_vectors);

/* Adds block b of tiles from `tile` on. */
ALWAYS_INLINE void scaled_step(const enum MatrixLayout layout, const char *tile, size_t tile_size,
                               size_t b, const struct ScaledColumns *x, BlockRows *y,
                               const unsigned n_tiles, const unsigned n_vectors) {
    const char *scales = tile + scaled_scales_at(layout, b);
    const char *codes = tile + scaled_codes_at(layout, b);
    BlockRows w_scales;
    BlockDots dots;

    if (layout == MATRIX_I8)
        i8_dots(codes, tile_size, x, dots, n_tiles, n_vectors);
    else
        i4_dots(codes, x, dots, n_vectors);
    UNROLL
    for (unsigned s = 0; s < n_tiles * N_SLICES; s++) {
        const void *of_tile = scales + s / N_SLICES * tile_size;
        w_scales[s] = rows_f16((const uint16_t *)of_tile + s % N_SLICES * ROWS);
    }
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) {
        Rows x_scale = rows_set(x->scales[v * x->per_vector]);
        UNROLL
        for (unsigned s = 0; s < n_tiles * N_SLICES; s++)
            y[v][s] = rows_fma(rows_of_dots(dots[v][s]), rows_mul(w_scales[s], x_scale), y[v][s]);
    }
}

ALWAYS_INLINE void scaled_block(const enum MatrixLayout layout, const struct Matrix *matrix,
                                uint32_t tile, const struct Activations *x, uint32_t v0, float *y,
                                size_t y_stride, const unsigned n_tiles, const unsigned n_vectors) {
    const size_t tile_size = matrix_tile_size(layout, matrix->n_cols);
    const size_t per_vector = x->stride / I8_BLOCK, first = v0 * per_vector;
    const uint32_t n_blocks = (matrix->n_cols + I8_BLOCK - 1) / I8_BLOCK;
    const char *data = block_tile(matrix, tile);
    struct ScaledColumns columns = {x->i8 + v0 * x->stride, x->scales + first, x->sums + first,
                                    x->stride, per_vector};
    BlockRows sums[BLOCK_MAX_VECTORS];

    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) UNROLL
    for (unsigned s = 0; s < n_tiles * N_SLICES; s++) sums[v][s] = rows_set(0);
    for (uint32_t b = 0; b < n_blocks; b++) {
        scaled_step(layout, data, tile_size, b, &columns, sums, n_tiles, n_vectors);
        columns.q += I8_BLOCK;
        columns.scales++;
        columns.sums++;
    }
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) UNROLL
    for (unsigned s = 0; s < n_tiles * N_SLICES; s++)
        rows_store(block_y(y, y_stride, v0 + v, tile) + s * ROWS,
                   rows_mul(sums[v][s], rows_set(matrix->scale)));
}

ALWAYS_INLINE void i8_tiles(const struct Matrix *matrix, uint32_t tile, const struct Activations *x,
                            uint32_t v, float *y, size_t y_stride, const unsigned n_tiles,
                            const unsigned n_vectors) {
    scaled_block(MATRIX_I8, matrix, tile, x, v, y, y_stride, n_tiles, n_vectors);
}

ALWAYS_INLINE void i8(const struct Matrix *matrix, uint32_t tile, const struct Activations *x,
                      uint32_t v, float *y, size_t y_stride, const unsigned n_vectors) {
    scaled_block(MATRIX_I8, matrix, tile, x, v, y, y_stride, 1, n_vectors);
}

ALWAYS_INLINE void i4(const struct Matrix *matrix, uint32_t tile, const struct Activations *x,
                      uint32_t v, float *y, size_t y_stride, const unsigned n_vectors) {
    scaled_block(MATRIX_I4, matrix, tile, x, v, y, y_stride, 1, n_vectors);
}
