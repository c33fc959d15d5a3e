#include <math.h>

#include "engine/sampling/real.h"
#include "engine/sampling/sampler-private.h"
#include "engine/sampling/uniform.h"

static uint32_t at_least_one(uint32_t min_keep) {
    return min_keep ? min_keep : 1;
}

static double weight_of(struct Candidate candidate, double top) {
    return real_exp((double)candidate.logit - top);
}

void top_k_apply(Sampler *sampler, struct Candidates *candidates) {
    uint32_t k = sampler->options.top_k, least = sampler->options.min_keep;
    candidates_keep_best(candidates, k > least ? k : least);
}

void top_n_sigma_apply(Sampler *sampler, struct Candidates *candidates) {
    double top = (double)candidates_top(candidates), sum = 0, squares = 0;
    uint32_t n = candidates->n;
    for (uint32_t i = 0; i < n; i++) sum += (double)candidates->data[i].logit;
    for (uint32_t i = 0; i < n; i++) {
        double distance = (double)candidates->data[i].logit - sum / n;
        squares += distance * distance;
    }
    double sigma = sqrt(squares / n);
    candidates_keep_above(candidates, top - (double)sampler->options.top_n_sigma * sigma,
                          at_least_one(sampler->options.min_keep));
}

/* Tokens less likely than (1 - p) / n are less than 1 - p together: the others hold p. Those of
 * them that are further than `limit` from the top one go, before anything is ranked. */
static void drop_hopeless(struct Candidates *candidates, double total, double p, double limit) {
    double least = total * (1 - p) / candidates->n;
    if (candidates->n_ranked || least < 1e-280) return;
    double distance = real_log(least) < limit ? real_log(least) : limit;
    /* a bit lower, since neither sums nor logarithms are exact */
    candidates_keep_above(candidates, (double)candidates_top(candidates) + distance - 1e-6, 1);
}

void top_p_apply(Sampler *sampler, struct Candidates *candidates) {
    double p = (double)sampler->options.top_p, total = candidates_total(candidates), sum = 0;
    uint32_t min_keep = at_least_one(sampler->options.min_keep);
    if (min_keep == 1) drop_hopeless(candidates, total, p, 0);
    double top = (double)candidates_top(candidates);
    for (uint32_t i = 0; i < candidates->n; i++) {
        sum += weight_of(candidates_ranked(candidates, i), top);
        if (sum < p * total || i + 1 < min_keep) continue;
        candidates_keep_best(candidates, i + 1);
        return;
    }
}

void min_p_apply(Sampler *sampler, struct Candidates *candidates) {
    double top = (double)candidates_top(candidates);
    candidates_keep_above(candidates, top + real_log((double)sampler->options.min_p),
                          at_least_one(sampler->options.min_keep));
}

/* The difference between a token's surprise and the mean surprise (the entropy) is that between its
 * logit and the mean logit. So those nearest to typical are a stretch of the ranking around the
 * mean, which grows on the nearer side. */
void typical_apply(Sampler *sampler, struct Candidates *candidates) {
    double total = candidates_total(candidates), sum = 0;
    double top = (double)candidates_top(candidates), mean = candidates_mean(candidates, total);
    double p = (double)sampler->options.typical_p;
    uint32_t min_keep = at_least_one(sampler->options.min_keep), begin = 0;
    /* twice as far as the mean: the top one is nearer to it */
    if (min_keep == 1) drop_hopeless(candidates, total, p, 2 * mean);
    uint32_t n = candidates->n;
    candidates_ranked(candidates, n - 1);
    const struct Candidate *data = candidates->data; /* the best last */
    while (begin < n && (double)data[begin].logit - top <= mean) begin++;
    uint32_t end = begin;
    while (end - begin < n) {
        bool up = begin == 0 || (end < n && (double)data[end].logit - top - mean <=
                                                mean - ((double)data[begin - 1].logit - top));
        sum += weight_of(up ? data[end++] : data[--begin], top);
        if (sum > p * total && end - begin >= min_keep) break;
    }
    candidates->data += begin;
    candidates->n = candidates->n_ranked = end - begin;
}

void xtc_apply(Sampler *sampler, struct Candidates *candidates) {
    const struct SamplerOptions *options = &sampler->options;
    double coin = uniform(options->seed, UNIFORM_XTC, sampler->n_draws);
    if (candidates->n < 2 || coin > (double)options->xtc_probability) return;

    double total = candidates_total(candidates), top = (double)candidates_top(candidates);
    uint32_t n = 0; /* as likely as the threshold */
    while (n < candidates->n && weight_of(candidates_ranked(candidates, n), top) >=
                                    (double)options->xtc_threshold * total)
        n++;
    if (n > 1 && candidates->n - (n - 1) >= options->min_keep)
        candidates_drop_best(candidates, n - 1);
}
