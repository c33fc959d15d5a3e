/*
 * What those who run requests (generation.c, install.c) and who keeps them (service.c) do with one.
 * Doors use request.h.
 */
#pragma once

#include "service/request.h"
#include "service/stream.h"

/* Who keeps the request: told of each change of state, the last one included. */
struct RequestKeeper {
    void (*changed)(Request *request, void *userdata);
    void *userdata;
};
/* Who runs it: asked to end it, once at most. */
typedef void (*RequestCancel)(Request *request, void *userdata);

/* One reference, queued, with its stream. Failed when there are no descriptors left. */
int request_new(uint64_t id, uid_t uid, const char *model, const struct RequestKeeper *keeper,
                Request **ret, Problem *why);
void request_set_cancel(Request *request, RequestCancel cancel, void *userdata);
/* No more calls to the keeper, the one who runs it and the watcher. */
void request_detach(Request *request);

Stream *request_stream(Request *request);
void request_set_state(Request *request, enum RequestState state);
bool request_is_cancelled(const Request *request);
int64_t request_finished_usec(const Request *request); /* monotonic */

/* How it ended. Members may be NULL: zeros, no problem. */
struct Outcome {
    enum FinishReason reason;
    const struct Usage *usage;
    const struct Timings *timings;
    const Problem *problem;
    bool told; /* the stream's last line has been written (by the worker) */
};
/* Once. Ends the stream, tells the keeper and the watcher. */
void request_finish(Request *request, const struct Outcome *outcome);
/* FINISH_ERROR, or FINISH_CANCELLED when the problem is PROBLEM_CANCELLED. */
void request_fail(Request *request, const Problem *problem, bool told);
