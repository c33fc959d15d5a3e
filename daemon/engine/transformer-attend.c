/*
 * Attention of all rows of a batch in one layer: attended = softmax(q k^T) v, head by head.
 *
 * A row's positions are cut into segments of ATTEND_SEGMENT. Each has a running softmax of its own
 * over its pages (kernels.h, attend), and these are merged, the earlier one first:
 *
 *     m = max(max, max');  c = exp(max - m);  c' = exp(max' - m)
 *     acc = acc c + acc' c';  sum = sum c + sum' c';  max = m;  in the end acc / sum
 *
 * Where a segment ends depends on positions alone, and so do all bits, whoever computes a segment.
 *
 * A unit is some rows of a span and the query heads that share a KV head. Threads get the segments
 * in a row that cost as much as those of any other: all rows of a span read one head's keys and
 * values before the next head's, since a cache has room for a head's, but not for all. A unit whose
 * segments belong to several threads, as where a single token is decoded with few KV heads, is
 * merged by the one that comes last.
 */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/limits.h"
#include "engine/transformer.h"
#include "kernels/exp.h"

/* Rows that read a page while it is in the cache, their positions from one multiple of this to the
 * next: they see the whole of a page, or it is the last of all of them. */
#define ATTEND_ROWS 16u
static_assert(KV_PAGE % ATTEND_ROWS == 0, "");
static_assert(ATTEND_SEGMENT % KV_PAGE == 0, "");

/* Rows of segments of a unit that threads share at most; a unit with more stays with the thread
 * that it begins with. 262144 positions of one row, 16384 of sixteen. */
#define SHARED_ROWS 512u

/* What a thread computes in. Pages of it that are not used are never touched. */
struct AttendThread {
    /* Segments that are done of the unit that begins with this thread and goes on with others. */
    _Alignas(64) atomic_uint n_done;
    float *shared; /* SHARED_ROWS rows of partials: that unit's */
    float *own;    /* two partials of ATTEND_ROWS: the unit's that is this thread's alone */
};

struct Attention {
    struct Transformer *t;
    const struct Batch *batch;
    uint32_t layer_number;
    uint32_t n_heads, n_kv_heads;
};

/* Queries are taken several at once, which share the loads: the rows of each head, or the heads of
 * each row. */
struct Unit {
    const struct KvCache *cache;
    uint32_t first_row, n_rows, position; /* of the first row */
    uint32_t first_head, n_heads;
    bool is_by_head;
};

/* The running softmax of a unit's queries over a segment, or over all segments so far. */
struct Partial {
    float *acc; /* [n_rows][stride], a row being [n_heads][value_size] */
    size_t stride;
    float *max, *sum; /* [n_groups] of so many queries */
};

static uint32_t n_groups(const struct Unit *unit) {
    return unit->is_by_head ? unit->n_heads : unit->n_rows;
}

/* The rows of head i, or the heads of row i. */
static struct AttendQueries group(const struct Transformer *t, const struct Unit *unit,
                                  const struct Partial *partial, uint32_t i) {
    const uint32_t row = unit->is_by_head ? 0 : i, head = unit->is_by_head ? i : 0;
    const uint32_t n = unit->is_by_head ? unit->n_rows : unit->n_heads;
    return (struct AttendQueries){
        .n = n,
        .q = row_of(&t->q, unit->first_row + row) + (size_t)(unit->first_head + head) * t->key_size,
        .acc = partial->acc + row * partial->stride + (size_t)head * t->value_size,
        .q_stride = unit->is_by_head ? t->q.stride : t->key_size,
        .acc_stride = unit->is_by_head ? partial->stride : t->value_size,
        .max = partial->max + (size_t)i * n,
        .sum = partial->sum + (size_t)i * n,
    };
}

/* ---- Where partials are ---- */

/* Floats of a row with n heads: acc, an odd number of cache lines (rows.h), and max and sum. */
static size_t acc_stride(const struct Transformer *t, uint32_t n_heads) {
    return (((size_t)n_heads * t->value_size + 15) / 16 | 1) * 16;
}

static size_t partial_row(const struct Transformer *t, uint32_t n_heads) {
    return acc_stride(t, n_heads) + ((size_t)2 * n_heads + 15) / 16 * 16;
}

/* Partial i in a thread's memory. The first one's acc, into which the others are merged, is where
 * the result is wanted. */
static struct Partial partial_at(const struct Transformer *t, const struct Unit *unit,
                                 float *memory, uint32_t i) {
    const size_t stride = acc_stride(t, unit->n_heads);
    float *acc = memory + i * unit->n_rows * partial_row(t, unit->n_heads);
    struct Partial ret = {acc, stride, acc + unit->n_rows * stride, NULL};
    ret.sum = ret.max + (size_t)unit->n_rows * unit->n_heads;
    if (i > 0) return ret;
    ret.acc = row_of(&t->attended, unit->first_row) + (size_t)unit->first_head * t->value_size;
    ret.stride = t->attended.stride;
    return ret;
}

/* Query heads that share a KV head, in the layer where they are the most. */
static uint32_t most_heads(const struct Transformer *t) {
    uint32_t most = 0;
    for (uint32_t i = 0; i < t->n_layers; i++) {
        const uint32_t n = t->layers[i].n_heads / t->layers[i].n_kv_heads;
        if (n > most) most = n;
    }
    return most;
}

int transformer_attend_start(struct Transformer *t) {
    const size_t row = partial_row(t, most_heads(t)), n_rows = SHARED_ROWS + 2 * ATTEND_ROWS;
    const unsigned n_threads = pool_n_threads(t->compute->pool);
    t->attend_threads = rows_allocate(n_threads, sizeof *t->attend_threads);
    t->partials = rows_allocate(n_threads * n_rows, row * sizeof(float));
    if (!t->attend_threads || !t->partials) return -ENOMEM;
    for (unsigned i = 0; i < n_threads; i++) {
        float *memory = t->partials + i * n_rows * row;
        t->attend_threads[i] =
            (struct AttendThread){.shared = memory, .own = memory + SHARED_ROWS * row};
    }
    return 0;
}

void transformer_attend_done(struct Transformer *t) {
    free(t->attend_threads);
    free(t->partials);
}

/* ---- Segments ---- */

static uint32_t n_segments(const struct Unit *unit) {
    return (unit->position + unit->n_rows - 1) / ATTEND_SEGMENT + 1;
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
static void attend_page(const struct Attention *attention, const struct Unit *unit,
                        const struct Partial *partial, uint32_t at) {
    const struct Transformer *t = attention->t;
    const uint32_t n_seen = unit->position + unit->n_rows - at;
    const bool is_whole = unit->position + 1 >= at + KV_PAGE;
    struct AttendPage page = page_at(attention, unit, at, is_whole ? KV_PAGE : n_seen);
    const uint32_t n = page.n;
    if (n_seen > KV_PAGE) page.next = page_at(attention, unit, at + KV_PAGE, 0).k;
    for (uint32_t i = 0; i < n_groups(unit); i++) {
        struct AttendQueries queries = group(t, unit, partial, i);
        queries.step = unit->is_by_head && !is_whole;
        if (!unit->is_by_head && !is_whole) page.n = n - (unit->n_rows - 1 - i);
        t->compute->kernels->attend[t->kv.type](&queries, &page);
    }
}

static void attend_segment(const struct Attention *attention, const struct Unit *unit,
                           const struct Partial *partial, uint32_t segment) {
    const uint32_t n = unit->position + unit->n_rows, first = segment * ATTEND_SEGMENT;
    for (uint32_t i = 0; i < n_groups(unit); i++) {
        const struct AttendQueries queries = group(attention->t, unit, partial, i);
        begin(&queries, attention->t->value_size);
    }
    for (uint32_t at = first; at < n && at < first + ATTEND_SEGMENT; at += KV_PAGE)
        attend_page(attention, unit, partial, at);
}

static void merge_query(const struct AttendQueries *to, const struct AttendQueries *from,
                        uint32_t i, uint32_t value_size) {
    const float m = from->max[i] > to->max[i] ? from->max[i] : to->max[i];
    const float by = exp_f32(to->max[i] - m), from_by = exp_f32(from->max[i] - m);
    float *restrict acc = to->acc + i * to->acc_stride;
    const float *restrict from_acc = from->acc + i * from->acc_stride;
    for (uint32_t d = 0; d < value_size; d++) acc[d] = acc[d] * by + from_acc[d] * from_by;
    to->sum[i] = to->sum[i] * by + from->sum[i] * from_by;
    to->max[i] = m;
}

static void merge(const struct Transformer *t, const struct Unit *unit, const struct Partial *to,
                  const struct Partial *from) {
    for (uint32_t i = 0; i < n_groups(unit); i++) {
        const struct AttendQueries all = group(t, unit, to, i), more = group(t, unit, from, i);
        for (uint32_t k = 0; k < all.n; k++) merge_query(&all, &more, k, t->value_size);
    }
}

static void end_unit(const struct Transformer *t, const struct Unit *unit,
                     const struct Partial *partial) {
    for (uint32_t i = 0; i < n_groups(unit); i++) {
        const struct AttendQueries queries = group(t, unit, partial, i);
        end(&queries, t->value_size);
    }
}

/* All of a unit: one segment after the other goes through the second partial. */
static void attend_unit(const struct Attention *attention, const struct Unit *unit, float *memory) {
    const struct Transformer *t = attention->t;
    const struct Partial all = partial_at(t, unit, memory, 0);
    const struct Partial more = partial_at(t, unit, memory, 1);
    attend_segment(attention, unit, &all, 0);
    for (uint32_t i = 1; i < n_segments(unit); i++) {
        attend_segment(attention, unit, &more, i);
        merge(t, unit, &all, &more);
    }
    end_unit(t, unit, &all);
}

/* Segments [begin, end) of a unit, in the memory of the thread that it begins with. Who makes it
 * whole merges them. */
static void attend_part(const struct Attention *attention, const struct Unit *unit, uint32_t first,
                        uint32_t last, struct AttendThread *owner) {
    const struct Transformer *t = attention->t;
    const uint32_t n = n_segments(unit);
    for (uint32_t i = first; i < last; i++) {
        const struct Partial partial = partial_at(t, unit, owner->shared, i);
        attend_segment(attention, unit, &partial, i);
    }
    if (atomic_fetch_add(&owner->n_done, last - first) + last - first < n) return;
    atomic_store(&owner->n_done, 0);
    const struct Partial all = partial_at(t, unit, owner->shared, 0);
    for (uint32_t i = 1; i < n; i++) {
        const struct Partial more = partial_at(t, unit, owner->shared, i);
        merge(t, unit, &all, &more);
    }
    end_unit(t, unit, &all);
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

/* What segments cost is counted through; those that begin within [begin, end) are the thread's. */
struct Share {
    unsigned thread, n_threads;
    unsigned long begin, end, at, all;
};

/* The thread whose share the unit begins in. */
static unsigned first_thread(const struct Share *share) {
    unsigned thread = share->thread;
    for (unsigned long begin = share->begin, end; begin > share->at;)
        pool_share(--thread, share->n_threads, share->all, &begin, &end);
    return thread;
}

/* How many of a unit's n segments, each of which costs so much, begin before `at`. */
static uint32_t n_before(const struct Share *share, unsigned long at, unsigned long cost,
                         uint32_t n) {
    if (at <= share->at) return 0;
    const unsigned long before = (at - share->at + cost - 1) / cost;
    return before < n ? (uint32_t)before : n;
}

static void attend_share(const struct Attention *attention, const struct Unit *unit,
                         const struct Share *share) {
    struct AttendThread *threads = attention->t->attend_threads;
    const uint32_t n_all = n_segments(unit), n = n_all > SHARED_ROWS / unit->n_rows ? 1 : n_all;
    const unsigned long cost = (unsigned long)unit->n_rows * ATTEND_SEGMENT;
    const uint32_t first = n_before(share, share->begin, cost, n);
    const uint32_t last = n_before(share, share->end, cost, n);
    if (first < last && last - first == n)
        attend_unit(attention, unit, threads[share->thread].own);
    else if (first < last)
        attend_part(attention, unit, first, last, &threads[first_thread(share)]);
}

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
        unit.is_by_head = unit.n_rows >= unit.n_heads;
        attend_share(attention, &unit, share);
        share->at += n_seen(unit.position, unit.n_rows);
    }
}

static void attend_job(void *userdata, unsigned thread, unsigned n_threads) {
    const struct Attention *attention = userdata;
    const struct Batch *batch = attention->batch;
    struct Share share = {
        .thread = thread,
        .n_threads = n_threads,
        .all = n_seen_by_all(batch) * attention->n_kv_heads,
    };
    pool_share(thread, n_threads, share.all, &share.begin, &share.end);
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
