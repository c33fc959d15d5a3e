/*
 * A request: one generation or one installation from acceptance to its end.
 *
 *     queued (no room yet) -> loading (its worker starts) -> running -> finished
 *
 * Its events come through a pipe (see org.ryzenllm1.Manager.xml): the worker writes, and the read
 * end goes to whoever takes it, over D-Bus straight to the caller. The daemon does not read it; it
 * learns the outcome from the worker's reply. When a worker dies, the request writes the stream's
 * last line itself, so a reader always finds "done".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "service/problem.h"

typedef struct Request Request;

enum RequestState { REQUEST_QUEUED, REQUEST_LOADING, REQUEST_RUNNING, REQUEST_FINISHED };
enum FinishReason { FINISH_STOP, FINISH_LENGTH, FINISH_CANCELLED, FINISH_ERROR };

struct Usage {
    uint64_t prompt_tokens, cached_tokens, completion_tokens, drafted_tokens, accepted_tokens;
};
struct Timings {
    double queue_ms, prompt_ms, generate_ms, prompt_per_second, tokens_per_second;
};

Request *request_ref(Request *request);
Request *request_unref(
    Request *request); /* returns NULL, accepts NULL. Dropping a reference does not cancel */

uint64_t request_id(const Request *request); /* from 1, never used again */
uid_t request_uid(const Request *request);
const char *request_model(const Request *request); /* resolved name */
enum RequestState request_state(const Request *request);
const char *request_state_name(enum RequestState state);  /* "queued", ... */
const char *finish_reason_name(enum FinishReason reason); /* "stop", ... */

/* The read end of the event stream, blocking unless the taker changes it; the caller's from now on.
 * Once; -1 after that. If nobody takes it before the request ends it is closed. */
int request_take_stream(Request *request);

/* Idempotent; the outcome comes as an event as always. */
void request_cancel(Request *request);

/* Valid once finished. `problem` is of kind PROBLEM_NONE unless the reason is FINISH_ERROR. */
enum FinishReason request_finish_reason(const Request *request);
const struct Usage *request_usage(const Request *request);
const struct Timings *request_timings(const Request *request);
const Problem *request_problem(const Request *request);

/* Told once when it has finished (later, from the main loop, if it has already). One watcher; the
 * door that made it. */
void request_set_finished(Request *request, void (*finished)(Request *request, void *userdata),
                          void *userdata);
