#include <math.h>

#include "engine/sampling/real.h"
#include "engine/sampling/sampler-private.h"

/* Mirostat's surprise is in bits. */
#define LN_2 0x1.62e42fefa39efp-1

/* The exponent of Zipf's law that the best tokens follow: least squares on their first differences
 * (algorithm 1, line 4). */
static double zipf_exponent(struct Candidates *candidates) {
    enum { N_BEST = 100 };
    double products = 0, squares = 0;
    for (uint32_t i = 0; i < N_BEST - 1 && i + 1 < candidates->n; i++) {
        double t = real_log((double)(i + 2) / (i + 1));
        double b = (double)candidates_ranked(candidates, i).logit -
                   (double)candidates_ranked(candidates, i + 1).logit;
        products += t * b;
        squares += t * t;
    }
    return products / squares;
}

/* How many tokens have, under this law, a cross entropy of mu (line 6). */
static uint32_t zipf_count(double exponent, double mu, uint32_t n_vocab, uint32_t n_max) {
    double epsilon = exponent - 1;
    double rest = 1 - real_exp(-epsilon * real_log(n_vocab));
    double base = epsilon * real_exp(mu * LN_2) / rest;
    if (!(base > 0x1p-1000 && base < 0x1p1000)) return n_max;
    double k = real_exp(real_log(base) / exponent);
    return !(k < n_max) ? n_max : k < 1 ? 1 : (uint32_t)k;
}

static void cut_first(Sampler *sampler, struct Candidates *candidates) {
    if (candidates->n < 2) return;
    candidates_keep_best(candidates, zipf_count(zipf_exponent(candidates), sampler->mirostat_mu,
                                                sampler->n_vocab, candidates->n));
}

/* Tokens of a greater surprise than mu go (algorithm 2, line 3). */
static void cut_second(Sampler *sampler, struct Candidates *candidates) {
    double total = candidates_total(candidates), top = (double)candidates_top(candidates);
    candidates_keep_above(candidates, top + real_log(total) - sampler->mirostat_mu * LN_2, 1);
}

void mirostat_apply(Sampler *sampler, struct Candidates *candidates) {
    if (sampler->options.mirostat == 1)
        cut_first(sampler, candidates);
    else
        cut_second(sampler, candidates);
}

void mirostat_learn(Sampler *sampler, double probability) {
    double surprise = -real_log(probability > 1e-300 ? probability : 1e-300) / LN_2;
    sampler->mirostat_mu -=
        (double)sampler->options.mirostat_eta * (surprise - (double)sampler->options.mirostat_tau);
}
