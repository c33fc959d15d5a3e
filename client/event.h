/*
 * One line of a request's event stream, as org.ryzenllm1.Manager.xml describes it. The stream is
 * written by the worker that runs a foreign model file, so it is not trusted: a line has a limit, a
 * member of the wrong type counts as absent, and types that are not known are passed over.
 */
#pragma once

#include <json-glib/json-glib.h>
#include <stddef.h>
#include <stdint.h>

/* The contract's limit, its newline included; also bounds how deep the parser can recurse. */
#define EVENT_LINE_MAX 4096u

enum EventType { EVENT_OTHER, EVENT_DELTA, EVENT_PROGRESS, EVENT_REQUANTISED, EVENT_DONE };

struct Usage {
    uint64_t prompt_tokens, cached_tokens, completion_tokens, drafted_tokens, accepted_tokens;
};
struct Timings {
    double queue_ms, prompt_ms, generate_ms, prompt_per_second, tokens_per_second;
};

struct Event {
    enum EventType type;
    const char *text;                       /* delta; never NULL there */
    uint64_t done, total;                   /* progress */
    const char *stage;                      /* progress, requantised; "" when it has none */
    const char *finish_reason;              /* done; "" when it is missing */
    const char *error_name, *error_message; /* done; "" unless it failed */
    struct Usage usage;                     /* done */
    struct Timings timings;                 /* done */
    JsonNode *root;                         /* the whole line, owner of the strings above */
};

/* Without the newline. -EBADMSG: not UTF-8, not JSON, not an object, or too long. */
int event_parse(const char *line, size_t length, struct Event *ret);
void event_done(struct Event *event);

/* Members of a line; "" and 0 where they are missing or not what they should be. */
const char *event_string(JsonObject *object, const char *name);
double event_number(JsonObject *object, const char *name);
