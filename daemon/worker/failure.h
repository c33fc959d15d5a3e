/*
 * Why a request failed, as its caller will read it: the name of a D-Bus error and a sentence. The
 * one place where an errno of the engine becomes a name.
 */
#pragma once

#include <systemd/sd-bus.h>

#include "dbus/names.h"
#include "engine/reason.h"

struct Failure {
    const char *name;  /* one of dbus/names.h; NULL: nothing failed */
    char message[320]; /* valid UTF-8, for people */
};

/* Fills `failure` and returns a negative errno, so that `return failure_set(...)` reads well. */
int failure_set(struct Failure *failure, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* From what the engine said; `why` may be NULL or empty. Returns r. */
int failure_set_errno(struct Failure *failure, int r, const Reason *why);
/* The same where the engine was given a model file: whatever it does not like about that makes it
 * ERROR_BAD_MODEL. */
int failure_set_model(struct Failure *failure, int r, const Reason *why);
/* From what reading a message said. Returns a negative errno. */
int failure_set_bus(struct Failure *failure, int r, const sd_bus_error *error);
/* For a method handler's `return`. */
int failure_to_bus(const struct Failure *failure, sd_bus_error *error);
