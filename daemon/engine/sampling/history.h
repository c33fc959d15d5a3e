/*
 * The last tokens of a generation, prompt and answer: what penalties and DRY look back on. In one
 * piece of memory, the newest last. Allocates at creation only.
 */
#pragma once

#include <stdint.h>

#include "engine/engine.h"

struct History {
    Token *tokens;    /* [2 * n_max] */
    uint32_t n_max;   /* how many are remembered */
    uint32_t n;       /* how many are there */
    uint32_t n_stale; /* in front of them */
};

int history_init(struct History *history, uint32_t n_max); /* -ENOMEM */
void history_done(struct History *history);
void history_push(struct History *history, Token token);

/* The i-th from the end, i < n. */
static inline Token history_at(const struct History *history, uint32_t i) {
    return history->tokens[history->n_stale + history->n - 1 - i];
}
