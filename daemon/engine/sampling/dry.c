#include "engine/sampling/dry.h"

#include <errno.h>
#include <float.h>
#include <stdlib.h>

int dry_init(struct Dry *dry, uint32_t n_vocab) {
    dry->repeats = malloc(((size_t)dry->last_n + 1) * sizeof *dry->repeats);
    dry->longest = calloc(n_vocab, sizeof *dry->longest);
    return dry->repeats && dry->longest ? 0 : -ENOMEM;
}

void dry_done(struct Dry *dry) {
    breakers_free(dry->breakers);
    free(dry->repeats);
    free(dry->longest);
}

/* How many tokens there are after the last breaker: no repetition is longer. */
static uint32_t repeat_limit(const struct Dry *dry, const struct History *history, uint32_t n) {
    for (uint32_t i = 0; dry->breakers && i < n; i++) {
        int n_tail = breakers_match(dry->breakers, history, i);
        if (n_tail >= 0) return i - (uint32_t)n_tail;
    }
    return n;
}

/* How far the text before the k-th token from the end, with it, is the end of the text; the Z
 * algorithm (Gusfield 1997, 1.4) on the reversed text: [left, right) is the stretch known to match
 * that reaches furthest back. */
static void find_repeats(uint32_t *repeats, const struct History *history, uint32_t n) {
    uint32_t left = 0, right = 0;
    for (uint32_t k = 1; k < n; k++) {
        uint32_t length = 0;
        if (k < right) {
            length = repeats[k - left];
            if (length > right - k) length = right - k;
        }
        while (k + length < n && history_at(history, length) == history_at(history, k + length))
            length++;
        repeats[k] = length;
        if (k + length > right) {
            left = k;
            right = k + length;
        }
    }
}

/* base^n, and no more than fits. */
static float power(float base, uint32_t n) {
    double result = 1, square = (double)base;
    for (; n; n /= 2) {
        if (n % 2) result *= square;
        square *= square;
        if (result > (double)FLT_MAX) return FLT_MAX;
        if (square > 1e300) square = 1e300;
    }
    return (float)result;
}

static void punish(const struct Dry *dry, struct Candidate *candidate) {
    uint32_t length = dry->longest[candidate->token];
    if (length == 0 || (dry->breakers && breakers_has(dry->breakers, candidate->token))) return;
    float penalty = dry->multiplier * power(dry->base, length - 1 - dry->allowed_length);
    float logit = candidate->logit - penalty;
    candidate->logit = logit < -FLT_MAX ? -FLT_MAX : logit;
}

void dry_apply(struct Dry *dry, const struct History *history, struct Candidates *candidates) {
    uint32_t n = history->n < dry->last_n ? history->n : dry->last_n;
    if (n <= dry->allowed_length) return;
    uint32_t limit = repeat_limit(dry, history, n);
    if (limit < dry->allowed_length) return;

    find_repeats(dry->repeats, history, n);
    for (uint32_t k = 1; k < n; k++) {
        uint32_t length = dry->repeats[k] < limit ? dry->repeats[k] : limit;
        uint32_t *longest = &dry->longest[history_at(history, k - 1)];
        if (length >= dry->allowed_length && length + 1 > *longest) *longest = length + 1;
    }
    for (uint32_t i = 0; i < candidates->n; i++) punish(dry, &candidates->data[i]);
    for (uint32_t k = 1; k < n; k++) dry->longest[history_at(history, k - 1)] = 0;
    candidates_unrank(candidates);
}
