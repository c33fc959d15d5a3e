#include "engine/sampling/sampler.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "engine/limits.h"

struct Candidate {
    float logit;
    Token token;
};

struct Sampler {
    struct SamplerOptions options;
    uint32_t n_vocab;
    uint64_t n_draws;
    struct Candidate *candidates; /* [n_vocab] */
    uint32_t *counts;             /* [n_vocab]: of each token in the window */
    Token *window;                /* ring of repeat_last_n */
    uint64_t n_accepted;
};

const struct SamplerOptions SAMPLER_DEFAULTS = {
    .temperature = 0.8f,
    .top_k = 40,
    .top_p = 0.95f,
    .min_p = 0.05f,
    .repeat_penalty = 1,
    .repeat_last_n = 64,
};

/* ---- Creation ---- */

static int check_range(const char *name, float value, float least, float most, Reason *why) {
    if (value >= least && value <= most) return 0; /* not for NaN */
    return reason_set(why, EINVAL, "%s must be between %g and %g", name, (double)least,
                      (double)most);
}

static int check_options(const struct SamplerOptions *options, Reason *why) {
    const struct {
        const char *name;
        float value, least, most;
    } RANGES[] = {
        {"temperature", options->temperature, 0, 100},
        {"top_p", options->top_p, 0, 1},
        {"min_p", options->min_p, 0, 1},
        {"repeat_penalty", options->repeat_penalty, 0.01f, 100},
        {"presence_penalty", options->presence_penalty, -100, 100},
        {"frequency_penalty", options->frequency_penalty, -100, 100},
    };
    for (size_t i = 0; i < sizeof RANGES / sizeof RANGES[0]; i++) {
        int r = check_range(RANGES[i].name, RANGES[i].value, RANGES[i].least, RANGES[i].most, why);
        if (r < 0) return r;
    }
    if (options->repeat_last_n > SAMPLER_MAX_WINDOW)
        return reason_set(why, EINVAL, "repeat_last_n must be at most %u", SAMPLER_MAX_WINDOW);
    return 0;
}

int sampler_new(const struct SamplerOptions *options, uint32_t n_vocab, Sampler **ret,
                Reason *why) {
    int r = check_options(options, why);
    if (r < 0) return r;
    if (n_vocab == 0) return reason_set(why, EINVAL, "the vocabulary is empty");
    Sampler *sampler = calloc(1, sizeof *sampler);
    if (!sampler) return reason_set(why, ENOMEM, "out of memory");
    sampler->options = *options;
    sampler->n_vocab = n_vocab;
    sampler->candidates = calloc(n_vocab, sizeof *sampler->candidates);
    sampler->counts = calloc(n_vocab, sizeof *sampler->counts);
    sampler->window = calloc((size_t)options->repeat_last_n + 1, sizeof *sampler->window);
    if (!sampler->candidates || !sampler->counts || !sampler->window) {
        sampler_free(sampler);
        return reason_set(why, ENOMEM, "out of memory");
    }
    *ret = sampler;
    return 0;
}

Sampler *sampler_free(Sampler *sampler) {
    if (!sampler) return NULL;
    free(sampler->candidates);
    free(sampler->counts);
    free(sampler->window);
    free(sampler);
    return NULL;
}

/* ---- Penalties ---- */

void sampler_accept(Sampler *sampler, Token token) {
    uint32_t n = sampler->options.repeat_last_n;
    if (n == 0 || token < 0 || (uint32_t)token >= sampler->n_vocab) return;
    Token *place = &sampler->window[sampler->n_accepted % n];
    if (sampler->n_accepted >= n) sampler->counts[*place]--;
    *place = token;
    sampler->counts[token]++;
    sampler->n_accepted++;
}

static float penalise(const struct SamplerOptions *options, float logit, uint32_t count) {
    if (count == 0) return logit;
    logit = logit > 0 ? logit / options->repeat_penalty : logit * options->repeat_penalty;
    return logit - options->presence_penalty - options->frequency_penalty * (float)count;
}

static bool is_allowed(const uint64_t *allowed, uint32_t token) {
    return !allowed || allowed[token / 64] >> token % 64 & 1;
}

static Token first_allowed(const uint64_t *allowed, uint32_t n_vocab) {
    for (uint32_t i = 0; i < n_vocab; i++)
        if (is_allowed(allowed, i)) return (Token)i;
    return 0;
}

/* The finite logits of allowed tokens after penalties, in the order of tokens. */
static uint32_t collect(Sampler *sampler, const float *logits, const uint64_t *allowed) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < sampler->n_vocab; i++) {
        if (!is_allowed(allowed, i)) continue;
        float logit = penalise(&sampler->options, logits[i], sampler->counts[i]);
        if (isfinite(logit)) sampler->candidates[n++] = (struct Candidate){logit, (Token)i};
    }
    return n;
}

static Token best(const struct Candidate *candidates, uint32_t n) {
    uint32_t top = 0;
    for (uint32_t i = 1; i < n; i++)
        if (candidates[i].logit > candidates[top].logit) top = i;
    return candidates[top].token;
}

/* ---- Order: a heap that gives up its best candidates to its end, as far as they are needed ----
 */

struct Ranking {
    struct Candidate *candidates;
    uint32_t n;      /* in all */
    uint32_t n_heap; /* the rest, behind it, is ranked: the best last */
};

static bool is_better(struct Candidate a, struct Candidate b) {
    return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
}

static void sift_down(struct Ranking *ranking, uint32_t i) {
    struct Candidate *heap = ranking->candidates, moved = heap[i];
    uint32_t n = ranking->n_heap;
    for (uint32_t child = 2 * i + 1; child < n; child = 2 * i + 1) {
        if (child + 1 < n && is_better(heap[child + 1], heap[child])) child++;
        if (!is_better(heap[child], moved)) break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = moved;
}

static void rank_begin(struct Ranking *ranking) {
    ranking->n_heap = ranking->n;
    for (uint32_t i = ranking->n / 2; i-- > 0;) sift_down(ranking, i);
}

/* The i-th best. */
static struct Candidate ranked(struct Ranking *ranking, uint32_t i) {
    while (ranking->n - ranking->n_heap <= i) {
        struct Candidate *heap = ranking->candidates, top = heap[0];
        heap[0] = heap[--ranking->n_heap];
        heap[ranking->n_heap] = top;
        sift_down(ranking, 0);
    }
    return ranking->candidates[ranking->n - 1 - i];
}

/* ---- Probabilities ---- */

/* e^x for x <= 0, by plain arithmetic: the C library's exp() may round differently elsewhere. */
static double exponential(double x) {
    static const double ln2 = 0x1.62e42fefa39efp-1;
    static const double ln2_high = 0x1.62e42fefa38p-1, ln2_low = 0x1.ef35793c7673p-45;
    static const double INVERSE_FACTORIALS[] = {
        1.0 / 6227020800,
        1.0 / 479001600,
        1.0 / 39916800,
        1.0 / 3628800,
        1.0 / 362880,
        1.0 / 40320,
        1.0 / 5040,
        1.0 / 720,
        1.0 / 120,
        1.0 / 24,
        1.0 / 6,
        1.0 / 2,
        1,
        1,
    };
    if (!(x > -700)) return 0;
    double k = floor(x / ln2 + 0.5);
    double r = x - k * ln2_high - k * ln2_low, sum = 0; /* |r| < 0.35 */
    for (unsigned i = 0; i < sizeof INVERSE_FACTORIALS / sizeof *INVERSE_FACTORIALS; i++)
        sum = sum * r + INVERSE_FACTORIALS[i];
    return ldexp(sum, (int)k);
}

static double weight(struct Candidate candidate, float top, float temperature) {
    return exponential(((double)candidate.logit - (double)top) / (double)temperature);
}

/* Of the `n` best; when these are all, without ranking them. */
static double total_weight(struct Ranking *ranking, uint32_t n, float temperature) {
    float top = ranked(ranking, 0).logit;
    double total = 0;
    for (uint32_t i = 0; i < n; i++)
        total +=
            weight(n == ranking->n ? ranking->candidates[i] : ranked(ranking, i), top, temperature);
    return total;
}

/* How many of the `n` best hold `top_p` of their probability. */
static uint32_t cut_top_p(struct Ranking *ranking, uint32_t n, float top_p) {
    float top = ranked(ranking, 0).logit;
    double total = total_weight(ranking, n, 1), sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += weight(ranked(ranking, i), top, 1);
        if (sum >= (double)top_p * total) return i + 1;
    }
    return n;
}

/* How many of the `n` best have at least `min_p` of the best one's probability. */
static uint32_t cut_min_p(struct Ranking *ranking, uint32_t n, float min_p) {
    float top = ranked(ranking, 0).logit;
    for (uint32_t i = 1; i < n; i++)
        if (weight(ranked(ranking, i), top, 1) < (double)min_p) return i;
    return n;
}

/* ---- Drawing ---- */

/* The n-th number of a seed's stream, in [0, 1): two rounds of splitmix64's finaliser. */
static uint64_t scramble(uint64_t x) {
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

static double uniform(uint64_t seed, uint64_t n) {
    uint64_t bits = scramble(scramble(seed + 0x9e3779b97f4a7c15) + (n + 1) * 0xd1b54a32d192ed03);
    return (double)(bits >> 11) * 0x1p-53;
}

static Token draw(struct Ranking *ranking, uint32_t n, float temperature, double random) {
    float top = ranked(ranking, 0).logit;
    double total = total_weight(ranking, n, temperature), sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += weight(ranked(ranking, i), top, temperature);
        if (sum > random * total) return ranked(ranking, i).token;
    }
    return ranked(ranking, n - 1).token;
}

Token sampler_sample(Sampler *sampler, const float *logits, const uint64_t *allowed) {
    const struct SamplerOptions *options = &sampler->options;
    struct Ranking ranking = {.candidates = sampler->candidates};
    ranking.n = collect(sampler, logits, allowed);
    bool greedy = options->temperature == 0;
    double random = greedy ? 0 : uniform(options->seed, sampler->n_draws++);
    if (ranking.n == 0) return first_allowed(allowed, sampler->n_vocab);
    if (greedy) return best(ranking.candidates, ranking.n);

    uint32_t n = ranking.n;
    rank_begin(&ranking);
    if (options->top_k > 0 && options->top_k < n) n = options->top_k;
    if (options->top_p < 1) n = cut_top_p(&ranking, n, options->top_p);
    if (options->min_p > 0) n = cut_min_p(&ranking, n, options->min_p);
    return draw(&ranking, n, options->temperature, random);
}

void sampler_follow(Sampler *sampler, const Sampler *other) {
    sampler->n_draws = other->n_draws;
}
