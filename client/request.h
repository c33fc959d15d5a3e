/*
 * One request, a generation or an installation, from the call to the last line of its stream. All
 * in the default main context.
 */
#pragma once

#include <stdbool.h>

#include "client/connection.h"
#include "client/event.h"

typedef struct Request Request;

/* How it ended. Strings are never NULL. */
struct Outcome {
    const char *finish_reason; /* "" when it was not accepted or its stream broke off */
    const char *error_name, *error_message; /* "" when it did not fail */
    struct Usage usage;
    struct Timings timings;
    JsonObject *done; /* the stream's last line, with members that are not known here; or NULL */
};

struct RequestHandlers {
    /* "delta" and "progress", and "done" before `ended`. The event is valid during the call. */
    void (*event)(const struct Event *event, void *userdata);
    /* Once, the last call; the outcome is there. It may come from within request_cancel(). */
    void (*ended)(Request *request, void *userdata);
};

/* Sends `message`, whose reply is (o request, h stream), and takes it. */
Request *request_new(Connection *connection, sd_bus_message *message,
                     const struct RequestHandlers *handlers, void *userdata);
/* Not from a handler. Cancels what still runs, by closing the stream. */
void request_free(Request *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Request, request_free)

/* The outcome comes as always, soon. Fine at any time. */
void request_cancel(Request *request);

bool request_is_ended(const Request *request);
/* Valid once it has ended, until it is freed. */
const struct Outcome *request_outcome(const Request *request);
