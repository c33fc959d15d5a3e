#include "worker/draft.h"

#include <glib.h>

/* Before any guess was made it counts as if so many had been, and so many right. */
#define PRIOR_ACCEPTED 1.5
#define PRIOR_TRIED 2.0
/* What a verified proposal takes from the weight of those before it, and of that prior. */
#define FORGET 0.1
/* A longer proposal has to be worth it: measurements are noisy. */
#define LEAST_GAIN 1.02

/* A method that does not pay is tried again after this many tokens, twice as many each time. */
#define PROBE_FIRST 8u
#define PROBE_LAST 512u
#define PROBE_TOKENS 2u

struct Method {
    const struct DraftMethod *type;
    void *state;
    double accepted, tried; /* guesses, the older the less they count */
    double usec;            /* of one guess, a moving average */
    uint32_t pause, waited; /* tokens until the next probe, and since the last */
};

static const struct DraftMethod *const types[] = {&draft_lookup, &draft_model};

struct Draft {
    struct Drafting *drafting;
    unsigned n_methods;
    struct Method methods[G_N_ELEMENTS(types)];
    struct Method *proposer; /* of the proposal that is being verified */
    uint32_t n_proposed;
};

bool draft_is_known(const char *mode) {
    if (g_str_equal(mode, "auto") || g_str_equal(mode, "off")) return true;
    for (gsize i = 0; i < G_N_ELEMENTS(types); i++)
        if (g_str_equal(mode, types[i]->name)) return true;
    return false;
}

static void method_add(Draft *self, const struct DraftMethod *type,
                       const struct SamplerOptions *options) {
    struct Method *method = &self->methods[self->n_methods];

    *method = (struct Method){
        .type = type,
        .accepted = PRIOR_ACCEPTED,
        .tried = PRIOR_TRIED,
        .pause = PROBE_FIRST,
    };
    if (type->open(self->drafting, options, &method->state) == 0) self->n_methods++;
}

Draft *draft_new(struct Drafting *drafting, const char *mode,
                 const struct SamplerOptions *options) {
    Draft *self = g_new0(Draft, 1);

    self->drafting = drafting;
    for (gsize i = 0; i < G_N_ELEMENTS(types); i++)
        if (g_str_equal(mode, "auto") || g_str_equal(mode, types[i]->name))
            method_add(self, types[i], options);
    if (self->n_methods > 0) return self;
    g_free(self);
    return NULL;
}

void draft_free(Draft *self) {
    if (!self) return;
    for (unsigned i = 0; i < self->n_methods; i++)
        self->methods[i].type->close(self->methods[i].state);
    g_free(self);
}

size_t draft_bytes(const Draft *self) {
    size_t bytes = 0;

    for (unsigned i = 0; self && i < self->n_methods; i++) {
        const struct Method *method = &self->methods[i];
        if (method->type->bytes) bytes += method->type->bytes(method->state);
    }
    return bytes;
}

/* ---- How many: the most tokens a second ---- */

/* The length whose step brings the most tokens a second: with n guesses, each right with chance a
 * if all before it are, 1 + a + ... + a^n tokens of this generation and one of each other. */
static uint32_t best_length(const Draft *self, const struct Method *method, uint32_t n_others,
                            uint32_t n_max) {
    const struct StepCost *cost = &self->drafting->cost;
    const double a = method->accepted / method->tried, alone = step_cost(cost, n_others);
    double expected = n_others, chance = 1, best = n_others / alone * LEAST_GAIN;
    uint32_t best_n = 0;

    for (uint32_t n = 1; n <= n_max; n++) {
        chance *= a;
        expected += chance;
        double rate = expected / (step_cost(cost, n_others + n) + n * method->usec);
        if (rate <= best) continue;
        best = rate;
        best_n = n;
    }
    return best_n;
}

/* A method that does not pay keeps its pauses, and then gets a short chance. */
static uint32_t length_or_probe(const Draft *self, struct Method *method, uint32_t n_others,
                                uint32_t n_max) {
    uint32_t n = best_length(self, method, n_others, n_max);

    if (n > 0) {
        method->pause = PROBE_FIRST;
        method->waited = 0;
        return n;
    }
    if (++method->waited < method->pause) return 0;
    method->waited = 0;
    method->pause = MIN(2 * method->pause, PROBE_LAST);
    return MIN(PROBE_TOKENS, n_max);
}

static uint32_t method_propose(struct Method *method, const struct DraftView *view, uint32_t n_max,
                               Token *ret) {
    gint64 start_usec = g_get_monotonic_time();
    uint32_t n = method->type->propose(method->state, view, n_max, ret);

    if (n == 0) return 0;
    double usec = (double)(g_get_monotonic_time() - start_usec) / n;
    method->usec = method->usec > 0 ? method->usec + 0.1 * (usec - method->usec) : usec;
    return n;
}

uint32_t draft_propose(Draft *self, const struct DraftView *view, uint32_t n_others, uint32_t n_max,
                       Token *ret) {
    n_max = MIN(n_max, DRAFT_MAX);
    self->n_proposed = 0;
    if (!(step_cost(&self->drafting->cost, n_others) > 0)) return 0; /* nothing was measured yet */
    for (unsigned i = 0; i < self->n_methods && n_max > 0; i++) {
        struct Method *method = &self->methods[i];
        uint32_t n_wanted = length_or_probe(self, method, n_others, n_max);
        if (n_wanted == 0) continue;
        self->proposer = method;
        self->n_proposed = method_propose(method, view, n_wanted, ret);
        if (self->n_proposed > 0) return self->n_proposed;
    }
    return 0;
}

void draft_verified(Draft *self, uint32_t n_accepted) {
    struct Method *method = self->proposer;

    if (self->n_proposed == 0) return;
    method->accepted += n_accepted - FORGET * method->accepted;
    /* what comes after the first wrong guess was not tried */
    method->tried += MIN(n_accepted + 1, self->n_proposed) - FORGET * method->tried;
    self->n_proposed = 0;
}
