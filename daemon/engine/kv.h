/*
 * Keys and values of a transformer's past, as halves or as floats, in pages of 64 positions.
 *
 * A page holds all layers of its positions. Pages are counted: a fork shares them, and who writes
 * to a shared page gets a copy first (kv_reserve). Pages that nobody uses are kept for the next
 * sequence, up to KV_MAX_SPARE of them; the next step after that pays a malloc() every 64 tokens.
 * Belongs to the engine's thread; kv_keys(), kv_values() and kv_write() may be called from any.
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
    _Alignas(64) uint8_t data[]; /* [layer][keys, values][head][KV_PAGE][head_size] */
};

/* One a model. */
struct KvPool {
    enum KvType type;
    uint32_t n_layers, n_heads, head_size;
    size_t row_size;   /* bytes of [head_size] */
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

/* Sizes within MODEL_MAX_*. `type_name`: "F16", "F32", or NULL: F32 where n_ctx positions take no
 * more than MODEL_MAX_F32_KV, else F16. -EINVAL: another name; -EFBIG: a page that does not fit in
 * memory. */
int kv_pool_init(struct KvPool *pool, uint32_t n_layers, uint32_t n_heads, uint32_t head_size,
                 uint32_t n_ctx, const char *type_name);
void kv_pool_done(struct KvPool *pool);

const char *kv_type_name(const struct KvPool *pool);

/* [KV_PAGE][head_size] of the pool's type */
static inline void *kv_keys(const struct KvPool *pool, struct KvPage *page, uint32_t layer,
                            uint32_t head) {
    size_t block = (size_t)layer * 2 * pool->n_heads + head;
    return page->data + block * pool->block_size;
}
static inline void *kv_values(const struct KvPool *pool, struct KvPage *page, uint32_t layer,
                              uint32_t head) {
    return kv_keys(pool, page, layer, head + pool->n_heads);
}

/* Writes row i of a block: head_size floats, converted to the pool's type. */
void kv_write(const struct KvPool *pool, const struct Kernels *kernels, void *block, uint32_t i,
              const float *row);

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
