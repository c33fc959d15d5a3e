/*
 * What a family reads its model from: hyper-parameters by key and tensors by name.
 *
 * Hyper-parameters are checked against the limits here, so that a family can multiply them in 64
 * bits without looking.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/gguf.h"
#include "engine/reason.h"
#include "engine/weights.h"

struct ModelFile {
    const struct Gguf *gguf;
    const char *architecture;
    struct Weights *weights;
    const char *kv_type; /* EngineOptions.kv_type */
    uint32_t n_ctx;      /* EngineOptions.n_ctx: 0, or what sequences may hold at most */
};

/* What every family tells the engine. */
struct ModelShape {
    uint32_t n_layers, n_embd, n_vocab, n_ctx;
    const char *kv_type; /* ModelInfo.kv_type; NULL: "" */
    /* Not 0: what EngineOptions asked for changes what the model computes. Part of its fingerprint:
     * a saved sequence of one variant is none of another. */
    uint32_t variant;
};

/* The key is the architecture, a dot and `name`. Returns 0, or GGUF_ABSENT leaving *ret alone.
 * -EBADMSG: not in [min, max]. An array (one value a layer) counts when all values are equal and is
 * -ENOTSUP otherwise. */
int model_u32(const struct ModelFile *file, const char *name, uint32_t min, uint32_t max,
              uint32_t *ret, Reason *why);
/* One value for each of n layers: from an array of n, or the same for all. */
int model_u32s(const struct ModelFile *file, const char *name, uint32_t min, uint32_t max,
               uint32_t n, uint32_t *ret, Reason *why);
int model_f32(const struct ModelFile *file, const char *name, float *ret, Reason *why);
int model_bool(const struct ModelFile *file, const char *name, bool *ret, Reason *why);
/* -EBADMSG when the string is longer than size - 1. */
int model_string(const struct ModelFile *file, const char *name, char *ret, size_t size,
                 Reason *why);
/* Turns GGUF_ABSENT into -EBADMSG with a reason that names the key. */
int model_require(const struct ModelFile *file, int r, const char *name, Reason *why);
/* How many tokens the model computes logits of: the rows of token_embd.weight. */
int model_vocabulary(const struct ModelFile *file, uint32_t *ret, Reason *why);
