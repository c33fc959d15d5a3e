/*
 * Keys and values of a transformer's past, in pages of 64 positions.
 *
 * They are kept as one of three types: floats, halves, or bytes with a float scale for each row of
 * a head (kernels.h, quantize_row).
 *
 * A page holds all layers of its positions. Pages are counted: a fork shares them, and who writes
 * to a shared page gets a copy first (kv_reserve). Pages that nobody uses are kept for the next
 * sequence, up to KV_MAX_SPARE of them; the next step after that pays a malloc() every 64 tokens.
 * Belongs to the engine's thread; kv_page() and kv_write() may be called from any.
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
    /* [layer][head][keys, values]: a block each */
    _Alignas(64) uint8_t data[];
};

/* KV_PAGE rows of one layer and head: [KV_PAGE][n] elements, and in KV_I8 [KV_PAGE] scales behind
 * them. */
struct KvBlock {
    uint32_t n;      /* elements of a row */
    size_t row_size; /* bytes of them */
    size_t scales;   /* bytes from the block's start to the scales */
    size_t size;     /* bytes of it all */
};

/* One a model. */
struct KvPool {
    enum KvType type;
    struct KvBlock keys, values;
    uint32_t n_layers;
    uint32_t *first_heads; /* [n_layers + 1] heads of all layers before */
    size_t page_size;      /* bytes of KvPage.data */
    struct KvPage *spare;
    unsigned n_spare;
};

/* One a sequence; page i holds positions 64 i to 64 i + 63. */
struct KvCache {
    struct KvPage **pages;
    uint32_t n_pages, capacity;
};

/* What a model keeps. Sizes within MODEL_MAX_*. */
struct KvShape {
    uint32_t n_layers;
    const uint32_t *n_heads; /* [n_layers] KV heads */
    uint32_t key_size, value_size;
    uint32_t n_ctx;
};

/* `type_name`: "F16", "F32", "I8", or NULL: F32 where n_ctx positions take no more than
 * MODEL_MAX_F32_KV, else F16. -EINVAL: another name; -EFBIG: a page that does not fit in memory;
 * kv_pool_done() releases what was made before an error. */
int kv_pool_init(struct KvPool *pool, const struct KvShape *shape, const char *type_name);
void kv_pool_done(struct KvPool *pool);

const char *kv_type_name(const struct KvPool *pool);

/* The first n positions of a page for the attend kernel of the pool's type. */
struct AttendPage kv_page(const struct KvPool *pool, const struct KvPage *page, uint32_t layer,
                          uint32_t head, uint32_t n);
/* Bytes of one position's keys and values of one head. */
size_t kv_position_size(const struct KvPool *pool);

/* Writes keys and values of one head at a position whose page is unshared, converted to the pool's
 * type. */
void kv_write(const struct KvPool *pool, const struct Kernels *kernels, const struct KvCache *cache,
              uint32_t position, uint32_t layer, uint32_t head, const float *keys,
              const float *values);

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
