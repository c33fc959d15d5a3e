/*
 * The options of a generation: one table of name, type and range, used by everyone who reads,
 * checks or writes them (D-Bus methods, HTTP requests, the worker, the command line). The names are
 * documented in org.ryzenllm1.Manager.xml.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#define STOP_MAX 16u         /* stop strings: more is a mistake, and each costs a scan per token */
#define STOP_LENGTH_MAX 256u /* bytes of one */
#define OPTIONS_RANGE_SIZE 192 /* holds what options_range() says of any option */

/* Of one token; the bias may be -INFINITY: never this token. */
struct TokenBias {
    int32_t token;
    double bias;
};

struct TokenBiases {
    size_t n;
    struct TokenBias biases[];
};

struct GenerateOptions {
    uint64_t set; /* bit i: row i of the table was given */
    uint64_t seed;
    double temperature, top_p, min_p;
    double repeat_penalty, presence_penalty, frequency_penalty;
    double typical_p, top_n_sigma, xtc_probability, xtc_threshold, dry_multiplier, dry_base;
    double dynatemp_range, dynatemp_exponent, mirostat_tau, mirostat_eta;
    uint32_t max_tokens, top_k, repeat_last_n, min_keep;
    uint32_t dry_allowed_length, dry_penalty_last_n, mirostat, logprobs;
    bool progress, ignore_eos, add_generation_prompt;
    /* Owned; NULL: not given. */
    char **stop, **dry_sequence_breakers, **samplers; /* NULL-terminated */
    struct TokenBiases *logit_bias;
    char *grammar, *json_schema, *tools, *chat_template_kwargs, *draft;
};

/* The documented defaults, nothing set. options_done() frees what was read. */
void options_init(struct GenerateOptions *options);
void options_done(struct GenerateOptions *options);
int options_copy(const struct GenerateOptions *from, struct GenerateOptions *ret);

bool options_is_set(const struct GenerateOptions *options, const char *name);

/* Reads the a{sv} at the message's read position. An unknown name, a wrong type or a value out of
 * range sets `error` (InvalidArgs, naming the option) and returns a negative errno. */
int options_read(sd_bus_message *message, struct GenerateOptions *options, sd_bus_error *error);
/* Appends an a{sv} with the options that are set. */
int options_append(sd_bus_message *message, const struct GenerateOptions *options);

/* From another dialect. Numbers of any kind come as a double, flags as 0 or 1; text is parsed as
 * the option's type ("0.7", "true"); an array (`stop`) gets one element more, logit_bias as
 * "TOKEN=BIAS". -ENOENT: no such option; -ERANGE: out of range, wrong kind or not a number. */
int options_set_number(struct GenerateOptions *options, const char *name, double value);
int options_set_text(struct GenerateOptions *options, const char *name, const char *value);
/* Adds to `logit_bias`; -INFINITY is in range. */
int options_add_bias(struct GenerateOptions *options, int32_t token, double bias);
/* An array that is given is given even when it is empty. */
void options_set_empty(struct GenerateOptions *options, const char *name);
/* A seed has 64 bits, more than a double holds. */
void options_set_seed(struct GenerateOptions *options, uint64_t seed);

/* "a number from 0 to 2", for messages; NULL when there is no such option. */
const char *options_range(const char *name, char *buffer, size_t size);
