/*
 * The tokens that may still come, with their logits: what samplers filter and change.
 *
 * They are ranked as far as somebody asked: `data[n - n_ranked .. n)` are the best ones in order,
 * the best last; what is before them is a heap once ranking has begun, and unordered until then.
 * The better one has the higher logit, and of equals the lower token. Probabilities are the softmax
 * of the logits, e^(logit - top) / total. Who changes logits calls candidates_unrank().
 *
 * All logits are finite. Truncating keeps at least one candidate. Owned and used by one thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"

struct Candidate {
    float logit;
    Token token;
};

struct Candidates {
    struct Candidate *data;
    uint32_t n, n_ranked;
    bool is_heap; /* data[0 .. n - n_ranked) */
};

/* The i-th best, i < n. Ranks no more than it needs. */
struct Candidate candidates_ranked(struct Candidates *candidates, uint32_t i);
float candidates_top(const struct Candidates *candidates); /* the highest logit */
void candidates_unrank(struct Candidates *candidates);

/* e^(logit - top), summed over all. */
double candidates_total(const struct Candidates *candidates);
/* The mean of logit - top. */
double candidates_mean(const struct Candidates *candidates, double total);

void candidates_keep_best(struct Candidates *candidates, uint32_t n);
/* Those with at least this logit, and never fewer than the `min_keep` best. */
void candidates_keep_above(struct Candidates *candidates, double logit, uint32_t min_keep);
/* Gives up the `n` best; fewer than all. */
void candidates_drop_best(struct Candidates *candidates, uint32_t n);
