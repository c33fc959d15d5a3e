/*
 * The C tier: what every other tier must reproduce to the bit. This file has the kernels over plain
 * vectors; the other reference-*.c have the rest.
 *
 * fmaf() and no other spelling of a fused multiply-add: the build turns contraction off, so that
 * a * b + c is two roundings in every tier.
 */
#include "kernels/reference.h"

#include <math.h>

#include "kernels/exp.h"
#include "kernels/f16.h"

static void rms_norm(const float *x, const float *w, uint32_t n, float eps, float *y) {
    float lanes[16] = {0};
    for (uint32_t i = 0; i < n; i++) lanes[i % 16] = fmaf(x[i], x[i], lanes[i % 16]);
    float r = 1.0f / sqrtf(c_tree(lanes) / (float)n + eps);
    for (uint32_t i = 0; i < n; i++) y[i] = x[i] * r * w[i];
}

static void rope(float *x, uint32_t n_heads, uint32_t head_size, uint32_t n_rot,
                 const float *cos_sin, enum RopePairing pairing) {
    uint32_t half = n_rot / 2;
    uint32_t step = pairing == ROPE_NORM ? 2 : 1, distance = pairing == ROPE_NORM ? 1 : half;

    for (uint32_t h = 0; h < n_heads; h++, x += head_size)
        for (uint32_t i = 0; i < half; i++) {
            float *a = x + (size_t)i * step, *b = a + distance;
            float c = cos_sin[i], s = cos_sin[half + i], old_a = *a, old_b = *b;
            *a = fmaf(old_a, c, -(old_b * s));
            *b = fmaf(old_a, s, old_b * c);
        }
}

static void silu_mul(const float *gate, const float *up, uint32_t n, float *y) {
    for (uint32_t i = 0; i < n; i++) y[i] = gate[i] / (1.0f + exp_f32(-gate[i])) * up[i];
}

static void relu2_mul(const float *gate, const float *up, uint32_t n, float *y) {
    for (uint32_t i = 0; i < n; i++) {
        float z = gate[i] > 0 ? gate[i] : 0;
        y[i] = z * z * up[i];
    }
}

static void add(const float *x, uint32_t n, float *y) {
    for (uint32_t i = 0; i < n; i++) y[i] += x[i];
}

static void f32_to_f16(const float *x, uint32_t n, uint16_t *y) {
    for (uint32_t i = 0; i < n; i++) y[i] = f16_encode(x[i]);
}

static void f16_to_f32(const uint16_t *x, uint32_t n, float *y) {
    for (uint32_t i = 0; i < n; i++) y[i] = f16_decode(x[i]);
}

const struct Kernels kernels_c = {
    .tier = "c",
    .quantize_token = c_quantize_token,
    .quantize_block = c_quantize_block,
    .matmul =
        {
            [MATRIX_F32] = c_matmul_f32,
            [MATRIX_F16] = c_matmul_f16,
            [MATRIX_I8] = c_matmul_i8,
            [MATRIX_T2] = c_matmul_t2,
            [MATRIX_I4] = c_matmul_i4,
            [MATRIX_T1_6] = c_matmul_t1_6,
            [MATRIX_LUT] = c_matmul_lut,
        },
    .rms_norm = rms_norm,
    .rope = rope,
    .silu_mul = silu_mul,
    .relu2_mul = relu2_mul,
    .add = add,
    .f32_to_f16 = f32_to_f16,
    .f16_to_f32 = f16_to_f32,
    .quantize_row = c_quantize_row,
    .attend = {[KV_F16] = c_attend_f16, [KV_F32] = c_attend_f32, [KV_I8] = c_attend_i8},
    .softplus = c_softplus,
    .exp_mul = c_exp_mul,
    .ssm_conv = c_ssm_conv,
    .ssm_scan = {[SSM_SCAN_CHANNELS] = c_ssm_scan_channels, [SSM_SCAN_HEAD] = c_ssm_scan_head},
    .layer_norm = c_layer_norm,
    .lerp = c_lerp,
    .sigmoid = c_sigmoid,
    .sigmoid_mul = c_sigmoid_mul,
    .tanh = c_tanh,
    .relu2 = c_relu2,
    .rwkv6_decay = c_rwkv6_decay,
    .rwkv7_decay = c_rwkv7_decay,
    .rwkv6_wkv = c_rwkv6_wkv,
    .rwkv7_keys = c_rwkv7_keys,
    .rwkv7_wkv = c_rwkv7_wkv,
    .rwkv7_bonus = c_rwkv7_bonus,
};
