/* The C tier: matrix times vectors, one vector and one tile of 16 rows at a time. */
#include "kernels/reference.h"

#include <math.h>

#include "kernels/base3.h"
#include "kernels/f16.h"
#include "kernels/lut.h"
#include "kernels/scaled.h"

/* y = W x for the 16 rows of one tile and vector number v. */
typedef void TileFunction(const struct Matrix *matrix, const void *tile,
                          const struct Activations *x, uint32_t v, float y[TILE_ROWS]);

static inline void for_each_tile(TileFunction *function, const struct Matrix *matrix,
                                 uint32_t tile0, uint32_t tile1, const struct Activations *x,
                                 float *y, size_t y_stride) {
    size_t tile_size = matrix_tile_size(matrix->layout, matrix->n_cols);

    for (size_t tile = tile0; tile < tile1; tile++)
        for (uint32_t v = 0; v < x->n_vectors; v++)
            function(matrix, (const char *)matrix->data + tile * tile_size, x, v,
                     y + v * y_stride + tile * TILE_ROWS);
}

static inline void multiply_floats(const struct Matrix *matrix, const void *tile, const float *x,
                                   float y[TILE_ROWS]) {
    float p[4][TILE_ROWS] = {0};

    for (uint32_t c = 0; c < matrix->n_cols; c++)
        for (uint32_t r = 0; r < TILE_ROWS; r++) {
            size_t i = (size_t)c * TILE_ROWS + r;
            float w = matrix->layout == MATRIX_F16 ? f16_decode(((const uint16_t *)tile)[i])
                                                   : ((const float *)tile)[i];
            p[c % 4][r] = fmaf(w, x[c], p[c % 4][r]);
        }
    for (uint32_t r = 0; r < TILE_ROWS; r++) y[r] = (p[0][r] + p[1][r]) + (p[2][r] + p[3][r]);
}

static void tile_floats(const struct Matrix *matrix, const void *tile, const struct Activations *x,
                        uint32_t v, float y[TILE_ROWS]) {
    multiply_floats(matrix, tile, x->f32 + v * x->stride, y);
}

/* y += dots times the scales of both, w's being those of block b. */
static void add_scaled(enum MatrixLayout layout, const void *tile, uint32_t b,
                       const int32_t dot[TILE_ROWS], float x_scale, float y[TILE_ROWS]) {
    const void *w_scales = (const char *)tile + scaled_scales_at(layout, b);
    for (uint32_t r = 0; r < TILE_ROWS; r++)
        y[r] = fmaf((float)dot[r], f16_decode(((const uint16_t *)w_scales)[r]) * x_scale, y[r]);
}

static void tile_i8(const struct Matrix *matrix, const void *tile, const struct Activations *x,
                    uint32_t v, float y[TILE_ROWS]) {
    const int8_t *q = x->i8 + v * x->stride;
    const float *x_scales = x->scales + v * (x->stride / I8_BLOCK);

    for (uint32_t r = 0; r < TILE_ROWS; r++) y[r] = 0;
    for (uint32_t b = 0; b * I8_BLOCK < matrix->n_cols; b++, q += I8_BLOCK) {
        const int8_t *w = (const int8_t *)tile + scaled_codes_at(MATRIX_I8, b);
        int32_t dot[TILE_ROWS] = {0};
        for (uint32_t group = 0; group < I8_BLOCK; group += 4)
            for (uint32_t r = 0; r < TILE_ROWS; r++)
                for (uint32_t k = 0; k < 4; k++) dot[r] += *w++ * q[group + k];
        add_scaled(MATRIX_I8, tile, b, dot, x_scales[b], y);
    }
    for (uint32_t r = 0; r < TILE_ROWS; r++) y[r] *= matrix->scale;
}

static void tile_i4(const struct Matrix *matrix, const void *tile, const struct Activations *x,
                    uint32_t v, float y[TILE_ROWS]) {
    const int8_t *q = x->i8 + v * x->stride;
    const float *x_scales = x->scales + v * (x->stride / I8_BLOCK);

    for (uint32_t r = 0; r < TILE_ROWS; r++) y[r] = 0;
    for (uint32_t b = 0; b * I8_BLOCK < matrix->n_cols; b++, q += I8_BLOCK) {
        const uint8_t *w = (const uint8_t *)tile + scaled_codes_at(MATRIX_I4, b);
        int32_t dot[TILE_ROWS] = {0};
        for (uint32_t group = 0; group < I8_BLOCK / 2; group += 4)
            for (uint32_t r = 0; r < TILE_ROWS; r++)
                for (uint32_t k = 0; k < 4; k++, w++) {
                    dot[r] += ((*w & 15) - 8) * q[group + k];
                    dot[r] += ((*w >> 4) - 8) * q[group + k + I8_BLOCK / 2];
                }
        add_scaled(MATRIX_I4, tile, b, dot, x_scales[b], y);
    }
    for (uint32_t r = 0; r < TILE_ROWS; r++) y[r] *= matrix->scale;
}

static void tile_t2(const struct Matrix *matrix, const void *tile, const struct Activations *x,
                    uint32_t v, float y[TILE_ROWS]) {
    const int8_t *q = x->i8 + v * x->stride;
    const uint8_t *codes = tile;
    int32_t dot[TILE_ROWS] = {0};

    for (uint32_t c = 0; c < matrix->n_cols; c += 16, codes += 64)
        for (uint32_t i = 0; i < 64; i++)
            for (uint32_t group = 0; group < 4; group++)
                dot[i / 4] += ((codes[i] >> 2 * group & 3) - 1) * q[c + 4 * group + i % 4];
    for (uint32_t r = 0; r < TILE_ROWS; r++) y[r] = (float)dot[r] * (matrix->scale * x->scales[v]);
}

static void tile_t1_6(const struct Matrix *matrix, const void *tile, const struct Activations *x,
                      uint32_t v, float y[TILE_ROWS]) {
    const int8_t *q = x->i8 + v * x->stride;
    const uint8_t *codes = tile;
    int32_t dot[TILE_ROWS] = {0};

    for (uint32_t c = 0; c < matrix->n_cols; c++) {
        const struct Base3Place place = base3_place(matrix->n_cols, c);
        for (uint32_t r = 0; r < TILE_ROWS; r++)
            dot[r] += base3_trit(codes[place.offset + 4 * r], place.unit) * q[c];
    }
    for (uint32_t r = 0; r < TILE_ROWS; r++) y[r] = (float)dot[r] * (matrix->scale * x->scales[v]);
}

static void tile_lut(const struct Matrix *matrix, const void *tile, const struct Activations *x,
                     uint32_t v, float y[TILE_ROWS]) {
    const int8_t *q = x->i8 + v * x->stride;
    int32_t dot[TILE_ROWS] = {0};

    for (uint32_t c = 0; c < matrix->n_cols; c++)
        for (uint32_t r = 0; r < TILE_ROWS; r++) dot[r] += lut_trit(tile, r, c) * q[c];
    for (uint32_t r = 0; r < TILE_ROWS; r++) y[r] = (float)dot[r] * (matrix->scale * x->scales[v]);
}

void c_matmul_f32(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,
                  const struct Activations *x, float *y, size_t y_stride) {
    for_each_tile(tile_floats, matrix, tile0, tile1, x, y, y_stride);
}

void c_matmul_f16(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,
                  const struct Activations *x, float *y, size_t y_stride) {
    for_each_tile(tile_floats, matrix, tile0, tile1, x, y, y_stride);
}

void c_matmul_i8(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,
                 const struct Activations *x, float *y, size_t y_stride) {
    for_each_tile(tile_i8, matrix, tile0, tile1, x, y, y_stride);
}

void c_matmul_i4(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,
                 const struct Activations *x, float *y, size_t y_stride) {
    for_each_tile(tile_i4, matrix, tile0, tile1, x, y, y_stride);
}

void c_matmul_t2(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,
                 const struct Activations *x, float *y, size_t y_stride) {
    for_each_tile(tile_t2, matrix, tile0, tile1, x, y, y_stride);
}

void c_matmul_t1_6(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,
                   const struct Activations *x, float *y, size_t y_stride) {
    for_each_tile(tile_t1_6, matrix, tile0, tile1, x, y, y_stride);
}

void c_matmul_lut(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,
                  const struct Activations *x, float *y, size_t y_stride) {
    for_each_tile(tile_lut, matrix, tile0, tile1, x, y, y_stride);
}
