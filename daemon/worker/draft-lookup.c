/*
 * Prompt look-up (Saxena 2023): what followed the last time when the text went as it goes now.
 * Right where answers repeat their prompt: summaries, code that is changed, quotes.
 */
#include <glib.h>
#include <string.h>

#include "worker/draft.h"

/* Tokens that have to be the same, and beyond which a longer match is no better. */
#define MATCH_MIN 2u
#define MATCH_MAX 8u
/* How far back it looks: some microseconds. */
#define WINDOW 65536u

static int lookup_open(struct Drafting *drafting, const struct SamplerOptions *options,
                       void **ret) {
    *ret = NULL;
    return 0;
}

static void lookup_close(void *state) {}

/* Tokens before `end` that are the same as those before n. */
static uint32_t match_length(const Token *tokens, uint32_t end, uint32_t n) {
    uint32_t length = 0;

    while (length < MATCH_MAX && length < end && tokens[end - 1 - length] == tokens[n - 1 - length])
        length++;
    return length;
}

/* The latest of the longest matches. */
static uint32_t lookup_propose(void *state, const struct DraftView *view, uint32_t n_max,
                               Token *ret) {
    const Token *tokens = view->tokens;
    const uint32_t n = view->n_tokens, first = n > WINDOW ? n - WINDOW : 1;
    uint32_t best = 0, best_end = 0;

    for (uint32_t end = n - 1; end >= first && end > 0 && best < MATCH_MAX; end--) {
        if (tokens[end - 1] != tokens[n - 1]) continue;
        uint32_t length = match_length(tokens, end, n);
        if (length <= best) continue;
        best = length;
        best_end = end;
    }
    if (best < MATCH_MIN) return 0;
    n_max = MIN(n_max, n - best_end);
    memcpy(ret, tokens + best_end, n_max * sizeof *ret);
    return n_max;
}

const struct DraftMethod draft_lookup = {"lookup", lookup_open, lookup_close, lookup_propose, NULL};
