/*
 * Keys and values of a transformer's past, as halves, in pages of 64 positions.
 *
 * A page holds all layers of its positions. Pages are counted: a fork shares them, and who writes
 * to a shared page gets a copy first (kv_reserve). Pages that nobody uses are kept for the next
 * sequence, up to KV_MAX_SPARE of them; the next step after that pays a malloc() every 64 tokens.
 * Belongs to the engine's thread; kv_keys() and kv_values() may be called from any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

#define KV_PAGE ATTEND_MAX
#define KV_MAX_SPARE 16u

struct KvPage {
    struct KvPage *next; /* among the spare ones */
    unsigned n_users;
    _Alignas(64) uint16_t data[]; /* [layer][keys, values][head][KV_PAGE][head_size] */
};

/* One a model. */
struct KvPool {
    uint32_t n_layers, n_heads, head_size;
    size_t block_size; /* bytes of [KV_PAGE][head_size] */
    size_t page_size;  /* bytes of KvPage.data */
    struct KvPage *spare;
    unsigned n_spare;
};

/* One a sequence; page i holds positions 64 i to 64 i + 63. */
struct KvCache {
    struct KvPage **pages;
    uint32_t n_pages, capacity;
};

/* Sizes within MODEL_MAX_*. -EFBIG: a page that does not fit in memory. */
int kv_pool_init(struct KvPool *pool, uint32_t n_layers, uint32_t n_heads, uint32_t head_size);
void kv_pool_done(struct KvPool *pool);

/* [KV_PAGE][head_size] */
static inline uint16_t *kv_keys(const struct KvPool *pool, struct KvPage *page, uint32_t layer,
                                uint32_t head) {
    size_t block = (size_t)layer * 2 * pool->n_heads + head;
    return page->data + block * (KV_PAGE * (size_t)pool->head_size);
}
static inline uint16_t *kv_values(const struct KvPool *pool, struct KvPage *page, uint32_t layer,
                                  uint32_t head) {
    return kv_keys(pool, page, layer, head + pool->n_heads);
}

/* Makes positions [n, n + n_more) writable. On -ENOMEM the first n positions are as they were. */
int kv_reserve(struct KvPool *pool, struct KvCache *cache, uint32_t n, uint32_t n_more);
/* Forgets all but the first n positions. */
void kv_truncate(struct KvPool *pool, struct KvCache *cache, uint32_t n);
/* `ret` is empty before. */
int kv_fork(struct KvPool *pool, const struct KvCache *cache, uint32_t n, struct KvCache *ret);
void kv_clear(struct KvPool *pool, struct KvCache *cache);
size_t kv_bytes(const struct KvPool *pool, const struct KvCache *cache);

/* The first n positions as bytes, without what is unused of the last page. */
size_t kv_save_size(const struct KvPool *pool, uint32_t n);
void kv_save(const struct KvPool *pool, const struct KvCache *cache, uint32_t n, void *dst);
/* Into n reserved positions; `src` has kv_save_size() bytes. */
void kv_restore(const struct KvPool *pool, struct KvCache *cache, uint32_t n, const void *src);
