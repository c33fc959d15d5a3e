/* Attention over keys and values of either type. */
#include <math.h>
#include <string.h>

#include "kernels/f16.h"
#include "tests/kernels/check.h"
#include "tests/kernels/inputs.h"

enum { MAX_QUERIES = 9, MAX_HEAD = 256 };

struct State {
    float max[MAX_QUERIES], sum[MAX_QUERIES], acc[MAX_QUERIES * MAX_HEAD];
};

static void state_init(struct State *state) {
    memset(state, 0, sizeof *state);
    for (unsigned i = 0; i < MAX_QUERIES; i++) state->max[i] = -INFINITY;
}

struct Shape {
    enum KvType type;
    uint32_t n_queries, head_size, n;
    size_t stride;
};

static size_t element_size(enum KvType type) {
    return type == KV_F16 ? sizeof(uint16_t) : sizeof(float);
}

static float element(enum KvType type, const void *x, size_t i) {
    return type == KV_F16 ? f16_decode(((const uint16_t *)x)[i]) : ((const float *)x)[i];
}

/* n rows, the last of which ends at the guard. */
static const char *new_rows(enum Slot slot, enum Fill fill, const struct Shape *s) {
    size_t n = s->n ? (s->n - 1) * s->stride + s->head_size : 0;
    void *rows = guarded(slot, n * element_size(s->type));
    if (s->type == KV_F16)
        fill_halves(fill, rows, n);
    else
        fill_floats(fill, rows, n);
    return rows;
}

static void compare_pages(const struct Kernels *tier, enum Fill fill, const struct Shape *s) {
    static struct State expected, actual;
    size_t n_q = (size_t)s->n_queries * s->head_size;
    float *q = guarded(SLOT_A, n_q * sizeof *q), *acc = guarded(SLOT_D, n_q * sizeof *acc);

    fill_floats(fill, q, n_q);
    memset(acc, 0, n_q * sizeof *acc);
    state_init(&expected);
    state_init(&actual);
    for (unsigned page = 0; page < 2; page++) {
        const void *k = new_rows(SLOT_B, fill, s), *v = new_rows(SLOT_C, fill, s);
        kernels_tier(0)->attend[s->type](q, s->n_queries, s->head_size, k, v, s->n, s->stride,
                                         expected.max, expected.sum, expected.acc);
        tier->attend[s->type](q, s->n_queries, s->head_size, k, v, s->n, s->stride, actual.max,
                              actual.sum, acc);
        memcpy(actual.acc, acc, n_q * sizeof *acc);
        check_same_floats(tier, (float *)&actual, (float *)&expected, sizeof actual / sizeof(float),
                          "%u queries, head %u, n=%u, page %u, fill %d", s->n_queries, s->head_size,
                          s->n, page, (int)fill);
    }
}

static void compare_attend(const struct Kernels *tier, enum KvType type) {
    static const uint32_t lengths[] = {0, 1, 2, 7, 15, 16, 17, 33, 48, 63, 64};
    static const uint32_t heads[] = {0, 8, 16, 24, 40, 64, 80, 96, 120, 128, 256};
    uint32_t turn = 0;

    for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (unsigned h = 0; h < sizeof heads / sizeof *heads; h++)
            for (uint32_t n_queries = 0; n_queries <= MAX_QUERIES; n_queries += 1 + turn % 2) {
                enum Fill fill = turn++ % N_FILLS;
                struct Shape s = {type, n_queries, heads[h], lengths[i], heads[h] + turn % 3};
                compare_pages(tier, fill, &s);
            }
}

/* Scores that underflow to zeros of either sign: which of them is the maximum must not depend on
 * the order of comparison. */
static void compare_zero_scores(const struct Kernels *tier, enum KvType type) {
    enum { N = 40, HEAD = 24 };
    float q[HEAD], acc[2][HEAD] = {0};
    uint16_t halves[N * HEAD];
    float floats[N * HEAD], v[N * HEAD] = {0};
    const void *k = type == KV_F16 ? (const void *)halves : floats;

    for (unsigned turn = 0; turn < 64; turn++) {
        float max[2] = {-INFINITY, -INFINITY}, sum[2] = {0};
        for (unsigned d = 0; d < HEAD; d++) q[d] = -0x1p-149f;
        for (unsigned i = 0; i < N * HEAD; i++) {
            halves[i] = i % HEAD && turn % 2 ? 1 : random_u32() % 2;
            floats[i] = f16_decode(halves[i]);
        }
        kernels_tier(0)->attend[type](q, 1, HEAD, k, v, N, HEAD, &max[0], &sum[0], acc[0]);
        tier->attend[type](q, 1, HEAD, k, v, N, HEAD, &max[1], &sum[1], acc[1]);
        check_same_floats(tier, &max[1], &max[0], 1, "maximum of zeros");
        check_same_floats(tier, &sum[1], &sum[0], 1, "sum over zeros");
    }
}

/* softmax(q k^T) v of one query, all positions at once. */
static void naive_attention(const float *q, const struct Shape *s, const void *k, const void *v,
                            double *y) {
    double scores[1024], max = -INFINITY, sum = 0;

    for (uint32_t j = 0; j < s->n; j++) {
        scores[j] = 0;
        for (uint32_t d = 0; d < s->head_size; d++)
            scores[j] += q[d] * (double)element(s->type, k, j * s->stride + d);
        max = fmax(max, scores[j]);
    }
    for (uint32_t d = 0; d < s->head_size; d++) y[d] = 0;
    for (uint32_t j = 0; j < s->n; j++) {
        double p = exp(scores[j] - max);
        sum += p;
        for (uint32_t d = 0; d < s->head_size; d++)
            y[d] += p * element(s->type, v, j * s->stride + d);
    }
    for (uint32_t d = 0; d < s->head_size; d++) y[d] /= sum;
}

/* Page by page against all at once, in double precision. */
static void check_definition(enum KvType type) {
    static struct State state;
    const struct Shape s = {type, 1, 64, 200, 70};
    const char *k = new_rows(SLOT_B, FILL_RANDOM, &s), *v = new_rows(SLOT_C, FILL_RANDOM, &s);
    float q[64];
    double expected[64];

    fill_floats(FILL_RANDOM, q, 64);
    naive_attention(q, &s, k, v, expected);
    state_init(&state);
    for (uint32_t j = 0; j < s.n; j += ATTEND_MAX) {
        uint32_t n = s.n - j < ATTEND_MAX ? s.n - j : ATTEND_MAX;
        size_t at = j * s.stride * element_size(type);
        kernels_tier(0)->attend[type](q, 1, s.head_size, k + at, v + at, n, s.stride, state.max,
                                      state.sum, state.acc);
    }
    for (uint32_t d = 0; d < s.head_size; d++)
        if (!(fabs(state.acc[d] / state.sum[0] - expected[d]) < 2e-6))
            check_failed("C tier, dimension %u: %g, expected %g", d, state.acc[d] / state.sum[0],
                         expected[d]);
}

static void compare_f16(const struct Kernels *tier) {
    compare_attend(tier, KV_F16);
    compare_zero_scores(tier, KV_F16);
}

static void compare_f32(const struct Kernels *tier) {
    compare_attend(tier, KV_F32);
    compare_zero_scores(tier, KV_F32);
}

void check_attend_f16(void) {
    check_definition(KV_F16);
    check_tiers(compare_f16);
}

void check_attend_f32(void) {
    check_definition(KV_F32);
    check_tiers(compare_f32);
}
