/*
 * The C tier's parts, for its table and for a tier that has nothing faster to put in a place.
 * kernels.h says what each one computes.
 */
#pragma once

#include "kernels/kernels.h"

extern const struct Kernels kernels_c;

void c_quantize_token(const float *x, uint32_t n, int8_t *q, float *ret_scale, int32_t *ret_sum);
void c_quantize_block(const float *x, uint32_t n, int8_t *q, float *scales, int32_t *sums);
void c_quantize_row(const float *x, uint32_t n, int8_t *q, float *ret_scale);
void c_matmul_f32(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,
                  const struct Activations *x, float *y, size_t y_stride);
void c_matmul_f16(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,
                  const struct Activations *x, float *y, size_t y_stride);
void c_matmul_i8(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,
                 const struct Activations *x, float *y, size_t y_stride);
void c_matmul_i4(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,
                 const struct Activations *x, float *y, size_t y_stride);
void c_matmul_t2(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,
                 const struct Activations *x, float *y, size_t y_stride);
void c_matmul_t1_6(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,
                   const struct Activations *x, float *y, size_t y_stride);
void c_matmul_lut(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,
                  const struct Activations *x, float *y, size_t y_stride);
void c_attend_f16(const struct AttendQueries *queries, const struct AttendPage *page);
void c_attend_f32(const struct AttendQueries *queries, const struct AttendPage *page);
void c_attend_i8(const struct AttendQueries *queries, const struct AttendPage *page);
void c_softplus(const float *x, const float *bias, uint32_t n, float *y);
void c_exp_mul(const float *a, const float *b, uint32_t n, float *y);
void c_ssm_conv(const struct SsmConv *conv);
void c_ssm_scan_channels(const struct SsmScan *scan);
void c_ssm_scan_head(const struct SsmScan *scan);

void c_layer_norm(const float *x, const float *w, const float *b, uint32_t n, float eps, float *y);
void c_lerp(const float *a, const float *b, const float *t, uint32_t n, float *y);
void c_sigmoid(const float *x, uint32_t n, float *y);
void c_sigmoid_mul(const float *gate, const float *up, uint32_t n, float *y);
void c_tanh(const float *x, uint32_t n, float *y);
void c_relu2(const float *x, uint32_t n, float *y);
void c_rwkv6_decay(const float *x, uint32_t n, float *y);
void c_rwkv6_wkv(const struct Wkv *wkv);
void c_rwkv7_decay(const float *x, uint32_t n, float *y);
void c_rwkv7_keys(const float *a, const float *k_k, const float *k_a, uint32_t n_heads,
                  uint32_t head_size, float *k, float *kk, float *b);
void c_rwkv7_wkv(const struct Wkv *wkv);
void c_rwkv7_bonus(const float *r, const float *k, const float *r_k, const float *v,
                   uint32_t n_heads, uint32_t head_size, float *y);

/* The reduction that every float kernel of 16 lanes ends with. */
static inline float c_tree(const float lanes[16]) {
    float t[16];
    for (unsigned l = 0; l < 16; l++) t[l] = lanes[l];
    for (unsigned width = 8; width; width /= 2)
        for (unsigned l = 0; l < width; l++) t[l] += t[l + width];
    return t[0];
}
