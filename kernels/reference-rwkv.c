/* The C tier: what RWKV needs beside matrices. kernels.h says what each one computes. */
#include <math.h>

#include "kernels/reference.h"
#include "kernels/tanh.h"

static float square_tree(const float *x, uint32_t n, float middle) {
    float lanes[16] = {0};
    for (uint32_t i = 0; i < n; i++) {
        float d = x[i] - middle;
        lanes[i % 16] = fmaf(d, d, lanes[i % 16]);
    }
    return c_tree(lanes);
}

void c_layer_norm(const float *x, const float *w, const float *b, uint32_t n, float eps, float *y) {
    float lanes[16] = {0};
    for (uint32_t i = 0; i < n; i++) lanes[i % 16] += x[i];
    float mean = c_tree(lanes) / (float)n;
    float r = 1.0f / sqrtf(square_tree(x, n, mean) / (float)n + eps);
    for (uint32_t i = 0; i < n; i++) y[i] = fmaf((x[i] - mean) * r, w[i], b[i]);
}

void c_lerp(const float *a, const float *b, const float *t, uint32_t n, float *y) {
    for (uint32_t i = 0; i < n; i++) y[i] = fmaf(b[i] - a[i], t[i], a[i]);
}

static inline float sigmoid(float z) {
    return 1.0f / (1.0f + exp_f32(-z));
}

void c_sigmoid(const float *x, uint32_t n, float *y) {
    for (uint32_t i = 0; i < n; i++) y[i] = sigmoid(x[i]);
}

void c_sigmoid_mul(const float *gate, const float *up, uint32_t n, float *y) {
    for (uint32_t i = 0; i < n; i++) y[i] = sigmoid(gate[i]) * up[i];
}

void c_tanh(const float *x, uint32_t n, float *y) {
    for (uint32_t i = 0; i < n; i++) y[i] = tanh_f32(x[i]);
}

void c_relu2(const float *x, uint32_t n, float *y) {
    for (uint32_t i = 0; i < n; i++) {
        float z = x[i] > 0 ? x[i] : 0;
        y[i] = z * z;
    }
}

/* ---- RWKV-6 ---- */

void c_rwkv6_decay(const float *x, uint32_t n, float *y) {
    for (uint32_t i = 0; i < n; i++) y[i] = exp_f32(-exp_f32(x[i]));
}

void c_rwkv6_wkv(const struct Wkv *wkv) {
    const uint32_t n = wkv->head_size;
    for (uint32_t t = 0; t < wkv->n_rows; t++) {
        const size_t row = t * wkv->stride;
        const float *r = wkv->r + row, *w = wkv->w + row, *k = wkv->k + row, *v = wkv->v + row;
        float *y = wkv->y + row;
        for (uint32_t j = 0; j < n; j++) y[j] = 0;
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t j = 0; j < n; j++) {
                float *state = &wkv->state[i * n + j], kv = k[i] * v[j];
                y[j] = fmaf(r[i], fmaf(wkv->u[i], kv, *state), y[j]);
                *state = fmaf(w[i], *state, kv);
            }
    }
}

/* ---- RWKV-7 ---- */

void c_rwkv7_decay(const float *x, uint32_t n, float *y) {
    for (uint32_t i = 0; i < n; i++) y[i] = exp_f32(sigmoid(x[i]) * -RWKV7_DECAY);
}

void c_rwkv7_keys(const float *a, const float *k_k, const float *k_a, uint32_t n_heads,
                  uint32_t head_size, float *k, float *kk, float *b) {
    for (uint32_t h = 0; h < n_heads; h++) {
        const uint32_t first = h * head_size, end = first + head_size;
        for (uint32_t i = first; i < end; i++) kk[i] = k[i] * k_k[i];
        float scale = 1.0f / fmaxf(sqrtf(square_tree(kk + first, head_size, 0)), 1e-12f);
        for (uint32_t i = first; i < end; i++) {
            kk[i] *= scale;
            b[i] = kk[i] * a[i];
            k[i] *= fmaf(a[i] - 1.0f, k_a[i], 1.0f);
        }
    }
}

void c_rwkv7_wkv(const struct Wkv *wkv) {
    const uint32_t n = wkv->head_size;
    for (uint32_t t = 0; t < wkv->n_rows; t++) {
        const size_t row = t * wkv->stride;
        const float *r = wkv->r + row, *w = wkv->w + row, *k = wkv->k + row, *v = wkv->v + row;
        const float *kk = wkv->kk + row, *b = wkv->b + row;
        for (uint32_t i = 0; i < n; i++) {
            float removed = 0, y = 0;
            for (uint32_t j = 0; j < n; j++) removed = fmaf(wkv->state[j * n + i], kk[j], removed);
            for (uint32_t j = 0; j < n; j++) {
                float *state = &wkv->state[j * n + i];
                *state = fmaf(v[i], k[j], fmaf(-removed, b[j], *state * w[j]));
                y = fmaf(*state, r[j], y);
            }
            wkv->y[row + i] = y;
        }
    }
}

void c_rwkv7_bonus(const float *r, const float *k, const float *r_k, const float *v,
                   uint32_t n_heads, uint32_t head_size, float *y) {
    for (uint32_t h = 0; h < n_heads; h++) {
        const uint32_t first = h * head_size, end = first + head_size;
        float lanes[16] = {0};
        for (uint32_t i = 0; i < head_size; i++)
            lanes[i % 16] = fmaf(r[first + i] * k[first + i], r_k[first + i], lanes[i % 16]);
        const float bonus = c_tree(lanes);
        for (uint32_t i = first; i < end; i++) y[i] = fmaf(bonus, v[i], y[i]);
    }
}
