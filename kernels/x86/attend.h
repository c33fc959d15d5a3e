/* Attention, in the words of the lanes-*.h that the includer included before. */
#pragma once

#include <assert.h>
#include <stdbool.h>

#include "kernels/x86/vectors.h"

/* Queries that share the conversion of k and v. */
#define ATTEND_QUERIES 4u

/* A query's weights of a page, filled up to whole lanes. */
typedef float PageWeights[ATTEND_MAX];

/* Sixteen keys or values from element i on. `type` is known when this is compiled. */
ALWAYS_INLINE Lanes load_elements(const enum KvType type, const void *x, size_t i) {
    if (type == KV_I8) return lanes_load_i8((const int8_t *)x + i);
    return type == KV_F16 ? lanes_load_f16((const uint16_t *)x + i)
                          : lanes_load((const float *)x + i);
}

/* Asks for element i and those in its cache line. While a page's keys are read, its values are on
 * their way, and while these are, the next page's keys: pieces of a few kilobytes each that lie
 * apart, in which the hardware hardly sees a stream. */
ALWAYS_INLINE void ask_for(const enum KvType type, const void *x, size_t i) {
    const size_t size = type == KV_I8 ? 1 : type == KV_F16 ? 2 : 4;
    _mm_prefetch((const char *)x + i * size, _MM_HINT_T1);
}

/* Scores of n_queries queries and as many positions from j on as there are accumulators for. A
 * position behind the last reads the last one; softmax() overwrites what comes of it. */
ALWAYS_INLINE void score_some(const enum KvType type, const struct AttendPage *page, const float *q,
                              size_t q_stride, uint32_t j, PageWeights *s, const unsigned n_queries,
                              const bool is_first) {
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
            if (is_first) ask_for(type, page->v, (j + i) * page->value_stride + d);
            UNROLL for (unsigned h = 0; h < n_queries; h++) {
                Lanes *dot = &dots[h * n_keys + i];
                *dot = lanes_fma(lanes_load(q + h * q_stride + d), key, *dot);
            }
        }
    /* zeros times zeros behind the last dimension; the sign of a zero score does not count */
    if (d < page->key_size) UNROLL for (unsigned i = 0; i < n_keys; i++) {
            const uint32_t n = page->key_size - d;
            Lanes key = lanes_keep_first(load_elements(type, page->k, k[i] + d), n);
            UNROLL for (unsigned h = 0; h < n_queries; h++) {
                Lanes *dot = &dots[h * n_keys + i];
                *dot = lanes_fma(lanes_load_first(q + h * q_stride + d, n), key, *dot);
            }
        }
    lanes_trees(dots, sums);
    for (unsigned h = 0; h < n_queries; h++)
        memcpy(&s[h][j], &sums[h * n_keys], n_keys * sizeof(float));
}

/* Turns n scores into weights, in place. Returns what the earlier sum and acc are to be scaled
 * by. */
static float softmax(PageWeights scores, uint32_t n, float *max, float *sum) {
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
ALWAYS_INLINE void multiply_scores(PageWeights scores, const float *by, uint32_t n) {
    uint32_t j = 0;
    for (; n - j >= 16; j += 16)
        lanes_store(scores + j, lanes_mul(lanes_load(scores + j), lanes_load(by + j)));
    if (j < n)
        lanes_store(scores + j, lanes_mul(lanes_load(scores + j), lanes_load_first(by + j, n - j)));
}

/* Lanes of values that go by together, as far as there are accumulators for them. */
#define ATTEND_LANES (LANES_TREES / 2)

/* A stretch of positions, and what goes into acc of them. */
struct Stretch {
    uint32_t from, to;
    const float *c;   /* of each query: what acc is scaled by before */
    const void *next; /* keys to ask for; NULL: none */
};

/* acc = acc * c + p v for n_lanes x 16 dimensions from d on; of the last lanes, if n_last is not
 * 16, the first n_last alone. */
ALWAYS_INLINE void accumulate_some(const enum KvType type, const struct AttendPage *page,
                                   const struct Stretch *stretch, PageWeights *p, float *acc,
                                   size_t acc_stride, uint32_t d, const unsigned n_queries,
                                   const unsigned n_lanes, uint32_t n_last) {
    Lanes a[ATTEND_QUERIES][ATTEND_LANES];

    UNROLL for (unsigned h = 0; h < n_queries; h++) UNROLL for (unsigned i = 0; i < n_lanes; i++) {
        const float *from = acc + h * acc_stride + d + 16 * i;
        a[h][i] = lanes_mul(load_up_to_16(from, n_last), lanes_set(stretch->c[h]));
    }
    for (uint32_t j = stretch->from; j < stretch->to; j++) {
        const size_t v = j * page->value_stride + d;
        UNROLL for (unsigned i = 0; i < n_lanes; i++) {
            Lanes value = load_elements(type, page->v, v + 16 * i);
            if (stretch->next) ask_for(type, stretch->next, j * page->key_stride + d + 16 * i);
            UNROLL for (unsigned h = 0; h < n_queries; h++) a[h][i] =
                lanes_fma(lanes_set(p[h][j]), value, a[h][i]);
        }
    }
    UNROLL for (unsigned h = 0; h < n_queries; h++) UNROLL for (unsigned i = 0; i < n_lanes; i++) {
        float *to = acc + h * acc_stride + d + 16 * i;
        if (n_last < 16)
            lanes_store_first(to, n_last, a[h][i]);
        else
            lanes_store(to, a[h][i]);
    }
}

ALWAYS_INLINE void accumulate(const enum KvType type, const struct AttendPage *page,
                              const struct Stretch *stretch, PageWeights *p, float *acc,
                              size_t acc_stride, const unsigned n_queries) {
    const unsigned fitting = LANES_TREES / n_queries;
    const unsigned most_lanes = fitting < ATTEND_LANES ? fitting : ATTEND_LANES;
    const uint32_t n = page->value_size;
    uint32_t d = 0;

    for (; n - d >= 16 * most_lanes; d += 16 * most_lanes)
        accumulate_some(type, page, stretch, p, acc, acc_stride, d, n_queries, most_lanes, 16);
    for (; n - d >= 16; d += 16)
        accumulate_some(type, page, stretch, p, acc, acc_stride, d, n_queries, 1, 16);
    if (d < n) accumulate_some(type, page, stretch, p, acc, acc_stride, d, n_queries, 1, n - d);
}

/* What the queries from h on see beyond what the first of them sees. */
ALWAYS_INLINE void accumulate_rest(const enum KvType type, const struct AttendPage *page,
                                   const struct AttendQueries *queries, uint32_t h, PageWeights *p,
                                   const unsigned n_queries) {
    static const float one = 1;
    const uint32_t from = attend_seen(queries, page, h);
    for (unsigned i = 1; i < n_queries; i++) {
        const struct Stretch rest = {from, attend_seen(queries, page, h + i), &one, NULL};
        accumulate(type, page, &rest, p + i, queries->acc + (h + i) * queries->acc_stride, 0, 1);
    }
}

ALWAYS_INLINE void attend_some(const enum KvType type, const struct AttendPage *page,
                               const struct AttendQueries *queries, uint32_t h,
                               const unsigned n_queries) {
    const uint32_t most = attend_seen(queries, page, h + n_queries - 1);
    float c[ATTEND_QUERIES];
    PageWeights p[ATTEND_QUERIES];

    const float *q = queries->q + h * queries->q_stride;
    for (uint32_t j = 0; j < most; j += LANES_TREES / n_queries)
        if (h == 0)
            score_some(type, page, q, queries->q_stride, j, p, n_queries, true);
        else
            score_some(type, page, q, queries->q_stride, j, p, n_queries, false);
    for (unsigned i = 0; i < n_queries; i++) {
        const uint32_t n = attend_seen(queries, page, h + i);
        if (type == KV_I8) multiply_scores(p[i], page->k_scales, n);
        c[i] = softmax(p[i], n, &queries->max[h + i], &queries->sum[h + i]);
        if (type == KV_I8) multiply_scores(p[i], page->v_scales, n);
    }
    const void *next = h == 0 ? page->next : NULL;
    accumulate(type, page, &(const struct Stretch){0, attend_seen(queries, page, h), c, next}, p,
               queries->acc + h * queries->acc_stride, queries->acc_stride, n_queries);
    if (queries->step > 0) accumulate_rest(type, page, queries, h, p, n_queries);
}

ALWAYS_INLINE void attend(const enum KvType type, const struct AttendQueries *queries,
                          const struct AttendPage *page) {
    const uint32_t n = queries->n;
    uint32_t h = 0;

    assert(page->n <= ATTEND_MAX);
    for (; n - h >= 4; h += 4) attend_some(type, page, queries, h, 4);
    for (; n - h >= 2; h += 2) attend_some(type, page, queries, h, 2);
    if (h < n) attend_some(type, page, queries, h, 1);
}

static void attend_f16(const struct AttendQueries *queries, const struct AttendPage *page) {
    attend(KV_F16, queries, page);
}

static void attend_f32(const struct AttendQueries *queries, const struct AttendPage *page) {
    attend(KV_F32, queries, page);
}

static void attend_i8(const struct AttendQueries *queries, const struct AttendPage *page) {
    attend(KV_I8, queries, page);
}
