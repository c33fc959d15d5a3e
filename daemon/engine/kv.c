#include "engine/kv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/huge-pages.h"
#include "engine/limits.h"
#include "engine/rows.h"

static const struct {
    const char *name;
    size_t size;  /* of an element */
    size_t scale; /* of a row's scale */
} types[N_KV_TYPES] = {
    [KV_F16] = {"F16", sizeof(uint16_t), 0},
    [KV_F32] = {"F32", sizeof(float), 0},
    [KV_I8] = {"I8", sizeof(int8_t), sizeof(float)},
};

/* The attend kernels read rows up to a multiple of 16 elements. */
#define PAGE_SLACK (16 * sizeof(float))

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

static struct KvBlock make_block(enum KvType type, uint32_t n) {
    const size_t row_size = n * types[type].size;
    return (struct KvBlock){
        .n = n,
        .row_size = row_size,
        .scales = KV_PAGE * row_size,
        .size = KV_PAGE * (row_size + types[type].scale),
    };
}

static int count_heads(struct KvPool *pool, const struct KvShape *shape) {
    pool->first_heads = calloc(shape->n_layers + 1, sizeof *pool->first_heads);
    if (!pool->first_heads) return -ENOMEM;
    pool->n_layers = shape->n_layers;
    for (uint32_t i = 0; i < shape->n_layers; i++)
        pool->first_heads[i + 1] = pool->first_heads[i] + shape->n_heads[i];
    return 0;
}

/* KV heads of all layers. */
static uint32_t n_heads(const struct KvPool *pool) {
    return pool->first_heads[pool->n_layers];
}

int kv_pool_init(struct KvPool *pool, const struct KvShape *shape, const char *type_name) {
    *pool = (struct KvPool){0};
    int r = count_heads(pool, shape);
    if (r < 0) return r;
    const uint64_t n = n_heads(pool) * ((uint64_t)shape->key_size + shape->value_size);
    pool->type = type_name ? find_type(type_name) : default_type(n, shape->n_ctx);
    if (pool->type == N_KV_TYPES) return -EINVAL;
    pool->keys = make_block(pool->type, shape->key_size);
    pool->values = make_block(pool->type, shape->value_size);
    uint64_t size;
    if (__builtin_mul_overflow((uint64_t)n_heads(pool), pool->keys.size + pool->values.size,
                               &size) ||
        size > SIZE_MAX / 2)
        return -EFBIG;
    pool->page_size = size + PAGE_SLACK;
    return 0;
}

void kv_pool_done(struct KvPool *pool) {
    while (pool->spare) {
        struct KvPage *page = pool->spare;
        pool->spare = page->next;
        free(page);
    }
    free(pool->first_heads);
    *pool = (struct KvPool){0};
}

const char *kv_type_name(const struct KvPool *pool) {
    return types[pool->type].name;
}

/* ---- What a page holds ---- */

static size_t offset_of_keys(const struct KvPool *pool, uint32_t layer, uint32_t head) {
    return (pool->first_heads[layer] + head) * (pool->keys.size + pool->values.size);
}

struct AttendPage kv_page(const struct KvPool *pool, const struct KvPage *page, uint32_t layer,
                          uint32_t head, uint32_t n) {
    const uint8_t *k = page->data + offset_of_keys(pool, layer, head), *v = k + pool->keys.size;
    return (struct AttendPage){
        .n = n,
        .key_size = pool->keys.n,
        .value_size = pool->values.n,
        .key_stride = pool->keys.n,
        .value_stride = pool->values.n,
        .k = k,
        .v = v,
        .k_scales = (const float *)(k + pool->keys.scales),
        .v_scales = (const float *)(v + pool->values.scales),
    };
}

size_t kv_position_size(const struct KvPool *pool) {
    return (pool->keys.size + pool->values.size) / KV_PAGE;
}

static void write_row(enum KvType type, const struct Kernels *kernels, const struct KvBlock *block,
                      uint8_t *data, uint32_t i, const float *row) {
    void *dst = data + i * block->row_size;
    if (type == KV_F32)
        memcpy(dst, row, block->row_size);
    else if (type == KV_F16)
        kernels->f32_to_f16(row, block->n, dst);
    else
        kernels->quantize_row(row, block->n, dst, (float *)(data + block->scales) + i);
}

void kv_write(const struct KvPool *pool, const struct Kernels *kernels, const struct KvCache *cache,
              uint32_t position, uint32_t layer, uint32_t head, const float *keys,
              const float *values) {
    uint8_t *data = cache->pages[position / KV_PAGE]->data + offset_of_keys(pool, layer, head);
    const uint32_t i = position % KV_PAGE;
    write_row(pool->type, kernels, &pool->keys, data, i, keys);
    write_row(pool->type, kernels, &pool->values, data + pool->keys.size, i, values);
}

/* ---- Pages ---- */

/* In huge pages as far as it fills them: attention reads a few kilobytes here and there of each. */
static struct KvPage *page_allocate(const struct KvPool *pool) {
    const size_t size = sizeof(struct KvPage) + pool->page_size;
    if (size < HUGE_PAGE) return rows_allocate(1, size);
    struct KvPage *page = aligned_alloc(HUGE_PAGE, size);
    if (page) madvise(page, size / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    return page;
}

static struct KvPage *page_new(struct KvPool *pool) {
    struct KvPage *page = pool->spare;
    if (page) {
        pool->spare = page->next;
        pool->n_spare--;
    } else {
        page = page_allocate(pool);
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

/* ---- As bytes: page by page, of each block the rows in use and their scales ---- */

static uint32_t n_used(uint32_t n, uint32_t page) {
    uint32_t left = n - page * KV_PAGE;
    return left < KV_PAGE ? left : KV_PAGE;
}

size_t kv_save_size(const struct KvPool *pool, uint32_t n) {
    return n * (size_t)n_heads(pool) * kv_position_size(pool);
}

/* A run of bytes of a block, in either direction. Returns how many. */
typedef size_t CopyBytes(uint8_t *data, uint8_t *bytes, size_t size);

static size_t copy_out(uint8_t *data, uint8_t *bytes, size_t size) {
    memcpy(bytes, data, size);
    return size;
}

static size_t copy_in(uint8_t *data, uint8_t *bytes, size_t size) {
    memcpy(data, bytes, size);
    return size;
}

static size_t copy_block(enum KvType type, const struct KvBlock *block, uint8_t *data,
                         uint8_t *bytes, uint32_t n, CopyBytes *copy) {
    size_t size = copy(data, bytes, n * block->row_size);
    return size + copy(data + block->scales, bytes + size, n * types[type].scale);
}

static void copy_all(const struct KvPool *pool, const struct KvCache *cache, uint32_t n,
                     uint8_t *bytes, CopyBytes *copy) {
    for (uint32_t i = 0; i < n_pages_for(n); i++) {
        const uint32_t n_rows = n_used(n, i);
        uint8_t *data = cache->pages[i]->data;
        for (uint32_t head = 0; head < n_heads(pool); head++) {
            bytes += copy_block(pool->type, &pool->keys, data, bytes, n_rows, copy);
            data += pool->keys.size;
            bytes += copy_block(pool->type, &pool->values, data, bytes, n_rows, copy);
            data += pool->values.size;
        }
    }
}

void kv_save(const struct KvPool *pool, const struct KvCache *cache, uint32_t n, void *dst) {
    copy_all(pool, cache, n, dst, copy_out);
}

void kv_restore(const struct KvPool *pool, struct KvCache *cache, uint32_t n, const void *src) {
    copy_all(pool, cache, n, (uint8_t *)src, copy_in); /* only read from */
}
