/* The C tier: one page of attention with a running softmax. */
#include "kernels/reference.h"

#include <assert.h>
#include <math.h>

#include "kernels/exp.h"
#include "kernels/f16.h"

/* Element i of keys or values. */
static inline float element(const void *x, size_t i, enum KvType type) {
    if (type == KV_I8) return ((const int8_t *)x)[i];
    return type == KV_F16 ? f16_decode(((const uint16_t *)x)[i]) : ((const float *)x)[i];
}

static inline float dot(const float *q, const void *k, size_t at, uint32_t n, enum KvType type) {
    float lanes[16] = {0};
    for (uint32_t d = 0; d < n; d++)
        lanes[d % 16] = fmaf(q[d], element(k, at + d, type), lanes[d % 16]);
    return c_tree(lanes);
}

/* Turns scores into weights, in place. Returns what the earlier sum and acc are to be scaled by. */
static float softmax(float *scores, uint32_t n, float *max, float *sum) {
    float m = *max, lanes[16] = {0};

    for (uint32_t j = 0; j < n; j++) m = scores[j] > m ? scores[j] : m;
    m += 0.0f;
    for (uint32_t j = 0; j < n; j++) {
        scores[j] = exp_f32(scores[j] - m);
        lanes[j % 16] += scores[j];
    }
    float c = *max == -INFINITY ? 0 : exp_f32(*max - m);
    *max = m;
    *sum = fmaf(*sum, c, c_tree(lanes));
    return c;
}

static inline void multiply(float *x, const float *by, uint32_t n) {
    for (uint32_t j = 0; j < n; j++) x[j] *= by[j];
}

static inline void attend(const struct AttendQueries *queries, const struct AttendPage *page,
                          enum KvType type) {
    const uint32_t value_size = page->value_size;
    assert(page->n <= ATTEND_MAX);
    for (uint32_t i = 0; i < queries->n; i++) {
        const float *q = queries->q + i * queries->q_stride;
        float *acc = queries->acc + i * queries->acc_stride, p[ATTEND_MAX];
        const uint32_t n = attend_seen(queries, page, i);
        for (uint32_t j = 0; j < n; j++)
            p[j] = dot(q, page->k, j * page->key_stride, page->key_size, type);
        if (type == KV_I8) multiply(p, page->k_scales, n);
        float c = softmax(p, n, &queries->max[i], &queries->sum[i]);
        if (type == KV_I8) multiply(p, page->v_scales, n);
        for (uint32_t d = 0; d < value_size; d++) acc[d] *= c;
        for (uint32_t j = 0; j < n; j++)
            for (uint32_t d = 0; d < value_size; d++)
                acc[d] = fmaf(p[j], element(page->v, j * page->value_stride + d, type), acc[d]);
    }
}

void c_attend_f16(const struct AttendQueries *queries, const struct AttendPage *page) {
    attend(queries, page, KV_F16);
}

void c_attend_f32(const struct AttendQueries *queries, const struct AttendPage *page) {
    attend(queries, page, KV_F32);
}

void c_attend_i8(const struct AttendQueries *queries, const struct AttendPage *page) {
    attend(queries, page, KV_I8);
}
