/*
 * Attention of all rows of a batch in one layer: attended = softmax(q k^T) v, head by head.
 *
 * A unit is some rows of a span and the query heads that share a KV head. It goes through the pages
 * of keys and values before it with a running softmax (kernels.h, attend). Threads get the units in
 * a row that cost as much as those of any other: all rows of a span read one head's keys and values
 * before the next head's, since a cache has room for a head's, but not for all. Few KV heads are
 * few units where a single token is decoded: a softmax whose positions are cut up by the number of
 * threads would round by it.
 */
#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "engine/limits.h"
#include "engine/transformer.h"

struct Attention {
    struct Transformer *t;
    const struct Batch *batch;
    uint32_t layer_number;
    uint32_t n_heads, n_kv_heads;
};

/* Rows that read a page while it is in the cache, their positions from one multiple of this to the
 * next: they see the whole of a page, or it is the last of all of them. */
#define ATTEND_ROWS 16u
static_assert(KV_PAGE % ATTEND_ROWS == 0, "");

/* Queries are taken several at once, which share the loads: the rows of each head, or the heads of
 * each row. */
struct Unit {
    const struct KvCache *cache;
    uint32_t first_row, n_rows, position; /* of the first row */
    uint32_t first_head, n_heads;
    bool is_by_head;
    float max[ATTEND_ROWS * MODEL_MAX_HEADS], sum[ATTEND_ROWS * MODEL_MAX_HEADS];
};

static uint32_t n_groups(const struct Unit *unit) {
    return unit->is_by_head ? unit->n_heads : unit->n_rows;
}

/* The rows of head i, or the heads of row i. */
static struct AttendQueries group(const struct Transformer *t, struct Unit *unit, uint32_t i) {
    const uint32_t row = unit->first_row + (unit->is_by_head ? 0 : i);
    const size_t head = unit->first_head + (unit->is_by_head ? i : 0);
    const uint32_t n = unit->is_by_head ? unit->n_rows : unit->n_heads;
    return (struct AttendQueries){
        .n = n,
        .q = row_of(&t->q, row) + head * t->key_size,
        .acc = row_of(&t->attended, row) + head * t->value_size,
        .q_stride = unit->is_by_head ? t->q.stride : t->key_size,
        .acc_stride = unit->is_by_head ? t->attended.stride : t->value_size,
        .max = unit->max + (size_t)i * n,
        .sum = unit->sum + (size_t)i * n,
    };
}

static void begin(const struct AttendQueries *queries, uint32_t value_size) {
    for (uint32_t i = 0; i < queries->n; i++) {
        memset(queries->acc + i * queries->acc_stride, 0, value_size * sizeof(float));
        queries->max[i] = -INFINITY;
        queries->sum[i] = 0;
    }
}

static void end(const struct AttendQueries *queries, uint32_t value_size) {
    for (uint32_t i = 0; i < queries->n; i++) {
        float *acc = queries->acc + i * queries->acc_stride;
        const float sum = queries->sum[i];
        for (uint32_t d = 0; d < value_size; d++) acc[d] /= sum;
    }
}

static struct AttendPage page_at(const struct Attention *attention, const struct Unit *unit,
                                 uint32_t at, uint32_t n) {
    return kv_page(&attention->t->kv, unit->cache->pages[at / KV_PAGE], attention->layer_number,
                   unit->first_head / unit->n_heads, n);
}

/* The page that begins at position `at`. */
static void attend_page(const struct Attention *attention, struct Unit *unit, uint32_t at) {
    const struct Transformer *t = attention->t;
    const uint32_t n_seen = unit->position + unit->n_rows - at;
    const bool is_whole = unit->position + 1 >= at + KV_PAGE;
    struct AttendPage page = page_at(attention, unit, at, is_whole ? KV_PAGE : n_seen);
    const uint32_t n = page.n;
    if (n_seen > KV_PAGE) page.next = page_at(attention, unit, at + KV_PAGE, 0).k;
    for (uint32_t i = 0; i < n_groups(unit); i++) {
        struct AttendQueries queries = group(t, unit, i);
        queries.step = unit->is_by_head && !is_whole;
        if (!unit->is_by_head && !is_whole) page.n = n - (unit->n_rows - 1 - i);
        t->compute->kernels->attend[t->kv.type](&queries, &page);
    }
}

static void attend_unit(const struct Attention *attention, struct Unit *unit) {
    const struct Transformer *t = attention->t;
    struct AttendQueries queries;
    unit->is_by_head = unit->n_rows >= unit->n_heads;
    for (uint32_t i = 0; i < n_groups(unit); i++) {
        queries = group(t, unit, i);
        begin(&queries, t->value_size);
    }
    for (uint32_t at = 0; at < unit->position + unit->n_rows; at += KV_PAGE)
        attend_page(attention, unit, at);
    for (uint32_t i = 0; i < n_groups(unit); i++) {
        queries = group(t, unit, i);
        end(&queries, t->value_size);
    }
}

/* ---- Threads ---- */

/* Positions that n rows see together, the first of which is at `position`. */
static uint64_t n_seen(uint32_t position, uint32_t n) {
    return (uint64_t)n * position + (uint64_t)n * (n + 1) / 2;
}

static uint64_t n_seen_by_all(const struct Batch *batch) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < batch->n_spans; i++)
        n += n_seen(batch->spans[i].position, batch->spans[i].n_rows);
    return n;
}

/* What units cost is counted through; those that begin within [begin, end) are the thread's. */
struct Share {
    unsigned long begin, end, at;
};

static void attend_span(const struct Attention *attention, const struct BatchSpan *span,
                        uint32_t kv_head, struct Share *share) {
    struct Unit unit;
    unit.cache = span->state;
    unit.n_heads = attention->n_heads / attention->n_kv_heads;
    unit.first_head = kv_head * unit.n_heads;
    for (uint32_t row = 0; row < span->n_rows; row += unit.n_rows) {
        unit.first_row = span->first_row + row;
        unit.position = span->position + row;
        unit.n_rows = ATTEND_ROWS - unit.position % ATTEND_ROWS;
        if (unit.n_rows > span->n_rows - row) unit.n_rows = span->n_rows - row;
        if (share->at >= share->begin && share->at < share->end) attend_unit(attention, &unit);
        share->at += n_seen(unit.position, unit.n_rows);
    }
}

static void attend_job(void *userdata, unsigned thread, unsigned n_threads) {
    const struct Attention *attention = userdata;
    const struct Batch *batch = attention->batch;
    struct Share share = {.at = 0};
    pool_share(thread, n_threads, n_seen_by_all(batch) * attention->n_kv_heads, &share.begin,
               &share.end);
    for (uint32_t i = 0; i < batch->n_spans; i++)
        for (uint32_t kv_head = 0; kv_head < attention->n_kv_heads; kv_head++)
            attend_span(attention, &batch->spans[i], kv_head, &share);
}

void transformer_attend(struct Transformer *t, const struct Batch *batch, uint32_t layer_number) {
    const struct Layer *layer = &t->layers[layer_number];
    struct Attention attention = {t, batch, layer_number, layer->n_heads, layer->n_kv_heads};
    /* every query head reads all keys and values before it */
    const uint64_t cost = n_seen_by_all(batch) * layer->n_heads * kv_position_size(&t->kv);
    compute_run(t->compute, cost, attend_job, &attention);
}
