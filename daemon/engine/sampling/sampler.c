#include "engine/sampling/sampler.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/limits.h"
#include "engine/sampling/best.h"
#include "engine/sampling/real.h"
#include "engine/sampling/sampler-private.h"
#include "engine/sampling/uniform.h"

const struct SamplerOptions SAMPLER_DEFAULTS = {
    .temperature = 0.8f,
    .top_k = 40,
    .top_p = 0.95f,
    .min_p = 0.05f,
    .repeat_penalty = 1,
    .repeat_last_n = 64,
    .typical_p = 1,
    .top_n_sigma = -1,
    .xtc_threshold = 0.1f,
    .dry_base = 1.75f,
    .dry_allowed_length = 2,
    .dry_penalty_last_n = 64,
    .dynatemp_exponent = 1,
    .mirostat_tau = 5,
    .mirostat_eta = 0.1f,
};

/* ---- The table ---- */

struct SamplerRow {
    const char *name;
    bool (*enabled)(const struct SamplerOptions *options);
    void (*apply)(Sampler *sampler, struct Candidates *candidates);
    bool filters; /* gives way to mirostat, and to greedy */
};

static bool penalties_enabled(const struct SamplerOptions *options) {
    return options->repeat_last_n > 0 &&
           (options->repeat_penalty != 1 || options->presence_penalty != 0 ||
            options->frequency_penalty != 0);
}

static bool dry_enabled(const struct SamplerOptions *options) {
    return options->dry_multiplier != 0 && options->dry_penalty_last_n > 0;
}

static bool top_n_sigma_enabled(const struct SamplerOptions *options) {
    return options->top_n_sigma > 0;
}

static bool top_k_enabled(const struct SamplerOptions *options) {
    return options->top_k > 0;
}

static bool typical_enabled(const struct SamplerOptions *options) {
    return options->typical_p < 1;
}

static bool top_p_enabled(const struct SamplerOptions *options) {
    return options->top_p < 1;
}

static bool min_p_enabled(const struct SamplerOptions *options) {
    return options->min_p > 0;
}

static bool xtc_enabled(const struct SamplerOptions *options) {
    return options->xtc_probability > 0 && options->xtc_threshold <= 0.5f;
}

static bool is_greedy(const struct SamplerOptions *options) {
    return options->temperature == 0 && options->dynatemp_range == 0;
}

static bool temperature_enabled(const struct SamplerOptions *options) {
    return !is_greedy(options) && (options->temperature != 1 || options->dynatemp_range > 0);
}

static void repetition_apply(Sampler *sampler, struct Candidates *candidates) {
    dry_apply(&sampler->dry, &sampler->history, candidates);
}

static const struct SamplerRow ROWS[] = {
    {"penalties", penalties_enabled, penalties_apply, false},
    {"dry", dry_enabled, repetition_apply, false},
    {"top_n_sigma", top_n_sigma_enabled, top_n_sigma_apply, true},
    {"top_k", top_k_enabled, top_k_apply, true},
    {"typ_p", typical_enabled, typical_apply, true},
    {"top_p", top_p_enabled, top_p_apply, true},
    {"min_p", min_p_enabled, min_p_apply, true},
    {"xtc", xtc_enabled, xtc_apply, true},
    {"temperature", temperature_enabled, temperature_apply, false},
};
#define N_ROWS (sizeof ROWS / sizeof ROWS[0])

static void chain_add(Sampler *sampler, const struct SamplerRow *row) {
    bool replaced = row->filters && (sampler->options.mirostat || is_greedy(&sampler->options));
    if (!replaced && row->enabled(&sampler->options)) sampler->chain[sampler->n_chain++] = row;
}

static int chain_find(Sampler *sampler, const char *name, Reason *why) {
    for (size_t i = 0; i < N_ROWS; i++) {
        if (strcmp(ROWS[i].name, name) != 0) continue;
        if (sampler->n_chain == SAMPLER_MAX_CHAIN)
            return reason_set(why, EINVAL, "samplers has more than %d names", SAMPLER_MAX_CHAIN);
        chain_add(sampler, &ROWS[i]);
        return 0;
    }
    return reason_set(why, EINVAL, "there is no sampler \"%s\"", name);
}

static int chain_make(Sampler *sampler, const char *const *names, Reason *why) {
    int r = 0;
    for (size_t i = 0; !names && i < N_ROWS; i++) chain_add(sampler, &ROWS[i]);
    for (; r == 0 && names && *names; names++) r = chain_find(sampler, *names, why);
    return r;
}

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
        {"repeat_last_n", (float)options->repeat_last_n, 0, SAMPLER_MAX_WINDOW},
        {"typical_p", options->typical_p, 0, 1},
        {"top_n_sigma", options->top_n_sigma, -1, 100},
        {"xtc_probability", options->xtc_probability, 0, 1},
        {"xtc_threshold", options->xtc_threshold, 0, 1},
        {"dry_multiplier", options->dry_multiplier, 0, 100},
        {"dry_base", options->dry_base, 1, 100},
        {"dry_penalty_last_n", (float)options->dry_penalty_last_n, 0, SAMPLER_MAX_WINDOW},
        {"dynatemp_range", options->dynatemp_range, 0, 100},
        {"dynatemp_exponent", options->dynatemp_exponent, 0, 100},
        {"mirostat", (float)options->mirostat, 0, 2},
        {"mirostat_tau", options->mirostat_tau, 0, 100},
        {"mirostat_eta", options->mirostat_eta, 0, 1},
    };
    for (size_t i = 0; i < sizeof RANGES / sizeof RANGES[0]; i++) {
        int r = check_range(RANGES[i].name, RANGES[i].value, RANGES[i].least, RANGES[i].most, why);
        if (r < 0) return r;
    }
    return 0;
}

static int check_biases(const struct SamplerOptions *options, uint32_t n_vocab, Reason *why) {
    for (size_t i = 0; i < options->n_biases; i++) {
        const struct LogitBias *bias = &options->biases[i];
        if (bias->token < 0 || (uint32_t)bias->token >= n_vocab)
            return reason_set(why, EINVAL, "logit_bias names token %d; the model has 0 to %u",
                              bias->token, n_vocab - 1);
        if (!(bias->bias <= 1000 && bias->bias >= -1000) && bias->bias != -INFINITY)
            return reason_set(why, EINVAL, "the logit_bias of token %d is out of range",
                              bias->token);
    }
    return 0;
}

static int biases_copy(Sampler *sampler, const struct SamplerOptions *options) {
    if (options->n_biases == 0) return 0;
    sampler->n_biases = options->n_biases;
    sampler->biases = calloc(options->n_biases, sizeof *sampler->biases);
    sampler->biased = calloc(sampler->n_vocab, sizeof *sampler->biased);
    if (!sampler->biases || !sampler->biased) return -ENOMEM;
    memcpy(sampler->biases, options->biases, options->n_biases * sizeof *sampler->biases);
    return 0;
}

/* What the samplers of the chain need; nothing for those that are off. */
static int memory_allocate(Sampler *sampler) {
    const struct SamplerOptions *options = &sampler->options;
    uint32_t n_penalties = penalties_enabled(options) ? options->repeat_last_n : 0;
    uint32_t n_dry = dry_enabled(options) ? options->dry_penalty_last_n : 0;
    sampler->candidates = calloc(sampler->n_vocab, sizeof *sampler->candidates);
    if (!sampler->candidates) return -ENOMEM;
    if (n_penalties) sampler->counts = calloc(sampler->n_vocab, sizeof *sampler->counts);
    if (n_penalties && !sampler->counts) return -ENOMEM;
    sampler->dry = (struct Dry){
        .multiplier = options->dry_multiplier,
        .base = options->dry_base,
        .allowed_length = options->dry_allowed_length,
        .last_n = n_dry,
    };
    int r = n_dry ? dry_init(&sampler->dry, sampler->n_vocab) : 0;
    return r < 0 ? r : history_init(&sampler->history, n_penalties > n_dry ? n_penalties : n_dry);
}

int sampler_new(const struct SamplerOptions *options, uint32_t n_vocab, Sampler **ret,
                Reason *why) {
    if (n_vocab == 0) return reason_set(why, EINVAL, "the vocabulary is empty");
    int r = check_options(options, why);
    if (r == 0) r = check_biases(options, n_vocab, why);
    if (r < 0) return r;
    Sampler *sampler = calloc(1, sizeof *sampler);
    if (!sampler) return reason_set(why, ENOMEM, "out of memory");
    sampler->options = *options;
    sampler->n_vocab = n_vocab;
    sampler->mirostat_mu = 2 * (double)options->mirostat_tau;
    r = chain_make(sampler, options->samplers, why);
    if (r == 0 && (memory_allocate(sampler) < 0 || biases_copy(sampler, options) < 0))
        r = reason_set(why, ENOMEM, "out of memory");
    if (r < 0) {
        sampler_free(sampler);
        return r;
    }
    sampler->dry.breakers = options->dry_breakers; /* taken last: not if it failed */
    *ret = sampler;
    return 0;
}

Sampler *sampler_free(Sampler *sampler) {
    if (!sampler) return NULL;
    free(sampler->candidates);
    free(sampler->biased);
    free(sampler->biases);
    free(sampler->counts);
    history_done(&sampler->history);
    dry_done(&sampler->dry);
    free(sampler);
    return NULL;
}

uint32_t sampler_window(const Sampler *sampler) {
    return sampler->history.n_max;
}

void sampler_accept(Sampler *sampler, Token token) {
    if (token < 0 || (uint32_t)token >= sampler->n_vocab) return;
    penalties_accept(sampler, token);
    history_push(&sampler->history, token);
}

/* ---- Candidates ---- */

static const float *logits_bias(Sampler *sampler, const float *logits) {
    if (!sampler->n_biases) return logits;
    memcpy(sampler->biased, logits, sampler->n_vocab * sizeof *logits);
    for (size_t i = 0; i < sampler->n_biases; i++)
        sampler->biased[sampler->biases[i].token] += sampler->biases[i].bias;
    return sampler->biased;
}

/* The finite logits of allowed tokens, in the order of tokens. */
static uint32_t collect(const Sampler *sampler, const float *logits, const uint64_t *allowed) {
    struct Candidate *candidates = sampler->candidates;
    uint32_t n = 0, n_vocab = sampler->n_vocab;
    for (uint32_t start = 0; start < n_vocab; start += 64) {
        uint64_t bits = allowed ? allowed[start / 64] : UINT64_MAX;
        uint32_t end = n_vocab - start < 64 ? n_vocab : start + 64;
        for (uint32_t i = start; bits && i < end; i++, bits >>= 1) {
            candidates[n] = (struct Candidate){logits[i], (Token)i};
            n += (uint32_t)(bits & 1) & (fabsf(logits[i]) <= FLT_MAX);
        }
    }
    return n;
}

static struct Candidates chain_run(Sampler *sampler, const float *logits, const uint64_t *allowed) {
    struct Candidates candidates = {.data = sampler->candidates};
    candidates.n = collect(sampler, logits_bias(sampler, logits), allowed);
    if (candidates.n == 0) return candidates;
    for (size_t i = 0; i < sampler->n_chain; i++) sampler->chain[i]->apply(sampler, &candidates);
    if (is_greedy(&sampler->options))
        candidates_keep_best(&candidates, 1);
    else if (sampler->options.mirostat)
        mirostat_apply(sampler, &candidates);
    return candidates;
}

/* ---- Drawing ---- */

static Token draw(Sampler *sampler, struct Candidates *candidates, double random) {
    double top = (double)candidates_top(candidates), total = candidates_total(candidates);
    double sum = 0, weight = 0;
    uint32_t i = 0;
    for (; i < candidates->n; i++) {
        weight = real_exp((double)candidates_ranked(candidates, i).logit - top);
        sum += weight;
        if (sum > random * total) break;
    }
    if (i == candidates->n) i--; /* rounding has eaten the end */
    if (sampler->options.mirostat) mirostat_learn(sampler, weight / total);
    return candidates_ranked(candidates, i).token;
}

static Token first_allowed(const uint64_t *allowed, uint32_t n_vocab) {
    for (uint32_t i = 0; allowed && i < n_vocab; i++)
        if (allowed[i / 64] >> i % 64 & 1) return (Token)i;
    return 0;
}

Token sampler_sample(Sampler *sampler, const float *logits, const uint64_t *allowed) {
    bool greedy = is_greedy(&sampler->options);
    if (greedy && sampler->n_chain == 0) {
        Token best = best_token(logits_bias(sampler, logits), sampler->n_vocab, allowed);
        return best >= 0 ? best : first_allowed(allowed, sampler->n_vocab);
    }
    struct Candidates candidates = chain_run(sampler, logits, allowed);
    double random = sampler_next_uniform(sampler);
    sampler->n_draws += !greedy;
    if (candidates.n == 0) return first_allowed(allowed, sampler->n_vocab);
    return greedy ? candidates.data->token : draw(sampler, &candidates, random);
}

double sampler_next_uniform(const Sampler *sampler) {
    return uniform(sampler->options.seed, UNIFORM_DRAW, sampler->n_draws);
}

uint32_t sampler_distribution(Sampler *sampler, const float *logits, const uint64_t *allowed,
                              struct TokenProbability *ret) {
    struct Candidates candidates = chain_run(sampler, logits, allowed);
    if (candidates.n == 0) return 0;
    double top = (double)candidates_top(&candidates), total = candidates_total(&candidates);
    for (uint32_t i = 0; i < candidates.n; i++) {
        struct Candidate candidate = candidates_ranked(&candidates, i);
        ret[i].token = candidate.token;
        ret[i].probability = real_exp((double)candidate.logit - top) / total;
    }
    return candidates.n;
}

void sampler_follow(Sampler *sampler, const Sampler *other) {
    sampler->n_draws = other->n_draws;
}
