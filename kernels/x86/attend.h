/* Attention, in the words of the lanes-*.h that the includer included before. */
#pragma once

#include <assert.h>
#include <stdbool.h>

#include "kernels/x86/vectors.h"

/* Queries that share the conversion of k and v. */
#define ATTEND_QUERIES 4u

/* One call's arguments without the queries. `type` is known when this is compiled. */
struct Page {
    enum KvType type;
    const void *k, *v;
    uint32_t head_size, n;
    size_t stride;
};

/* Weights of a page, filled up to whole lanes; one row a query. */
typedef float PageWeights[ATTEND_QUERIES][ATTEND_MAX];

/* Sixteen keys or values from element i on. */
ALWAYS_INLINE Lanes load_elements(const struct Page *page, const void *x, size_t i) {
    return page->type == KV_F16 ? lanes_load_f16((const uint16_t *)x + i)
                                : lanes_load((const float *)x + i);
}

/* Eight, zeros above. */
ALWAYS_INLINE Lanes load_8_elements(const struct Page *page, const void *x, size_t i) {
    return page->type == KV_F16 ? lanes_load_8_f16((const uint16_t *)x + i)
                                : lanes_load_8((const float *)x + i);
}

/* Scores of n_queries queries and as many positions from j on as there are accumulators for. A
 * position behind the last reads the last one; softmax() overwrites what comes of it. */
ALWAYS_INLINE void score_some(const struct Page *page, const float *q, uint32_t j, PageWeights s,
                              const unsigned n_queries) {
    const unsigned n_keys = LANES_TREES / n_queries;
    size_t k[LANES_TREES];
    Lanes dots[LANES_TREES];
    float sums[LANES_TREES];
    uint32_t d = 0;

    UNROLL for (unsigned i = 0; i < LANES_TREES; i++) dots[i] = lanes_set(0);
    UNROLL for (unsigned i = 0; i < n_keys; i++) k[i] =
        (j + i < page->n ? j + i : page->n - 1) * page->stride;
    for (; page->head_size - d >= 16; d += 16) UNROLL for (unsigned i = 0; i < n_keys; i++) {
            Lanes key = load_elements(page, page->k, k[i] + d);
            UNROLL for (unsigned h = 0; h < n_queries; h++) {
                Lanes *dot = &dots[h * n_keys + i];
                *dot = lanes_fma(lanes_load(q + h * page->head_size + d), key, *dot);
            }
        }
    if (d < page->head_size)
        UNROLL for (unsigned i = 0; i < LANES_TREES; i++) dots[i] =
            lanes_fma_8(lanes_load_8(q + i / n_keys * page->head_size + d),
                        load_8_elements(page, page->k, k[i % n_keys] + d), dots[i]);
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

/* acc = acc * c + p v for n_lanes x 16 dimensions (8 in the last lanes if `half`) from d on. */
ALWAYS_INLINE void accumulate_some(const struct Page *page, PageWeights p, const float *c,
                                   float *acc, uint32_t d, const unsigned n_queries,
                                   const unsigned n_lanes, const bool half) {
    Lanes a[ATTEND_QUERIES][4];

    UNROLL for (unsigned h = 0; h < n_queries; h++) UNROLL for (unsigned i = 0; i < n_lanes; i++) {
        const float *from = acc + h * page->head_size + d + 16 * i;
        a[h][i] = lanes_mul(half ? lanes_load_8(from) : lanes_load(from), lanes_set(c[h]));
    }
    for (uint32_t j = 0; j < page->n; j++) {
        const size_t v = j * page->stride + d;
        UNROLL for (unsigned i = 0; i < n_lanes; i++) {
            Lanes value =
                half ? load_8_elements(page, page->v, v) : load_elements(page, page->v, v + 16 * i);
            UNROLL for (unsigned h = 0; h < n_queries; h++) a[h][i] =
                lanes_fma(lanes_set(p[h][j]), value, a[h][i]);
        }
    }
    UNROLL for (unsigned h = 0; h < n_queries; h++) UNROLL for (unsigned i = 0; i < n_lanes; i++) {
        float *to = acc + h * page->head_size + d + 16 * i;
        if (half)
            lanes_store_first(to, 8, a[h][i]);
        else
            lanes_store(to, a[h][i]);
    }
}

ALWAYS_INLINE void attend_queries(const struct Page *page, const float *q, float *max, float *sum,
                                  float *acc, const unsigned n_queries) {
    const unsigned most_lanes = LANES_TREES / n_queries < 4 ? LANES_TREES / n_queries : 4;
    PageWeights p;
    float c[ATTEND_QUERIES];
    uint32_t d = 0;

    for (uint32_t j = 0; j < page->n; j += LANES_TREES / n_queries)
        score_some(page, q, j, p, n_queries);
    for (unsigned h = 0; h < n_queries; h++) c[h] = softmax(p[h], page->n, &max[h], &sum[h]);
    for (; page->head_size - d >= 16 * most_lanes; d += 16 * most_lanes)
        accumulate_some(page, p, c, acc, d, n_queries, most_lanes, false);
    for (; page->head_size - d >= 16; d += 16)
        accumulate_some(page, p, c, acc, d, n_queries, 1, false);
    if (d < page->head_size) accumulate_some(page, p, c, acc, d, n_queries, 1, true);
}

ALWAYS_INLINE void attend(const struct Page *page, const float *q, uint32_t n_queries, float *max,
                          float *sum, float *acc) {
    const uint32_t head_size = page->head_size;
    uint32_t h = 0;

    assert(page->n <= ATTEND_MAX);
    for (; n_queries - h >= 4; h += 4)
        attend_queries(page, q + h * head_size, max + h, sum + h, acc + h * head_size, 4);
    for (; n_queries - h >= 2; h += 2)
        attend_queries(page, q + h * head_size, max + h, sum + h, acc + h * head_size, 2);
    if (h < n_queries)
        attend_queries(page, q + h * head_size, max + h, sum + h, acc + h * head_size, 1);
}

static void attend_f16(const float *q, uint32_t n_queries, uint32_t head_size, const void *k,
                       const void *v, uint32_t n, size_t kv_stride, float *max, float *sum,
                       float *acc) {
    attend(&(const struct Page){KV_F16, k, v, head_size, n, kv_stride}, q, n_queries, max, sum,
           acc);
}

static void attend_f32(const float *q, uint32_t n_queries, uint32_t head_size, const void *k,
                       const void *v, uint32_t n, size_t kv_stride, float *max, float *sum,
                       float *acc) {
    attend(&(const struct Page){KV_F32, k, v, head_size, n, kv_stride}, q, n_queries, max, sum,
           acc);
}
