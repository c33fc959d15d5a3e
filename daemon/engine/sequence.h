/*
 * What engine.h calls a Sequence, as the engine sees it: its tokens and a family's state of them.
 *
 * The state may lag behind: a recurrent family that cannot go back to a length goes back farther.
 * The tokens that it lacks are rows of the next step, before those of the span, so that verifying
 * drafted tokens costs such a family no step of its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"

struct Sequence {
    Engine *engine;
    void *state;                 /* the family's */
    uint32_t n_state;            /* tokens in the state, <= n_tokens */
    uint32_t n_tokens, capacity; /* of `tokens` */
    Token *tokens;
    bool in_batch; /* seen in the batch that is being checked */
};

static inline uint32_t sequence_lag(const struct Sequence *sequence) {
    return sequence->n_tokens - sequence->n_state;
}

/* Makes room for n_more tokens. */
int sequence_reserve(struct Sequence *sequence, uint32_t n_more);
/* They are in the state now. There is room. */
void sequence_append(struct Sequence *sequence, const Token *tokens, uint32_t n);
