/*
 * DRY, "don't repeat yourself": a token that would make the end of the text repeat more of an
 * earlier place than `allowed_length` tokens loses multiplier * base^(repeated - allowed_length)
 * from its logit (p-e-w, text-generation-webui pull request 5677; koboldcpp pull request 982 for
 * breakers). Of several earlier places the longest counts; a repetition reaches back no further
 * than the last breaker; a token that is a breaker by itself is never punished.
 */
#pragma once

#include "engine/sampling/breakers.h"
#include "engine/sampling/candidates.h"
#include "engine/sampling/history.h"

struct Dry {
    float multiplier, base;
    uint32_t allowed_length, last_n;
    struct Breakers *breakers; /* owned; may be NULL */
    uint32_t *repeats;         /* [last_n]: of each place, scratch */
    uint32_t *longest;         /* [n_vocab]: 1 + what the token would repeat, or 0; all 0 between */
};

/* `dry` has its settings and breakers, which it owns from now on. -ENOMEM. */
int dry_init(struct Dry *dry, uint32_t n_vocab);
void dry_done(struct Dry *dry);
void dry_apply(struct Dry *dry, const struct History *history, struct Candidates *candidates);
