/*
 * Families of models: one file and one row of the table each.
 *
 * A family reads its hyper-parameters and asks for its tensors in open() (engine/model.h,
 * engine/weights.h), allocates the buffers of a step in start(), computes in step(), and says what
 * a sequence remembers in the state_ functions. `model` is what open() made, `state` what
 * state_new() made; both are opaque to the engine. n is always the number of tokens that the state
 * holds: the engine counts them. A new family is one file and its rows in architecture.c.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "engine/batch.h"
#include "engine/compute.h"
#include "engine/model.h"
#include "engine/reason.h"

struct Family {
    const char *name;

    int (*open)(const struct ModelFile *file, struct ModelShape *ret_shape, void **ret,
                Reason *why);
    void (*close)(void *model);
    /* The weights are there now. Allocates all that step() needs; `compute` outlives the model. */
    int (*start)(void *model, const struct Compute *compute);
    /* Appends the batch's rows to their sequences' states (reserved before) and writes the hidden
     * rows and logits that it wants. Cannot fail. */
    void (*step)(void *model, const struct Batch *batch);

    int (*state_new)(void *model, void **ret);
    void (*state_free)(void *model, void *state);
    int (*state_fork)(void *model, void *state, uint32_t n, void **ret);
    /* Makes room for n_more tokens, unshared from forks. What it has done may stay after a step
     * that did not happen. */
    int (*state_reserve)(void *model, void *state, uint32_t n, uint32_t n_more);
    /* Forgets all but the first n of n_old tokens, or, where a family cannot go back to just there,
     * some more of them. Returns how many the state holds now; the engine has the tokens, and feeds
     * those that lack again. */
    uint32_t (*state_truncate)(void *model, void *state, uint32_t n_old, uint32_t n);
    size_t (*state_bytes)(const void *model, const void *state);
    /* The state as bytes: the same for the same tokens. */
    size_t (*state_save_size)(const void *model, const void *state, uint32_t n);
    void (*state_save)(const void *model, const void *state, uint32_t n, void *dst);
    /* Into a new state. The bytes passed a check sum, but may still be anything. */
    int (*state_restore)(void *model, void *state, uint32_t n, const void *src, size_t size,
                         Reason *why);
};

/* By general.architecture; NULL: not supported. */
const struct Family *family_find(const char *architecture);
/* Why there is no family for an architecture that looks like one of ours; NULL: unheard of. */
const char *architecture_refusal(const char *architecture);
/* The names of all architectures, NULL past the last. */
const char *architecture_name(unsigned i);

extern const struct Family family_fake;
extern const struct Family family_mamba;
extern const struct Family family_rwkv;
extern const struct Family family_transformer;
