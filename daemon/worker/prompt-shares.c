#include "worker/prompt-shares.h"

#include <glib.h>
#include <stdbool.h>

/* A budget's parts: of namespaces, or of the prompts in one. */
struct Parts {
    uint32_t wanted[PROMPT_SHARES_MAX], n[PROMPT_SHARES_MAX];
    size_t count;
};

static void parts_add(struct Parts *parts, uint32_t wanted) {
    g_assert(parts->count < PROMPT_SHARES_MAX);
    parts->wanted[parts->count] = wanted;
    parts->n[parts->count++] = 0;
}

/* Equal parts of what is left to everyone who wants more, until nothing is left or nobody. Where a
 * part would be less than a token, those whose turn it is get one. */
static void parts_divide(struct Parts *parts, uint32_t budget, unsigned turn) {
    for (size_t n_open = parts->count; budget > 0 && n_open > 0;) {
        const uint32_t part = MAX(budget / (uint32_t)n_open, 1);
        n_open = 0;
        for (size_t i = 0; i < parts->count; i++) {
            const size_t k = (i + turn) % parts->count;
            const uint32_t more = MIN(MIN(part, parts->wanted[k] - parts->n[k]), budget);
            parts->n[k] += more;
            budget -= more;
            n_open += parts->n[k] < parts->wanted[k];
        }
    }
}

/* The first of its namespace, which stands for it. */
static bool is_first(const struct PromptShare *shares, size_t i) {
    for (size_t k = 0; k < i; k++)
        if (shares[k].namespace == shares[i].namespace) return false;
    return true;
}

static uint32_t namespace_n_left(const struct PromptShare *shares, size_t n, uint32_t namespace) {
    uint32_t n_left = 0;
    for (size_t i = 0; i < n; i++)
        if (shares[i].namespace == namespace) n_left += shares[i].n_left;
    return n_left;
}

static size_t shortest(const struct Parts *prompts) {
    size_t best = 0;
    for (size_t k = 1; k < prompts->count; k++)
        if (prompts->wanted[k] < prompts->wanted[best]) best = k;
    return best;
}

static void namespace_fill(struct PromptShare *shares, size_t n, uint32_t namespace,
                           uint32_t n_budget, unsigned turn) {
    struct Parts prompts = {.count = 0};
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        if (shares[i].namespace == namespace) parts_add(&prompts, shares[i].n_left);
    const size_t first = shortest(&prompts);
    prompts.n[first] = MIN(prompts.wanted[first], n_budget / 2);
    parts_divide(&prompts, n_budget - prompts.n[first], turn);
    for (size_t i = 0; i < n; i++)
        if (shares[i].namespace == namespace) shares[i].n = prompts.n[k++];
}

void prompt_shares_fill(struct PromptShare *shares, size_t n_shares, uint32_t n_budget,
                        unsigned turn) {
    struct Parts spaces = {.count = 0};
    size_t k = 0;
    for (size_t i = 0; i < n_shares; i++)
        if (is_first(shares, i))
            parts_add(&spaces, namespace_n_left(shares, n_shares, shares[i].namespace));
    parts_divide(&spaces, n_budget, turn);
    /* within a namespace the turn moves on once all namespaces have had theirs */
    for (size_t i = 0; i < n_shares; i++)
        if (is_first(shares, i))
            namespace_fill(shares, n_shares, shares[i].namespace, spaces.n[k++],
                           turn / (unsigned)spaces.count);
}
