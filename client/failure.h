/*
 * What went wrong, said on stderr in one way: "ryzen-llm: MESSAGE", and below it what to do about
 * it where that is known. Messages may come from the service, which quotes model files: control
 * characters in them are made visible.
 *
 * Exit codes: 0, 1 (EXIT_FAILURE), 2 (the command line is wrong), 130 (interrupted by Ctrl-C).
 */
#pragma once

#include "client/verb.h"

#define EXIT_USAGE 2
#define EXIT_INTERRUPTED 130

/* Returns EXIT_FAILURE. */
int failure(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same with a line that says what to do. */
int failure_hint(const char *hint, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* An error of the service or the bus, with the hint for its D-Bus name. `message` may be NULL.
 * Returns EXIT_FAILURE. */
int failure_named(const char *name, const char *message);
/* A wrong command line; `verb` (may be NULL) is whose help is pointed to. Returns EXIT_USAGE. */
int failure_usage(const struct Verb *verb, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
