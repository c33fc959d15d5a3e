/*
 * Who gets how much of the tokens that a step has for prompts. All namespaces get equal parts, so
 * that a user with many prompts gets no more than one with a single one. Of each part one half
 * goes to the prompt that is nearest to its end, so that some answers begin while others' prompts
 * are read, and one half to all in equal parts, so that none waits for another to end. What one
 * does not need goes to the others (max-min fairness), and where there are fewer tokens than
 * prompts they take turns. So a prompt gets at least half of an equal part, always.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "worker/limits.h"

#define PROMPT_SHARES_MAX (2 * SEQUENCES_MAX)

struct PromptShare {
    uint32_t namespace;
    uint32_t n_left; /* tokens of the prompt that are still to be read */
    uint32_t n;      /* of them in this step */
};

/* Sets n of at most PROMPT_SHARES_MAX, together n_budget or all there is. `turn`: the number of the
 * step, so that another one comes first each time. */
void prompt_shares_fill(struct PromptShare *shares, size_t n_shares, uint32_t n_budget,
                        unsigned turn);
