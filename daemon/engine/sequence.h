/*
 * What engine.h calls a Sequence, as the engine sees it: a family's state and how many tokens are
 * in it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"

struct Sequence {
    Engine *engine;
    void *state;       /* the family's */
    uint32_t n_tokens; /* in the state; the tokens themselves are the caller's to keep */
    bool in_batch;     /* seen in the batch that is being checked */
};
