/*
 * From logits to the next token. A Sampler is the sampling state of one generation: its settings,
 * its random stream and its recent tokens. Owned and used by one thread. Allocates at creation
 * only.
 *
 * First logit biases, then the chain: samplers by name, in the order of `samplers`, then the draw.
 * Without an order it is llama.cpp's:
 *
 *     penalties    repeat (CTRL, arXiv 1909.05858, multiplying negative logits), presence,
 * frequency dry          see dry.h top_n_sigma  logits within n standard deviations of the best
 * (arXiv 2411.07641) top_k        the k best typ_p        nearest to the entropy, until they hold p
 * (arXiv 2202.00666) top_p        the best, until they hold p (arXiv 1904.09751) min_p        at
 * least p times as likely as the best (arXiv 2407.01082) xtc          at random, not the best ones
 * but for the last above a threshold (p-e-w, text-generation-webui pull request 6335) temperature
 * also dynamic, from the entropy (kalomaze, koboldcpp)
 *
 * mirostat 1 and 2 (arXiv 2007.14966) take the place of all that filter: penalties, dry and
 * temperature stay, whatever `samplers` says about others. temperature 0 without a dynamic range is
 * greedy: the highest logit after biases, penalties and dry, the lowest token of equals.
 *
 * The draw walks the candidates from the best one down. Its number and XTC's coin for the i-th
 * token are functions of the seed and i alone (uniform.h), and no function of the C library that
 * could differ between machines takes part: the same seed and logits give the same tokens
 * everywhere.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"

typedef struct Sampler Sampler;
struct Breakers; /* engine/sampling/breakers.h */

#define SAMPLER_MAX_CHAIN 16 /* names in `samplers` */

struct LogitBias {
    Token token;
    float bias; /* added; -INFINITY: never this token */
};

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
    float typical_p;             /* 1: off */
    float top_n_sigma;           /* 0 or less: off */
    float xtc_probability;       /* 0: off */
    float xtc_threshold;         /* more than 0.5: off, as no two tokens can have it */
    float dry_multiplier;        /* 0: off */
    float dry_base;              /* at least 1 */
    uint32_t dry_allowed_length; /* repetitions of fewer tokens are free */
    uint32_t dry_penalty_last_n; /* how far it looks back; 0: off */
    float dynatemp_range;        /* 0: off; temperature - range to temperature + range */
    float dynatemp_exponent;     /* of the normalised entropy */
    uint32_t mirostat;           /* 0: off, 1 or 2 */
    float mirostat_tau;          /* target surprise, bits */
    float mirostat_eta;          /* learning rate */
    uint32_t min_keep;           /* filters leave at least so many; 0 is 1 */
    const char *const *samplers; /* NULL-terminated; NULL: the order above. Read by sampler_new() */
    const struct LogitBias *biases; /* [n_biases], copied */
    size_t n_biases;
    struct Breakers *dry_breakers; /* NULL: none; the sampler's when sampler_new() succeeds */
};

/* temperature 0.8, top_k 40, top_p 0.95, min_p 0.05, all else off; windows of 64 tokens, dry base
 * 1.75 and allowed length 2, xtc threshold 0.1, dynatemp exponent 1, mirostat tau 5 and eta 0.1,
 * seed 0. */
extern const struct SamplerOptions SAMPLER_DEFAULTS;

/* -EINVAL with a reason: a value out of its range or not a number, an unknown name, a biased token
 * that the vocabulary does not have. */
int sampler_new(const struct SamplerOptions *options, uint32_t n_vocab, Sampler **ret, Reason *why);
Sampler *sampler_free(Sampler *sampler);
/* How many of the last tokens matter: who accepts a prompt may leave out what is before them. */
uint32_t sampler_window(const Sampler *sampler);
/* Tells penalties and dry about a token of the prompt or of the answer. */
void sampler_accept(Sampler *sampler, Token token);
/* Does not change `logits` ([n_vocab]); advances the random stream by one draw unless greedy.
 * `allowed` has a bit for each token, token t in bit t % 64 of word t / 64; NULL: all are allowed.
 * A token that is not allowed or whose logit is not finite is never chosen while an allowed one
 * with a finite logit exists; without one the answer is the first allowed token, or 0. */
Token sampler_sample(Sampler *sampler, const float *logits, const uint64_t *allowed);
/* The next draw is to be made with the number that the other's next draw will be made with. */
void sampler_follow(Sampler *sampler, const Sampler *other);

/* The number in [0, 1) that the next sampler_sample() draws with, for who wants to guess it. */
double sampler_next_uniform(const Sampler *sampler);

struct TokenProbability {
    Token token;
    double probability;
};
/* What sampler_sample() would draw from, the likeliest first; `ret` is [n_vocab]. Changes nothing.
 * Returns how many, 0 when no allowed token has a finite logit. */
uint32_t sampler_distribution(Sampler *sampler, const float *logits, const uint64_t *allowed,
                              struct TokenProbability *ret);
