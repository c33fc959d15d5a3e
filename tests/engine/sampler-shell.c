/*
 * A Sampler on a line of text, for tests/reference/samplers.py. Commands, one a line:
 *
 *     breaker TOKEN...               for the next `new`
 *     new N_VOCAB [NAME=VALUE...]    settings other than SAMPLER_DEFAULTS
 *     accept TOKEN...
 *     allow TOKEN...                 for the commands that follow; none: all
 *     distribution LOGIT...          answers TOKEN:PROBABILITY...
 *     sample LOGIT...                answers TOKEN UNIFORM, the number that was drawn with
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/sampling/breakers.h"
#include "engine/sampling/sampler.h"

enum { VOCABULARY_MAX = 4096 };

static Sampler *sampler;
static uint32_t n_vocab;
static struct Breakers *breakers;
static uint64_t mask[VOCABULARY_MAX / 64];
static bool masked;
static float logits[VOCABULARY_MAX];
static struct TokenProbability probabilities[VOCABULARY_MAX];

static void die(const char *what) {
    fprintf(stderr, "sampler-shell: %s\n", what);
    exit(1);
}

#define FIELD(name) offsetof(struct SamplerOptions, name)
static const struct {
    const char *name;
    char type;
    size_t offset;
} FIELDS[] = {
    {"temperature", 'f', FIELD(temperature)},
    {"top_k", 'u', FIELD(top_k)},
    {"top_p", 'f', FIELD(top_p)},
    {"min_p", 'f', FIELD(min_p)},
    {"repeat_penalty", 'f', FIELD(repeat_penalty)},
    {"presence_penalty", 'f', FIELD(presence_penalty)},
    {"frequency_penalty", 'f', FIELD(frequency_penalty)},
    {"repeat_last_n", 'u', FIELD(repeat_last_n)},
    {"typical_p", 'f', FIELD(typical_p)},
    {"top_n_sigma", 'f', FIELD(top_n_sigma)},
    {"xtc_probability", 'f', FIELD(xtc_probability)},
    {"xtc_threshold", 'f', FIELD(xtc_threshold)},
    {"dry_multiplier", 'f', FIELD(dry_multiplier)},
    {"dry_base", 'f', FIELD(dry_base)},
    {"dry_allowed_length", 'u', FIELD(dry_allowed_length)},
    {"dry_penalty_last_n", 'u', FIELD(dry_penalty_last_n)},
    {"dynatemp_range", 'f', FIELD(dynatemp_range)},
    {"dynatemp_exponent", 'f', FIELD(dynatemp_exponent)},
    {"mirostat", 'u', FIELD(mirostat)},
    {"mirostat_tau", 'f', FIELD(mirostat_tau)},
    {"mirostat_eta", 'f', FIELD(mirostat_eta)},
    {"min_keep", 'u', FIELD(min_keep)},
    {"seed", 't', FIELD(seed)},
};

static void field_set(struct SamplerOptions *options, const char *name, const char *value) {
    for (size_t i = 0; i < sizeof FIELDS / sizeof FIELDS[0]; i++) {
        void *field = (char *)options + FIELDS[i].offset;
        if (strcmp(FIELDS[i].name, name) != 0) continue;
        if (FIELDS[i].type == 'f') *(float *)field = strtof(value, NULL);
        if (FIELDS[i].type == 'u') *(uint32_t *)field = (uint32_t)strtoul(value, NULL, 10);
        if (FIELDS[i].type == 't') *(uint64_t *)field = strtoull(value, NULL, 10);
        return;
    }
    die(name);
}

static void run_new(char *rest) {
    struct SamplerOptions options = SAMPLER_DEFAULTS;
    static struct LogitBias biases[64];
    static const char *names[64];
    size_t n_names = 0;
    Reason why = {0};
    sampler = sampler_free(sampler);
    n_vocab = (uint32_t)strtoul(rest, &rest, 10);
    if (n_vocab > VOCABULARY_MAX) die("the vocabulary is too large");
    for (char *word = strtok(rest, " "); word; word = strtok(NULL, " ")) {
        char *value = strchr(word, '=');
        if (!value) die(word);
        *value++ = '\0';
        if (strcmp(word, "sampler") == 0) {
            if (*value) names[n_names++] = value;
            names[n_names] = NULL;
            options.samplers = names;
        } else if (strcmp(word, "bias") == 0) {
            struct LogitBias *bias = &biases[options.n_biases++];
            bias->token = (Token)strtol(value, &value, 10);
            bias->bias = strtof(value + 1, NULL);
            options.biases = biases;
        } else {
            field_set(&options, word, value);
        }
    }
    options.dry_breakers = breakers;
    if (breakers) breakers_sort(breakers);
    if (sampler_new(&options, n_vocab, &sampler, &why) < 0) die(why.text);
    breakers = NULL;
    masked = false;
}

static size_t tokens_read(char *rest, Token *ret) {
    size_t n = 0;
    for (char *word = strtok(rest, " "); word; word = strtok(NULL, " "))
        ret[n++] = (Token)strtol(word, NULL, 10);
    return n;
}

static void run_breaker(char *rest) {
    static Token tokens[VOCABULARY_MAX];
    size_t n = tokens_read(rest, tokens);
    if (!breakers && breakers_make(VOCABULARY_MAX, &breakers) < 0) die("out of memory");
    if (breakers_add(breakers, tokens, n) < 0) die("this cannot be a breaker");
}

static void run_accept(char *rest) {
    static Token tokens[1 << 16];
    size_t n = tokens_read(rest, tokens);
    for (size_t i = 0; i < n; i++) sampler_accept(sampler, tokens[i]);
}

static void run_allow(char *rest) {
    static Token tokens[VOCABULARY_MAX];
    size_t n = tokens_read(rest, tokens);
    memset(mask, 0, sizeof mask);
    for (size_t i = 0; i < n; i++) mask[tokens[i] / 64] |= UINT64_C(1) << tokens[i] % 64;
    masked = n > 0;
}

static void logits_read(char *rest) {
    for (uint32_t i = 0; i < n_vocab; i++) logits[i] = strtof(rest, &rest);
}

static void run_distribution(char *rest) {
    logits_read(rest);
    uint32_t n = sampler_distribution(sampler, logits, masked ? mask : NULL, probabilities);
    for (uint32_t i = 0; i < n; i++)
        printf("%d:%.17g ", probabilities[i].token, probabilities[i].probability);
    printf("\n");
}

static void run_sample(char *rest) {
    logits_read(rest);
    double random = sampler_next_uniform(sampler);
    printf("%d %.17g\n", sampler_sample(sampler, logits, masked ? mask : NULL), random);
}

static const struct {
    const char *name;
    void (*run)(char *rest);
} COMMANDS[] = {{"new", run_new},     {"breaker", run_breaker},           {"accept", run_accept},
                {"allow", run_allow}, {"distribution", run_distribution}, {"sample", run_sample}};

static void command_run(char *line) {
    size_t length = strcspn(line, " ");
    for (size_t i = 0; i < sizeof COMMANDS / sizeof COMMANDS[0]; i++) {
        if (strlen(COMMANDS[i].name) != length || strncmp(COMMANDS[i].name, line, length) != 0)
            continue;
        COMMANDS[i].run(line + length);
        return;
    }
    die(line);
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0); /* who asks waits for the answer */
    char *line = NULL;
    size_t size = 0;
    ssize_t n;
    while ((n = getline(&line, &size, stdin)) > 0) {
        line[strcspn(line, "\n")] = '\0';
        command_run(line);
    }
    free(line);
    sampler_free(sampler);
    breakers_free(breakers);
    return 0;
}
