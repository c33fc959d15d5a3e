/* Attention by its definition (transformer-attend.c), to the bit: every tier, any number of
 * threads, rows that see segments in part or whole. Meant to be run under ThreadSanitizer, too. */
#include <stdatomic.h>

#include "engine/kv.h"
#include "engine/transformer.h"
#include "kernels/exp.h"
#include "test.h"

#define MAX_ROWS 64u
#define MAX_SPANS 4u

/* A layer of a transformer, as much as attention sees of it, and a batch. */
struct Bench {
    struct Layer layer;
    struct Compute compute;
    struct Transformer t;
    struct KvCache caches[MAX_SPANS];
    struct BatchSpan spans[MAX_SPANS];
    struct Batch batch;
    float *expected; /* as t.attended */
    uint32_t random;
};

struct Shape {
    uint32_t n_heads, n_kv_heads, key_size, value_size;
    const char *kv_type;
};

static float random_float(struct Bench *bench) {
    bench->random = bench->random * 1664525u + 1013904223u;
    return (float)(bench->random >> 8) / (float)(1u << 23) - 1;
}

static void random_floats(struct Bench *bench, float *x, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) x[i] = random_float(bench);
}

static void bench_open(struct Bench *bench, const struct Shape *shape) {
    const struct KvShape kv = {1, &shape->n_kv_heads, shape->key_size, shape->value_size, 1};
    struct Transformer *t = &bench->t;
    *bench = (struct Bench){.layer = {.n_heads = shape->n_heads, .n_kv_heads = shape->n_kv_heads}};
    t->n_layers = 1;
    t->layers = &bench->layer;
    t->key_size = shape->key_size;
    t->value_size = shape->value_size;
    t->compute = &bench->compute;
    bench->compute.kernels = kernels_tier(0);
    bench->batch.spans = bench->spans;
    bench->random = 7;
    CHECK_INT(kv_pool_init(&t->kv, &kv, shape->kv_type), 0);
    CHECK_INT(rows_init(&t->q, MAX_ROWS, shape->n_heads * shape->key_size), 0);
    CHECK_INT(rows_init(&t->attended, MAX_ROWS, shape->n_heads * shape->value_size), 0);
    for (uint32_t i = 0; i < MAX_ROWS; i++)
        random_floats(bench, row_of(&t->q, i), shape->n_heads * shape->key_size);
    bench->expected = calloc(MAX_ROWS * t->attended.stride, sizeof(float));
}

static void bench_close(struct Bench *bench) {
    for (uint32_t i = 0; i < bench->batch.n_spans; i++) kv_clear(&bench->t.kv, &bench->caches[i]);
    kv_pool_done(&bench->t.kv);
    rows_done(&bench->t.q);
    rows_done(&bench->t.attended);
    free(bench->expected);
}

/* A sequence of its own for n_rows rows from a position on. */
static void span_add(struct Bench *bench, uint32_t position, uint32_t n_rows) {
    struct Transformer *t = &bench->t;
    struct Batch *batch = &bench->batch;
    struct KvCache *cache = &bench->caches[batch->n_spans];
    float k[512], v[512];
    CHECK_INT(kv_reserve(&t->kv, cache, 0, position + n_rows), 0);
    for (uint32_t i = 0; i < position + n_rows; i++)
        for (uint32_t head = 0; head < bench->layer.n_kv_heads; head++) {
            random_floats(bench, k, t->key_size);
            random_floats(bench, v, t->value_size);
            kv_write(&t->kv, bench->compute.kernels, cache, i, 0, head, k, v);
        }
    bench->spans[batch->n_spans++] =
        (struct BatchSpan){cache, batch->n_rows, n_rows, .position = position};
    batch->n_rows += n_rows;
}

/* ---- The definition ---- */

struct Softmax {
    float acc[512], max, sum;
};

/* Positions [from, to) of one head. */
static void run_softmax(const struct Bench *bench, const struct KvCache *cache, const float *q,
                        uint32_t kv_head, uint32_t from, uint32_t to, struct Softmax *ret) {
    const struct Transformer *t = &bench->t;
    *ret = (struct Softmax){.max = -INFINITY};
    const struct AttendQueries query = {
        .n = 1, .q = q, .acc = ret->acc, .max = &ret->max, .sum = &ret->sum};
    for (uint32_t at = from; at < to; at += KV_PAGE) {
        const uint32_t n = to - at < KV_PAGE ? to - at : KV_PAGE;
        const struct AttendPage page = kv_page(&t->kv, cache->pages[at / KV_PAGE], 0, kv_head, n);
        kernels_tier(0)->attend[t->kv.type](&query, &page);
    }
}

static void define_head(const struct Bench *bench, const struct KvCache *cache, const float *q,
                        uint32_t kv_head, uint32_t n, float *ret) {
    const uint32_t size = bench->t.value_size;
    struct Softmax all, next;
    run_softmax(bench, cache, q, kv_head, 0, n < 512 ? n : 512, &all);
    for (uint32_t at = 512; at < n; at += 512) {
        run_softmax(bench, cache, q, kv_head, at, n < at + 512 ? n : at + 512, &next);
        const float max = fmaxf(all.max, next.max);
        const float c = exp_f32(all.max - max), d = exp_f32(next.max - max);
        for (uint32_t i = 0; i < size; i++) all.acc[i] = all.acc[i] * c + next.acc[i] * d;
        all.sum = all.sum * c + next.sum * d;
        all.max = max;
    }
    for (uint32_t i = 0; i < size; i++) ret[i] = all.acc[i] / all.sum;
}

static void define(struct Bench *bench) {
    const struct Transformer *t = &bench->t;
    const uint32_t n_heads = bench->layer.n_heads, n_sharing = n_heads / bench->layer.n_kv_heads;
    for (uint32_t i = 0; i < bench->batch.n_spans; i++)
        for (uint32_t k = 0; k < bench->spans[i].n_rows; k++)
            for (uint32_t head = 0; head < n_heads; head++) {
                const uint32_t row = bench->spans[i].first_row + k;
                define_head(bench, &bench->caches[i], row_of(&t->q, row) + head * t->key_size,
                            head / n_sharing, bench->spans[i].position + k + 1,
                            bench->expected + row * t->attended.stride + head * t->value_size);
            }
}

/* ---- Against it ---- */

static void attend(struct Bench *bench, unsigned n_threads) {
    REQUIRE(pool_new(n_threads, &bench->compute.pool) == 0);
    CHECK_INT(transformer_attend_start(&bench->t), 0);
    for (unsigned i = 0; i < 3; i++) transformer_attend(&bench->t, &bench->batch, 0);
    transformer_attend_done(&bench->t);
    pool_free(bench->compute.pool);
}

static void check_bits(struct Bench *bench, unsigned n_threads) {
    const struct Rows *got = &bench->t.attended;
    const size_t size = bench->layer.n_heads * bench->t.value_size * sizeof(float);
    memset(got->data, 0xff, MAX_ROWS * got->stride * sizeof(float));
    attend(bench, n_threads);
    for (uint32_t row = 0; row < bench->batch.n_rows; row++)
        if (memcmp(row_of(got, row), bench->expected + row * got->stride, size) != 0) {
            test_fail(__FILE__, __LINE__, "%s, %u threads: row %u", bench->compute.kernels->tier,
                      n_threads, row);
            return;
        }
}

static void check_shape(const struct Shape *shape, const uint32_t (*spans)[2], unsigned n_spans) {
    struct Bench bench;
    bench_open(&bench, shape);
    for (unsigned i = 0; i < n_spans; i++) span_add(&bench, spans[i][0], spans[i][1]);
    define(&bench);
    for (unsigned i = 0; kernels_tier(i); i++) {
        bench.compute.kernels = kernels_tier(i);
        check_bits(&bench, 3);
    }
    for (unsigned n = 1; n <= 8; n++) check_bits(&bench, n); /* of the last tier, the fastest */
    bench_close(&bench);
}

#define SPANS(...)                                                                                 \
    (const uint32_t[][2]){__VA_ARGS__}, sizeof((const uint32_t[][2]){__VA_ARGS__}) / 8

/* Up to a segment's border, past it, over it, more rows than heads and fewer. */
static void borders(void) {
    static const struct Shape shapes[] = {
        {4, 1, 32, 32, "F32"}, {6, 2, 24, 40, "F16"}, {5, 5, 64, 48, "I8"}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        check_shape(&shapes[i], SPANS({511, 1}));
        check_shape(&shapes[i], SPANS({512, 1}));
        check_shape(&shapes[i], SPANS({1700, 1}));
        check_shape(&shapes[i], SPANS({506, 9}, {1023, 1}, {1100, 3}, {0, 5}));
        check_shape(&shapes[i], SPANS({1000, 40}, {1300, 1}));
    }
}

/* Sixteen rows of more segments than threads share. */
static void many_segments(void) {
    check_shape(&(struct Shape){1, 1, 8, 8, "F16"}, SPANS({16360, 60}));
}

/* ---- Who takes part ---- */

static atomic_uint n_taking_part;
static _Thread_local bool takes_part;
static void (*attend_f32)(const struct AttendQueries *queries, const struct AttendPage *page);

static void attend_noting(const struct AttendQueries *queries, const struct AttendPage *page) {
    if (!takes_part) atomic_fetch_add(&n_taking_part, 1);
    takes_part = true;
    attend_f32(queries, page);
}

/* One token, one KV head. */
static void all_threads(void) {
    struct Bench bench;
    struct Kernels kernels = *kernels_tier(0);
    attend_f32 = kernels.attend[KV_F32];
    kernels.attend[KV_F32] = attend_noting;
    bench_open(&bench, &(struct Shape){4, 1, 32, 32, "F32"});
    span_add(&bench, 8 * ATTEND_SEGMENT - 1, 1);
    bench.compute.kernels = &kernels;
    attend(&bench, 8);
    CHECK_INT(atomic_load(&n_taking_part), 8);
    bench_close(&bench);
}

int main(void) {
    return TEST_MAIN({"borders of segments", borders}, {"many segments", many_segments},
                     {"all threads take part in one token", all_threads});
}
