/*
 * How likely the model itself found a token, and which ones it found likelier: natural logarithms
 * of the softmax over all tokens, before any sampler. Logits that are not finite count as
 * impossible. Pure functions.
 */
#pragma once

#include <stdint.h>

#include "engine/engine.h"

#define LOGPROBS_TOP_MAX 20

struct TokenLogprob {
    Token token;
    double logprob; /* LOGPROB_IMPOSSIBLE or more */
};

#define LOGPROB_IMPOSSIBLE (-9999.0) /* what OpenAI says of it */

struct Logprobs {
    struct TokenLogprob chosen;
    unsigned n_top;
    struct TokenLogprob top[LOGPROBS_TOP_MAX]; /* the likeliest first, the lower token of equals */
};

/* `logits` is [n_vocab]; `chosen` is below it. The `n_top` likeliest, or as many as are possible.
 */
void logprobs_find(const float *logits, uint32_t n_vocab, Token chosen, unsigned n_top,
                   struct Logprobs *ret);
