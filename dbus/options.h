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

struct GenerateOptions {
    uint64_t set; /* bit i: row i of the table was given */
    uint64_t seed;
    double temperature, top_p, min_p;
    double repeat_penalty, presence_penalty, frequency_penalty;
    uint32_t max_tokens, top_k, repeat_last_n;
    bool progress, ignore_eos;
    /* Owned; NULL: not given. */
    char **stop; /* NULL-terminated */
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
 * the option's type ("0.7", "true"); an array (`stop`) gets one string more. -ENOENT: no such
 * option; -ERANGE: out of range, wrong kind or not a number. */
int options_set_number(struct GenerateOptions *options, const char *name, double value);
int options_set_text(struct GenerateOptions *options, const char *name, const char *value);
/* A seed has 64 bits, more than a double holds. */
void options_set_seed(struct GenerateOptions *options, uint64_t seed);

/* "a number from 0 to 2", for messages; NULL when there is no such option. */
const char *options_range(const char *name, char *buffer, size_t size);
