/* Attention over keys and values of every type. */
#include <math.h>
#include <string.h>

#include "kernels/f16.h"
#include "tests/kernels/check.h"
#include "tests/kernels/inputs.h"

enum { MAX_QUERIES = 9, MAX_HEAD = 256 };

struct State {
    float max[MAX_QUERIES], sum[MAX_QUERIES], acc[MAX_QUERIES * (MAX_HEAD + 2)];
};

static void state_init(struct State *state) {
    memset(state, 0, sizeof *state);
    for (unsigned i = 0; i < MAX_QUERIES; i++) state->max[i] = -INFINITY;
}

struct Shape {
    enum KvType type;
    uint32_t n_queries, key_size, value_size, n;
    uint32_t more; /* elements between rows, of queries and of what is kept of them, too */
    uint32_t step;
};

static size_t element_size(enum KvType type) {
    static const size_t sizes[N_KV_TYPES] = {[KV_F16] = 2, [KV_F32] = 4, [KV_I8] = 1};
    return sizes[type];
}

static float element(enum KvType type, const void *x, size_t i) {
    if (type == KV_I8) return ((const int8_t *)x)[i];
    return type == KV_F16 ? f16_decode(((const uint16_t *)x)[i]) : ((const float *)x)[i];
}

/* n rows, the last of which may be read up to a multiple of 16 elements before the guard. What
 * lies between rows is as hostile as what lies in them. */
static const void *new_rows(enum Slot slot, enum Fill fill, const struct Shape *s, uint32_t size) {
    size_t n = s->n ? (s->n - 1) * ((size_t)size + s->more) + (size + 15) / 16 * 16 : 0;
    void *rows = guarded(slot, n * element_size(s->type));
    if (s->type == KV_F16)
        fill_halves(fill, rows, n);
    else if (s->type == KV_F32)
        fill_floats(fill, rows, n);
    else
        for (size_t i = 0; i < n; i++) ((int8_t *)rows)[i] = (int8_t)random_u32();
    return rows;
}

static const float *new_scales(enum Slot slot, enum Fill fill, const struct Shape *s) {
    float *scales = guarded(slot, s->n * sizeof *scales);
    fill_floats(fill, scales, s->n);
    for (uint32_t i = 0; i < s->n; i++) scales[i] /= 127;
    return scales;
}

static struct AttendPage new_page(enum Fill fill, const struct Shape *s) {
    return (struct AttendPage){
        .n = s->n,
        .key_size = s->key_size,
        .value_size = s->value_size,
        .key_stride = (size_t)s->key_size + s->more,
        .value_stride = (size_t)s->value_size + s->more,
        .k = new_rows(SLOT_B, fill, s, s->key_size),
        .v = new_rows(SLOT_C, fill, s, s->value_size),
        .k_scales = s->type == KV_I8 ? new_scales(SLOT_E, fill, s) : NULL,
        .v_scales = s->type == KV_I8 ? new_scales(SLOT_F, fill, s) : NULL,
        .next = s->more ? (const void *)1 : NULL, /* to ask for is not to read */
    };
}

static struct AttendQueries new_queries(enum Fill fill, const struct Shape *s, struct State *state,
                                        float *acc) {
    const size_t q_stride = (size_t)s->key_size + s->more;
    const size_t n = s->n_queries ? (s->n_queries - 1) * q_stride + s->key_size : 0;
    float *q = guarded(SLOT_A, n * sizeof *q);
    fill_floats(fill, q, n);
    return (struct AttendQueries){
        .n = s->n_queries,
        .step = s->step,
        .q = q,
        .q_stride = q_stride,
        .acc = acc,
        .acc_stride = (size_t)s->value_size + s->more,
        .max = state->max,
        .sum = state->sum,
    };
}

static void compare_pages(const struct Kernels *tier, enum Fill fill, const struct Shape *s) {
    static struct State expected, actual;
    const size_t acc_stride = (size_t)s->value_size + s->more;
    const size_t n_acc = s->n_queries ? (s->n_queries - 1) * acc_stride + s->value_size : 0;
    float *acc = guarded(SLOT_D, n_acc * sizeof *acc);
    struct AttendQueries queries = new_queries(fill, s, &expected, expected.acc), same = queries;

    same.acc = acc;
    same.max = actual.max;
    same.sum = actual.sum;
    memset(acc, 0, n_acc * sizeof *acc);
    state_init(&expected);
    state_init(&actual);
    for (unsigned i = 0; i < 2; i++) {
        const struct AttendPage page = new_page(fill, s);
        kernels_tier(0)->attend[s->type](&queries, &page);
        tier->attend[s->type](&same, &page);
        memcpy(actual.acc, acc, n_acc * sizeof *acc);
        check_same_floats(tier, (float *)&actual, (float *)&expected, sizeof actual / sizeof(float),
                          "%u queries, step %u, keys of %u, values of %u, n=%u, page %u, fill %d",
                          s->n_queries, s->step, s->key_size, s->value_size, s->n, i, (int)fill);
    }
}

static void compare_attend(const struct Kernels *tier, enum KvType type) {
    static const uint32_t lengths[] = {0, 1, 2, 7, 15, 16, 17, 33, 48, 63, 64};
    static const uint32_t heads[] = {0, 1, 8, 16, 20, 24, 40, 64, 80, 96, 100, 120, 128, 255, 256};
    const unsigned n_heads = sizeof heads / sizeof *heads;
    uint32_t turn = 0;

    for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (unsigned h = 0; h < n_heads; h++)
            for (uint32_t n_queries = 0; n_queries <= MAX_QUERIES; n_queries += 1 + turn % 2) {
                enum Fill fill = turn++ % N_FILLS;
                uint32_t value_size = turn % 3 ? heads[h] : heads[turn % n_heads];
                struct Shape s = {type, n_queries, heads[h], value_size, lengths[i], turn % 3, 0};
                compare_pages(tier, fill, &s);
                s.step = 1; /* the first query sees nothing or something */
                if (n_queries <= s.n + 1) compare_pages(tier, fill, &s);
            }
}

/* Scores that underflow to zeros of either sign: which of them is the maximum must not depend on
 * the order of comparison. */
static void compare_zero_scores(const struct Kernels *tier, enum KvType type) {
    enum { N = 40, HEAD = 24, ROOM = N * HEAD + 8 };
    float q[HEAD], acc[2][HEAD] = {0};
    uint16_t halves[ROOM] = {0};
    int8_t bytes[ROOM] = {0};
    float floats[ROOM] = {0}, v[ROOM] = {0}, scales[N];
    const void *const keys[N_KV_TYPES] = {[KV_F16] = halves, [KV_F32] = floats, [KV_I8] = bytes};
    const struct AttendPage page = {N, HEAD, HEAD, HEAD, HEAD, keys[type], v, scales, scales};

    for (unsigned i = 0; i < N; i++) scales[i] = 0x1p-24f;
    for (unsigned turn = 0; turn < 64; turn++) {
        float max[2] = {-INFINITY, -INFINITY}, sum[2] = {0};
        for (unsigned d = 0; d < HEAD; d++) q[d] = -0x1p-149f;
        for (unsigned i = 0; i < N * HEAD; i++) {
            halves[i] = i % HEAD && turn % 2 ? 1 : random_u32() % 2;
            floats[i] = f16_decode(halves[i]);
            bytes[i] = (int8_t)halves[i];
        }
        for (unsigned i = 0; i < 2; i++)
            (i ? tier : kernels_tier(0))
                ->attend[type](
                    &(const struct AttendQueries){
                        .n = 1, .q = q, .acc = acc[i], .max = &max[i], .sum = &sum[i]},
                    &page);
        check_same_floats(tier, &max[1], &max[0], 1, "maximum of zeros");
        check_same_floats(tier, &sum[1], &sum[0], 1, "sum over zeros");
    }
}

static double scale_at(const float *scales, uint32_t j) {
    return scales ? (double)scales[j] : 1;
}

/* softmax(q k^T) v of one query, all positions at once. */
static void naive_attention(const float *q, enum KvType type, const struct AttendPage *page,
                            double *y) {
    double scores[1024], max = -INFINITY, sum = 0;

    for (uint32_t j = 0; j < page->n; j++) {
        scores[j] = 0;
        for (uint32_t d = 0; d < page->key_size; d++)
            scores[j] += q[d] * (double)element(type, page->k, j * page->key_stride + d) *
                         scale_at(page->k_scales, j);
        max = fmax(max, scores[j]);
    }
    for (uint32_t d = 0; d < page->value_size; d++) y[d] = 0;
    for (uint32_t j = 0; j < page->n; j++) {
        double p = exp(scores[j] - max);
        sum += p;
        for (uint32_t d = 0; d < page->value_size; d++)
            y[d] += p * (double)element(type, page->v, j * page->value_stride + d) *
                    scale_at(page->v_scales, j);
    }
    for (uint32_t d = 0; d < page->value_size; d++) y[d] /= sum;
}

/* Page by page against all at once, in double precision. */
static void check_definition(enum KvType type) {
    static struct State state;
    const struct Shape s = {type, 1, 64, 50, 200, 6, 0};
    const struct AttendPage all = new_page(FILL_RANDOM, &s);
    const size_t size = element_size(type);
    float q[64];
    double expected[64];

    fill_floats(FILL_RANDOM, q, 64);
    naive_attention(q, type, &all, expected);
    state_init(&state);
    const struct AttendQueries query = {
        .n = 1, .q = q, .acc = state.acc, .max = state.max, .sum = state.sum};
    for (uint32_t j = 0; j < s.n; j += ATTEND_MAX) {
        struct AttendPage page = all;
        page.n = s.n - j < ATTEND_MAX ? s.n - j : ATTEND_MAX;
        page.k = (const char *)all.k + j * all.key_stride * size;
        page.v = (const char *)all.v + j * all.value_stride * size;
        if (all.k_scales) page.k_scales += j;
        if (all.v_scales) page.v_scales += j;
        kernels_tier(0)->attend[type](&query, &page);
    }
    for (uint32_t d = 0; d < s.value_size; d++)
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

static void compare_i8(const struct Kernels *tier) {
    compare_attend(tier, KV_I8);
    compare_zero_scores(tier, KV_I8);
}

void check_attend_f16(void) {
    check_definition(KV_F16);
    check_tiers(compare_f16);
}

void check_attend_f32(void) {
    check_definition(KV_F32);
    check_tiers(compare_f32);
}

void check_attend_i8(void) {
    check_definition(KV_I8);
    check_tiers(compare_i8);
}
