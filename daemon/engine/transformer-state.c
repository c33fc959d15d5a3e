/* What a transformer remembers of a sequence: keys and values (engine/kv.h). And its row of the
 * table of families. */
#include <errno.h>
#include <stdlib.h>

#include "engine/transformer.h"

static int state_new(void *model, void **ret) {
    *ret = calloc(1, sizeof(struct KvCache));
    return *ret ? 0 : -ENOMEM;
}

static void state_free(void *model, void *state) {
    struct Transformer *t = model;
    kv_clear(&t->kv, state);
    free(state);
}

static int state_fork(void *model, void *state, uint32_t n, void **ret) {
    struct Transformer *t = model;
    void *fork;
    int r = state_new(model, &fork);
    if (r < 0) return r;
    r = kv_fork(&t->kv, state, n, fork);
    if (r < 0) {
        state_free(model, fork);
        return r;
    }
    *ret = fork;
    return 0;
}

static int state_reserve(void *model, void *state, uint32_t n, uint32_t n_more) {
    struct Transformer *t = model;
    return kv_reserve(&t->kv, state, n, n_more);
}

static uint32_t state_truncate(void *model, void *state, uint32_t n_old, uint32_t n) {
    struct Transformer *t = model;
    kv_truncate(&t->kv, state, n);
    return n;
}

static size_t state_bytes(const void *model, const void *state) {
    const struct Transformer *t = model;
    return sizeof(struct KvCache) + kv_bytes(&t->kv, state);
}

static size_t state_save_size(const void *model, const void *state, uint32_t n) {
    const struct Transformer *t = model;
    return kv_save_size(&t->kv, n);
}

static void state_save(const void *model, const void *state, uint32_t n, void *dst) {
    const struct Transformer *t = model;
    kv_save(&t->kv, state, n, dst);
}

static int state_restore(void *model, void *state, uint32_t n, const void *src, size_t size,
                         Reason *why) {
    struct Transformer *t = model;
    if (size != kv_save_size(&t->kv, n))
        return reason_set(why, EBADMSG, "the saved state has %zu bytes for %u tokens", size, n);
    int r = kv_reserve(&t->kv, state, 0, n);
    if (r < 0) return r;
    kv_restore(&t->kv, state, n, src);
    return 0;
}

const struct Family family_transformer = {
    .name = "transformer",
    .open = transformer_open,
    .close = transformer_close,
    .start = transformer_start,
    .step = transformer_step,
    .state_new = state_new,
    .state_free = state_free,
    .state_fork = state_fork,
    .state_reserve = state_reserve,
    .state_truncate = state_truncate,
    .state_bytes = state_bytes,
    .state_save_size = state_save_size,
    .state_save = state_save,
    .state_restore = state_restore,
};
