#include "worker/sampling.h"

#include <glib.h>
#include <sys/random.h>

#include "engine/sampling/breakers.h"
#include "engine/text/tokenizer.h"

/* Fails only before the kernel has any randomness; then one seed is as good as another. */
static uint64_t seed_random(void) {
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, 0) < 0) seed = (uint64_t)g_get_monotonic_time();
    return seed;
}

struct SamplerOptions sampling_settings(const struct GenerateOptions *options, uint32_t n_ctx) {
    static const char *const none[] = {NULL};
    bool no_samplers = options_is_set(options, "samplers") && !options->samplers;
    struct SamplerOptions ret = {
        .temperature = (float)options->temperature,
        .top_k = options->top_k,
        .top_p = (float)options->top_p,
        .min_p = (float)options->min_p,
        .repeat_penalty = (float)options->repeat_penalty,
        .presence_penalty = (float)options->presence_penalty,
        .frequency_penalty = (float)options->frequency_penalty,
        .repeat_last_n = MIN(options->repeat_last_n, n_ctx),
        .seed = options_is_set(options, "seed") ? options->seed : seed_random(),
        .typical_p = (float)options->typical_p,
        .top_n_sigma = (float)options->top_n_sigma,
        .xtc_probability = (float)options->xtc_probability,
        .xtc_threshold = (float)options->xtc_threshold,
        .dry_multiplier = (float)options->dry_multiplier,
        .dry_base = (float)options->dry_base,
        .dry_allowed_length = options->dry_allowed_length,
        .dry_penalty_last_n = MIN(options->dry_penalty_last_n, n_ctx),
        .dynatemp_range = (float)options->dynatemp_range,
        .dynatemp_exponent = (float)options->dynatemp_exponent,
        .mirostat = options->mirostat,
        .mirostat_tau = (float)options->mirostat_tau,
        .mirostat_eta = (float)options->mirostat_eta,
        .min_keep = options->min_keep,
        .samplers = no_samplers ? none : (const char *const *)options->samplers,
    };
    return ret;
}

static int breakers_find(const Tokenizer *tokenizer, const struct GenerateOptions *options,
                         struct Breakers **ret) {
    static const char *const usual[] = {"\n", ":", "\"", "*", NULL};
    bool given = options_is_set(options, "dry_sequence_breakers");
    if (options->dry_multiplier == 0 || options->dry_penalty_last_n == 0) return 0;
    return breakers_new(tokenizer, given ? options->dry_sequence_breakers : (char *const *)usual,
                        ret);
}

static struct LogitBias *biases_of(const struct TokenBiases *biases) {
    struct LogitBias *ret = g_new(struct LogitBias, biases->n);
    for (size_t i = 0; i < biases->n; i++)
        ret[i] = (struct LogitBias){biases->biases[i].token, (float)biases->biases[i].bias};
    return ret;
}

int sampling_open(const Engine *engine, const struct GenerateOptions *options,
                  const struct SamplerOptions *settings, const Token *tokens, size_t n_tokens,
                  Sampler **ret, struct Failure *failure) {
    struct SamplerOptions whole = *settings;
    g_autofree struct LogitBias *biases =
        options->logit_bias ? biases_of(options->logit_bias) : NULL;
    Reason why = {""};

    whole.biases = biases;
    whole.n_biases = biases ? options->logit_bias->n : 0;
    int r = breakers_find(engine_tokenizer(engine), options, &whole.dry_breakers);
    if (r == 0) r = sampler_new(&whole, engine_info(engine)->n_vocab, ret, &why);
    if (r < 0) {
        breakers_free(whole.dry_breakers);
        return failure_set_errno(failure, r, &why);
    }
    size_t n_seen = MIN(n_tokens, sampler_window(*ret));
    for (size_t i = n_tokens - n_seen; i < n_tokens; i++) sampler_accept(*ret, tokens[i]);
    return 0;
}
