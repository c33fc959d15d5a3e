#include "engine/kv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/limits.h"
#include "engine/rows.h"

static const struct {
    const char *name;
    size_t size;
} types[N_KV_TYPES] = {
    [KV_F16] = {"F16", sizeof(uint16_t)},
    [KV_F32] = {"F32", sizeof(float)},
};

static uint32_t n_pages_for(uint64_t n) {
    return (uint32_t)((n + KV_PAGE - 1) / KV_PAGE);
}

/* N_KV_TYPES: no such type. */
static enum KvType find_type(const char *name) {
    enum KvType type = 0;
    while (type < N_KV_TYPES && strcmp(types[type].name, name) != 0) type++;
    return type;
}

/* n: keys and values of one position, 2^33 at most. */
static enum KvType default_type(uint64_t n, uint32_t n_ctx) {
    return n * n_ctx * sizeof(float) > MODEL_MAX_F32_KV ? KV_F16 : KV_F32;
}

int kv_pool_init(struct KvPool *pool, uint32_t n_layers, uint32_t n_heads, uint32_t head_size,
                 uint32_t n_ctx, const char *type_name) {
    const uint64_t n_blocks = (uint64_t)n_layers * n_heads * 2;
    enum KvType type = type_name ? find_type(type_name) : default_type(n_blocks * head_size, n_ctx);
    if (type == N_KV_TYPES) return -EINVAL;
    const uint64_t row = head_size * types[type].size, block = KV_PAGE * row;
    uint64_t size;
    if (__builtin_mul_overflow(n_blocks, block, &size) || size > SIZE_MAX / 2) return -EFBIG;
    *pool = (struct KvPool){
        .type = type,
        .n_layers = n_layers,
        .n_heads = n_heads,
        .head_size = head_size,
        .row_size = row,
        .block_size = block,
        .page_size = size,
    };
    return 0;
}

void kv_pool_done(struct KvPool *pool) {
    while (pool->spare) {
        struct KvPage *page = pool->spare;
        pool->spare = page->next;
        free(page);
    }
    pool->n_spare = 0;
}

const char *kv_type_name(const struct KvPool *pool) {
    return types[pool->type].name;
}

/* ---- Pages ---- */

static struct KvPage *page_new(struct KvPool *pool) {
    struct KvPage *page = pool->spare;
    if (page) {
        pool->spare = page->next;
        pool->n_spare--;
    } else {
        page = rows_allocate(1, sizeof *page + pool->page_size);
    }
    if (page) page->n_users = 1;
    return page;
}

static void page_release(struct KvPool *pool, struct KvPage *page) {
    if (--page->n_users > 0) return;
    if (pool->n_spare == KV_MAX_SPARE) {
        free(page);
        return;
    }
    page->next = pool->spare;
    pool->spare = page;
    pool->n_spare++;
}

/* A page of its own in the place of a shared one. */
static int page_unshare(struct KvPool *pool, struct KvPage **page) {
    if ((*page)->n_users == 1) return 0;
    struct KvPage *copy = page_new(pool);
    if (!copy) return -ENOMEM;
    memcpy(copy->data, (*page)->data, pool->page_size);
    page_release(pool, *page);
    *page = copy;
    return 0;
}

/* ---- Caches ---- */

static int grow(struct KvCache *cache, uint32_t n_pages) {
    if (n_pages <= cache->capacity) return 0;
    uint32_t capacity = n_pages > 2 * cache->capacity ? n_pages : 2 * cache->capacity;
    struct KvPage **pages = realloc(cache->pages, capacity * sizeof *pages);
    if (!pages) return -ENOMEM;
    cache->pages = pages;
    cache->capacity = capacity;
    return 0;
}

int kv_reserve(struct KvPool *pool, struct KvCache *cache, uint32_t n, uint32_t n_more) {
    uint32_t n_pages = n_pages_for((uint64_t)n + n_more);
    int r = grow(cache, n_pages);
    if (r < 0) return r;
    if (n % KV_PAGE != 0) r = page_unshare(pool, &cache->pages[n / KV_PAGE]);
    if (r < 0) return r;
    while (cache->n_pages < n_pages) {
        struct KvPage *page = page_new(pool);
        if (!page) return -ENOMEM;
        cache->pages[cache->n_pages++] = page;
    }
    return 0;
}

void kv_truncate(struct KvPool *pool, struct KvCache *cache, uint32_t n) {
    while (cache->n_pages > n_pages_for(n)) page_release(pool, cache->pages[--cache->n_pages]);
}

int kv_fork(struct KvPool *pool, const struct KvCache *cache, uint32_t n, struct KvCache *ret) {
    uint32_t n_pages = n_pages_for(n);
    int r = grow(ret, n_pages);
    if (r < 0) return r;
    for (uint32_t i = 0; i < n_pages; i++) {
        ret->pages[i] = cache->pages[i];
        ret->pages[i]->n_users++;
    }
    ret->n_pages = n_pages;
    return 0;
}

void kv_clear(struct KvPool *pool, struct KvCache *cache) {
    kv_truncate(pool, cache, 0);
    free(cache->pages);
    *cache = (struct KvCache){0};
}

size_t kv_bytes(const struct KvPool *pool, const struct KvCache *cache) {
    return cache->capacity * sizeof *cache->pages +
           cache->n_pages * (sizeof(struct KvPage) + pool->page_size);
}

void kv_write(const struct KvPool *pool, const struct Kernels *kernels, void *block, uint32_t i,
              const float *row) {
    void *dst = (uint8_t *)block + i * pool->row_size;
    if (pool->type == KV_F16)
        kernels->f32_to_f16(row, pool->head_size, dst);
    else
        memcpy(dst, row, pool->row_size);
}

/* ---- As bytes: page by page, of each block the rows in use ---- */

static size_t n_blocks(const struct KvPool *pool) {
    return (size_t)pool->n_layers * 2 * pool->n_heads;
}

static uint32_t n_used(uint32_t n, uint32_t page) {
    uint32_t left = n - page * KV_PAGE;
    return left < KV_PAGE ? left : KV_PAGE;
}

size_t kv_save_size(const struct KvPool *pool, uint32_t n) {
    return n * n_blocks(pool) * pool->row_size;
}

void kv_save(const struct KvPool *pool, const struct KvCache *cache, uint32_t n, void *dst) {
    uint8_t *out = dst;
    for (uint32_t i = 0; i < n_pages_for(n); i++) {
        size_t size = n_used(n, i) * pool->row_size;
        const uint8_t *block = cache->pages[i]->data;
        for (size_t j = 0; j < n_blocks(pool); j++, block += pool->block_size, out += size)
            memcpy(out, block, size);
    }
}

void kv_restore(const struct KvPool *pool, struct KvCache *cache, uint32_t n, const void *src) {
    const uint8_t *in = src;
    for (uint32_t i = 0; i < n_pages_for(n); i++) {
        size_t size = n_used(n, i) * pool->row_size;
        uint8_t *block = cache->pages[i]->data;
        for (size_t j = 0; j < n_blocks(pool); j++, block += pool->block_size, in += size)
            memcpy(block, in, size);
    }
}
