/*
 * From logits to the next token. A Sampler is the sampling state of one generation: its settings,
 * its random stream and its recent tokens. Owned and used by one thread. Allocates at creation
 * only.
 *
 * Order: penalties, top-k, top-p, min-p, temperature, draw. temperature 0 is greedy: the highest
 * logit after penalties, the lowest token id on ties. The random stream is a counter-based
 * generator of seed and draw number, and no function of the C library that could differ between
 * machines takes part: the same seed and logits give the same tokens everywhere.
 */
#pragma once

#include <stdint.h>

#include "engine/engine.h"

typedef struct Sampler Sampler;

struct SamplerOptions {
    float temperature;       /* 0: greedy */
    uint32_t top_k;          /* 0: off */
    float top_p;             /* 1: off */
    float min_p;             /* 0: off */
    float repeat_penalty;    /* 1: off; divides positive logits, multiplies negative ones */
    float presence_penalty;  /* 0: off; subtracted once from tokens seen */
    float frequency_penalty; /* 0: off; subtracted per occurrence */
    uint32_t repeat_last_n;  /* window of the penalties, in tokens; 0: penalties off */
    uint64_t seed;
};

/* temperature 0.8, top_k 40, top_p 0.95, min_p 0.05, penalties off with a window of 64, seed 0. */
extern const struct SamplerOptions SAMPLER_DEFAULTS;

/* -EINVAL with a reason: a value out of its range or not a number. */
int sampler_new(const struct SamplerOptions *options, uint32_t n_vocab, Sampler **ret, Reason *why);
Sampler *sampler_free(Sampler *sampler);
/* Tells the penalties about a token of the prompt or of the answer. */
void sampler_accept(Sampler *sampler, Token token);
/* Does not change `logits` ([n_vocab]); advances the random stream by one draw unless greedy.
 * `allowed` has a bit for each token, token t in bit t % 64 of word t / 64; NULL: all are allowed.
 * A token that is not allowed or whose logit is not finite is never chosen while an allowed one
 * with a finite logit exists; without one the answer is the first allowed token, or 0. */
Token sampler_sample(Sampler *sampler, const float *logits, const uint64_t *allowed);
/* The next draw is to be made with the number that the other's next draw will be made with. */
void sampler_follow(Sampler *sampler, const Sampler *other);
