/*
 * MATRIX_F32 and MATRIX_F16 for any width of vector. The includer defines Rows, a register that
 * holds ROWS rows of one column, and rows_set(), rows_f32(), rows_f16(), rows_fma(), rows_add(),
 * rows_store().
 */
#pragma once

#include "kernels/x86/blocks.h"

/* The partial sums of a block. */
typedef Rows PartialSums[BLOCK_MAX_VECTORS][N_SLICES][4];

/* ROWS rows of column c, the first of them being row r of the tile. */
ALWAYS_INLINE Rows float_column(const enum MatrixLayout layout, const char *tile, size_t c,
                                unsigned r) {
    size_t i = c * TILE_ROWS + r;
    return layout == MATRIX_F16 ? rows_f16((const uint16_t *)(const void *)tile + i)
                                : rows_f32((const float *)(const void *)tile + i);
}

/* Adds column c, which is number k mod 4, to the sums of vectors that lie `stride` apart. */
ALWAYS_INLINE void float_step(const enum MatrixLayout layout, const char *tile, size_t c,
                              const float *x, size_t stride, PartialSums p, const unsigned k,
                              const unsigned n_vectors) {
    Rows w[N_SLICES];

    UNROLL
    for (unsigned s = 0; s < N_SLICES; s++) w[s] = float_column(layout, tile, c, s * ROWS);
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) {
        Rows broadcast = rows_set(x[v * stride + c]);
        UNROLL
        for (unsigned s = 0; s < N_SLICES; s++) p[v][s][k] = rows_fma(w[s], broadcast, p[v][s][k]);
    }
}

/* Four columns are two lines of halves, or four of floats. */
ALWAYS_INLINE void float_prefetch(const enum MatrixLayout layout, const char *tile, size_t c,
                                  const unsigned n_vectors) {
    const size_t column_size = layout == MATRIX_F16 ? 2 * TILE_ROWS : 4 * TILE_ROWS;
    UNROLL
    for (size_t at = 0; at < 4 * column_size; at += 64)
        block_prefetch_line(tile + c * column_size + at, (c * column_size + at) / 64,
                            n_vectors <= 2);
}

ALWAYS_INLINE void float_block(const enum MatrixLayout layout, const struct Matrix *matrix,
                               uint32_t tile, const struct Activations *x, uint32_t v0, float *y,
                               size_t y_stride, const unsigned n_vectors) {
    const char *data = block_tile(matrix, tile);
    const float *first = x->f32 + v0 * x->stride;
    uint32_t c = 0, n = matrix->n_cols;
    PartialSums p;

    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) UNROLL
    for (unsigned i = 0; i < N_SLICES * 4; i++) p[v][i / 4][i % 4] = rows_set(0);
    for (; n - c >= 4; c += 4) {
        UNROLL
        for (unsigned k = 0; k < 4; k++)
            float_step(layout, data, c + k, first, x->stride, p, k, n_vectors);
        float_prefetch(layout, data, c, n_vectors);
    }
    UNROLL
    for (unsigned k = 0; k < 3; k++)
        if (c + k < n) float_step(layout, data, c + k, first, x->stride, p, k, n_vectors);
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) UNROLL
    for (unsigned s = 0; s < N_SLICES; s++)
        rows_store(block_y(y, y_stride, v0 + v, tile) + s * ROWS,
                   rows_add(rows_add(p[v][s][0], p[v][s][1]), rows_add(p[v][s][2], p[v][s][3])));
}

ALWAYS_INLINE void f32(const struct Matrix *matrix, uint32_t tile, const struct Activations *x,
                       uint32_t v, float *y, size_t y_stride, const unsigned n_vectors) {
    float_block(MATRIX_F32, matrix, tile, x, v, y, y_stride, n_vectors);
}

ALWAYS_INLINE void f16(const struct Matrix *matrix, uint32_t tile, const struct Activations *x,
                       uint32_t v, float *y, size_t y_stride, const unsigned n_vectors) {
    float_block(MATRIX_F16, matrix, tile, x, v, y, y_stride, n_vectors);
}
