/*
 * MATRIX_F32 and MATRIX_F16 for any width of vector. The includer defines Rows, a register that
 * holds ROWS rows of one column, and rows_set(), rows_f32(), rows_f16(), rows_fma(), rows_add(),
 * rows_store().
 */
#pragma once

#include "kernels/x86/blocks.h"

/* Rows r to r + ROWS of a tile, column c. */
ALWAYS_INLINE Rows float_column(const enum MatrixLayout layout, const char *tile, size_t r,
                                size_t c) {
    size_t i = c * TILE_ROWS + r;
    return layout == MATRIX_F16 ? rows_f16((const uint16_t *)(const void *)tile + i)
                                : rows_f32((const float *)(const void *)tile + i);
}

/* One column, which is number k mod 4, of n_slices times ROWS rows. */
ALWAYS_INLINE void float_step(const enum MatrixLayout layout, const char *const *tiles, size_t c,
                              const float *x, size_t stride, Rows p[2][BLOCK_MAX_VECTORS][4],
                              const unsigned k, const unsigned n_slices, const unsigned n_vectors) {
    Rows w[2];
    UNROLL for (unsigned s = 0; s < n_slices; s++) w[s] =
        float_column(layout, tiles[s * ROWS / TILE_ROWS], s * ROWS % TILE_ROWS, c);
    UNROLL for (unsigned v = 0; v < n_vectors; v++) {
        Rows broadcast = rows_set(x[v * stride + c]);
        UNROLL for (unsigned s = 0; s < n_slices; s++) p[s][v][k] =
            rows_fma(w[s], broadcast, p[s][v][k]);
    }
}

/* A block of n_slices (1 or 2) times ROWS rows. */
ALWAYS_INLINE void float_block(const enum MatrixLayout layout, const struct Matrix *matrix,
                               uint32_t tile, const struct Activations *x, uint32_t v0, float *y,
                               size_t y_stride, const unsigned n_slices, const unsigned n_vectors) {
    const char *tiles[2] = {block_tile(matrix, tile), block_tile(matrix, tile + 1)};
    const float *first = x->f32 + v0 * x->stride;
    Rows p[2][BLOCK_MAX_VECTORS][4];
    uint32_t c = 0, n = matrix->n_cols;

    UNROLL for (unsigned s = 0; s < n_slices; s++) UNROLL for (unsigned v = 0; v < n_vectors; v++)
        UNROLL for (unsigned k = 0; k < 4; k++) p[s][v][k] = rows_set(0);
    for (; n - c >= 4; c += 4)
        UNROLL for (unsigned k = 0; k < 4; k++)
            float_step(layout, tiles, c + k, first, x->stride, p, k, n_slices, n_vectors);
    UNROLL for (unsigned k = 0; k < 3; k++) if (c + k < n)
        float_step(layout, tiles, c + k, first, x->stride, p, k, n_slices, n_vectors);
    UNROLL for (unsigned s = 0; s < n_slices; s++) UNROLL for (unsigned v = 0; v < n_vectors; v++) {
        Rows *q = p[s][v];
        rows_store(y + (v0 + v) * y_stride + tile * TILE_ROWS + s * ROWS,
                   rows_add(rows_add(q[0], q[1]), rows_add(q[2], q[3])));
    }
}
