/*
 * The command line of one verb: its own options, those that all verbs have, and for verbs that
 * generate text the options of dbus/options.h ("--max-tokens" is max_tokens).
 */
#pragma once

#include <glib.h>

#include "client/verb.h"
#include "dbus/options.h"

#define ARGUMENTS_READ (-1)

/* What arguments_parse() fills beside the variables that `entries` point to. Strings in `entries`
 * are G_OPTION_ARG_FILENAME: taken as they are, whatever the locale. */
struct Arguments {
    const GOptionEntry *entries;      /* may be NULL */
    struct GenerateOptions *generate; /* may be NULL: the verb generates nothing; initialised */
    char **rest;                      /* what is no option; owned, never NULL */
};

/* ARGUMENTS_READ, or the exit code: help was printed (0) or the mistake was said (2). */
int arguments_parse(struct Arguments *arguments, const struct Verb *verb, int argc, char **argv);

/* For tests: the generation options. Ends with an empty row. */
extern const GOptionEntry arguments_generate_entries[];
