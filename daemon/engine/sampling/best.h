/*
 * The token with the highest finite logit, without making candidates of all: what greedy decoding
 * costs with a large vocabulary.
 */
#pragma once

#include "engine/engine.h"

/* The lowest token of equals; -1: no allowed token has a finite logit. `allowed` as in sampler.h.
 */
Token best_token(const float *logits, uint32_t n_vocab, const uint64_t *allowed);
