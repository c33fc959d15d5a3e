/* Attention, in the words of the lanes-*.h that the includer included before. */
#pragma once

#include <assert.h>
#include <stdbool.h>

#include "kernels/x86/vectors.h"

/* Queries that share the conversion of k and v. */
#define ATTEND_QUERIES 4u

/* Weights of a page, filled up to whole lanes; one row a query. */
typedef float PageWeights[ATTEND_QUERIES][ATTEND_MAX];

/* Sixteen keys or values from element i on. `type` is known when this is compiled. */
ALWAYS_INLINE Lanes load_elements(const enum KvType type, const void *x, size_t i) {
    if (type == KV_I8) return lanes_load_i8((const int8_t *)x + i);
    return type == KV_F16 ? lanes_load_f16((const uint16_t *)x + i)
                          : lanes_load((const float *)x + i);
}

/* Scores of n_queries queries and as many positions from j on as there are accumulators for. A
 * position behind the last reads the last one; softmax() overwrites what comes of it. */
ALWAYS_INLINE void score_some(const enum KvType type, const struct AttendPage *page, const float *q,
                              uint32_t j, PageWeights s, const unsigned n_queries) {
    const unsigned n_keys = LANES_TREES / n_queries;
    size_t k[LANES_TREES];
    Lanes dots[LANES_TREES];
    float sums[LANES_TREES];
    uint32_t d = 0;

    UNROLL for (unsigned i = 0; i < LANES_TREES; i++) dots[i] = lanes_set(0);
    UNROLL for (unsigned i = 0; i < n_keys; i++) k[i] =
        (j + i < page->n ? j + i : page->n - 1) * page->key_stride;
    for (; page->key_size - d >= 16; d += 16) UNROLL for (unsigned i = 0; i < n_keys; i++) {
            Lanes key = load_elements(type, page->k, k[i] + d);
            UNROLL for (unsigned h = 0; h < n_queries; h++) {
                Lanes *dot = &dots[h * n_keys + i];
                *dot = lanes_fma(lanes_load(q + h * page->key_size + d), key, *dot);
            }
        }
    /* zeros times zeros behind the last dimension; the sign of a zero score does not count */
    if (d < page->key_size) UNROLL for (unsigned i = 0; i < n_keys; i++) {
            const uint32_t n = page->key_size - d;
            Lanes key = lanes_keep_first(load_elements(type, page->k, k[i] + d), n);
            UNROLL for (unsigned h = 0; h < n_queries; h++) {
                Lanes *dot = &dots[h * n_keys + i];
                *dot = lanes_fma(lanes_load_first(q + h * page->key_size + d, n), key, *dot);
            }
        }
    lanes_trees(dots, sums);
    for (unsigned h = 0; h < n_queries; h++)
        memcpy(&s[h][j], &sums[h * n_keys], n_keys * sizeof(float));
}

/* Turns n scores into weights, in place. Returns what the earlier sum and acc are to be scaled
 * by. */
static float softmax(float scores[ATTEND_MAX], uint32_t n, float *max, float *sum) {
    Lanes most = lanes_set(*max), total = lanes_set(0);

    /* exp(-inf) adds nothing to the lanes behind the last position. */
    for (uint32_t j = n; j % 16; j++) scores[j] = -INFINITY;
    for (uint32_t j = 0; j < n; j += 16) most = lanes_max(lanes_load(scores + j), most);
    float m = lanes_largest(most) + 0.0f; /* -0 and +0 are one score, whichever came first */
    for (uint32_t j = 0; j < n; j += 16) {
        Lanes p = lanes_exp(lanes_sub(lanes_load(scores + j), lanes_set(m)));
        lanes_store(scores + j, p);
        total = lanes_add(total, p);
    }
    float c = *max == -INFINITY ? 0 : exp_f32(*max - m);
    *max = m;
    *sum = fmaf(*sum, c, lanes_tree(total));
    return c;
}

/* The first n floats of x times those of `by`, in place. */
ALWAYS_INLINE void multiply_scores(float scores[ATTEND_MAX], const float *by, uint32_t n) {
    uint32_t j = 0;
    for (; n - j >= 16; j += 16)
        lanes_store(scores + j, lanes_mul(lanes_load(scores + j), lanes_load(by + j)));
    if (j < n)
        lanes_store(scores + j, lanes_mul(lanes_load(scores + j), lanes_load_first(by + j, n - j)));
}

/* acc = acc * c + p v for n_lanes x 16 dimensions from d on; of the last lanes, if n_last is not
 * 16, the first n_last alone. */
ALWAYS_INLINE void accumulate_some(const enum KvType type, const struct AttendPage *page,
                                   PageWeights p, const float *c, float *acc, uint32_t d,
                                   const unsigned n_queries, const unsigned n_lanes,
                                   uint32_t n_last) {
    Lanes a[ATTEND_QUERIES][4];

    UNROLL for (unsigned h = 0; h < n_queries; h++) UNROLL for (unsigned i = 0; i < n_lanes; i++) {
        const float *from = acc + h * page->value_size + d + 16 * i;
        a[h][i] = lanes_mul(load_up_to_16(from, n_last), lanes_set(c[h]));
    }
    for (uint32_t j = 0; j < page->n; j++) {
        const size_t v = j * page->value_stride + d;
        UNROLL for (unsigned i = 0; i < n_lanes; i++) {
            Lanes value = load_elements(type, page->v, v + 16 * i);
            UNROLL for (unsigned h = 0; h < n_queries; h++) a[h][i] =
                lanes_fma(lanes_set(p[h][j]), value, a[h][i]);
        }
    }
    UNROLL for (unsigned h = 0; h < n_queries; h++) UNROLL for (unsigned i = 0; i < n_lanes; i++) {
        float *to = acc + h * page->value_size + d + 16 * i;
        if (n_last < 16)
            lanes_store_first(to, n_last, a[h][i]);
        else
            lanes_store(to, a[h][i]);
    }
}

ALWAYS_INLINE void attend_queries(const enum KvType type, const struct AttendPage *page,
                                  const float *q, float *max, float *sum, float *acc,
                                  const unsigned n_queries) {
    const unsigned most_lanes = LANES_TREES / n_queries < 4 ? LANES_TREES / n_queries : 4;
    const uint32_t n = page->n, size = page->value_size;
    PageWeights p;
    float c[ATTEND_QUERIES];
    uint32_t d = 0;

    for (uint32_t j = 0; j < n; j += LANES_TREES / n_queries)
        score_some(type, page, q, j, p, n_queries);
    for (unsigned h = 0; h < n_queries; h++) {
        if (type == KV_I8) multiply_scores(p[h], page->k_scales, n);
        c[h] = softmax(p[h], n, &max[h], &sum[h]);
        if (type == KV_I8) multiply_scores(p[h], page->v_scales, n);
    }
    for (; size - d >= 16 * most_lanes; d += 16 * most_lanes)
        accumulate_some(type, page, p, c, acc, d, n_queries, most_lanes, 16);
    for (; size - d >= 16; d += 16) accumulate_some(type, page, p, c, acc, d, n_queries, 1, 16);
    if (d < size) accumulate_some(type, page, p, c, acc, d, n_queries, 1, size - d);
}

ALWAYS_INLINE void attend(const enum KvType type, const struct AttendPage *page, const float *q,
                          uint32_t n_queries, float *max, float *sum, float *acc) {
    const size_t key_size = page->key_size, value_size = page->value_size;
    uint32_t h = 0;

    assert(page->n <= ATTEND_MAX);
    for (; n_queries - h >= 4; h += 4)
        attend_queries(type, page, q + h * key_size, max + h, sum + h, acc + h * value_size, 4);
    for (; n_queries - h >= 2; h += 2)
        attend_queries(type, page, q + h * key_size, max + h, sum + h, acc + h * value_size, 2);
    if (h < n_queries)
        attend_queries(type, page, q + h * key_size, max + h, sum + h, acc + h * value_size, 1);
}

static void attend_f16(const float *q, uint32_t n_queries, const struct AttendPage *page,
                       float *max, float *sum, float *acc) {
    attend(KV_F16, page, q, n_queries, max, sum, acc);
}

static void attend_f32(const float *q, uint32_t n_queries, const struct AttendPage *page,
                       float *max, float *sum, float *acc) {
    attend(KV_F32, page, q, n_queries, max, sum, acc);
}

static void attend_i8(const float *q, uint32_t n_queries, const struct AttendPage *page, float *max,
                      float *sum, float *acc) {
    attend(KV_I8, page, q, n_queries, max, sum, acc);
}
