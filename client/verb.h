/*
 * A verb of the command line: one row of the table in main.c and one file of its name.
 */
#pragma once

struct Verb {
    const char *name;
    /* Has the arguments after the verb, argv[0] being its name. Returns the exit code. */
    int (*run)(const struct Verb *verb, int argc, char **argv);
    const char *summary;    /* one line, no final period */
    const char *parameters; /* what follows the options in the usage line */
    int n_min, n_max;       /* how many arguments that are not options; n_max -1: any number */
    const char *details;    /* what else to know, then examples; printed below the options */
};

/* The verb of this name, or NULL. */
const struct Verb *verb_find(const char *name);

int verb_ask(const struct Verb *verb, int argc, char **argv);
int verb_chat(const struct Verb *verb, int argc, char **argv);
int verb_models(const struct Verb *verb, int argc, char **argv);
int verb_show(const struct Verb *verb, int argc, char **argv);
int verb_install(const struct Verb *verb, int argc, char **argv);
int verb_remove(const struct Verb *verb, int argc, char **argv);
int verb_load(const struct Verb *verb, int argc, char **argv);
int verb_unload(const struct Verb *verb, int argc, char **argv);
int verb_status(const struct Verb *verb, int argc, char **argv);
int verb_bench(const struct Verb *verb, int argc, char **argv);
int verb_help(const struct Verb *verb, int argc, char **argv);
