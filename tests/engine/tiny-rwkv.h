/* Small RWKV-6 and RWKV-7 files with random weights, for tests of the engine. What a tensor holds
 * depends on its name alone, so that files that say the same in other ways can be compared. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct TinyRwkv {
    const char *architecture; /* "rwkv6" or "rwkv7"; a third name has the tensors of "rwkv7" */
    uint32_t n_layers, n_heads, head_size, n_ff, n_vocab, n_ctx;
    uint32_t ranks[4]; /* 6: the lerps', the decay's. 7: of w, a, v, g */
    uint32_t rescale;  /* 0: no such key */
    bool separate_lerps, without_ranks;
    const char *without; /* this key (less its prefix) or tensor is left out; NULL: none */
    const char *key;     /* this key says `value` whatever the tensors are; NULL: none */
    uint32_t value;
};

extern const struct TinyRwkv tiny_rwkv6, tiny_rwkv7;

/* The file as an open descriptor. */
int tiny_rwkv_fd(const struct TinyRwkv *shape);
