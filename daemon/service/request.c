#include "service/request-internal.h"

#include <errno.h>
#include <glib.h>
#include <json-glib/json-glib.h>
#include <unistd.h>

struct Request {
    unsigned n_refs;
    uint64_t id;
    uid_t uid;
    char *model;
    enum RequestState state;
    bool cancelled;
    Stream *stream;                                   /* NULL once finished */
    int64_t accepted_usec, begun_usec, finished_usec; /* monotonic */

    struct RequestKeeper keeper;
    RequestCancel cancel;
    void *cancel_userdata;
    void (*finished)(Request *request, void *userdata);
    void *finished_userdata;

    enum FinishReason reason;
    struct Usage usage;
    struct Timings timings;
    Problem problem;
};

static const char *const state_names[] = {
    [REQUEST_QUEUED] = "queued",
    [REQUEST_LOADING] = "loading",
    [REQUEST_RUNNING] = "running",
    [REQUEST_FINISHED] = "finished",
};

static const char *const reason_names[] = {
    [FINISH_STOP] = "stop",
    [FINISH_LENGTH] = "length",
    [FINISH_CANCELLED] = "cancelled",
    [FINISH_ERROR] = "error",
};

const char *request_state_name(enum RequestState state) {
    return state_names[state];
}

const char *finish_reason_name(enum FinishReason reason) {
    return reason_names[reason];
}

static void on_reader_gone(void *userdata) {
    request_cancel(userdata);
}

int request_new(uint64_t id, uid_t uid, const char *model, const struct RequestKeeper *keeper,
                Request **ret, Problem *why) {
    Stream *stream;
    int r = stream_new(&stream);
    if (r < 0) return problem_set(why, PROBLEM_FAILED, "Can't make a pipe: %s.", g_strerror(-r));
    Request *request = g_new0(Request, 1);
    request->n_refs = 1;
    request->id = id;
    request->uid = uid;
    request->model = g_strdup(model);
    request->stream = stream;
    request->keeper = *keeper;
    request->accepted_usec = g_get_monotonic_time();
    stream_watch(stream, on_reader_gone, request);
    *ret = request;
    return 0;
}

Request *request_ref(Request *request) {
    request->n_refs++;
    return request;
}

Request *request_unref(Request *request) {
    if (!request || --request->n_refs) return NULL;
    stream_free(request->stream);
    g_free(request->model);
    g_free(request);
    return NULL;
}

void request_set_cancel(Request *request, RequestCancel cancel, void *userdata) {
    request->cancel = cancel;
    request->cancel_userdata = userdata;
}

void request_detach(Request *request) {
    request->keeper = (struct RequestKeeper){0};
    request->cancel = NULL;
    request->finished = NULL;
}

uint64_t request_id(const Request *request) {
    return request->id;
}

uid_t request_uid(const Request *request) {
    return request->uid;
}

const char *request_model(const Request *request) {
    return request->model;
}

enum RequestState request_state(const Request *request) {
    return request->state;
}

Stream *request_stream(Request *request) {
    return request->stream;
}

bool request_is_cancelled(const Request *request) {
    return request->cancelled;
}

int64_t request_finished_usec(const Request *request) {
    return request->finished_usec;
}

int request_take_stream(Request *request) {
    return request->stream ? stream_take(request->stream) : -1;
}

void request_cancel(Request *request) {
    if (request->state == REQUEST_FINISHED || request->cancelled) return;
    request->cancelled = true;
    if (request->cancel) request->cancel(request, request->cancel_userdata);
}

void request_set_state(Request *request, enum RequestState state) {
    if (request->state == state) return;
    if (state == REQUEST_RUNNING) request->begun_usec = g_get_monotonic_time();
    request->state = state;
    if (request->keeper.changed) request->keeper.changed(request, request->keeper.userdata);
}

enum FinishReason request_finish_reason(const Request *request) {
    return request->reason;
}

const struct Usage *request_usage(const Request *request) {
    return &request->usage;
}

const struct Timings *request_timings(const Request *request) {
    return &request->timings;
}

const Problem *request_problem(const Request *request) {
    return &request->problem;
}

/* ---- The end ---- */

static void member_uint(JsonBuilder *json, const char *name, uint64_t value) {
    json_builder_set_member_name(json, name);
    json_builder_add_int_value(json, (gint64)value);
}

static void member_double(JsonBuilder *json, const char *name, double value) {
    json_builder_set_member_name(json, name);
    json_builder_add_double_value(json, value);
}

static void member_string(JsonBuilder *json, const char *name, const char *value) {
    json_builder_set_member_name(json, name);
    json_builder_add_string_value(json, value);
}

static void usage_write(JsonBuilder *json, const struct Usage *usage) {
    json_builder_set_member_name(json, "usage");
    json_builder_begin_object(json);
    member_uint(json, "prompt_tokens", usage->prompt_tokens);
    member_uint(json, "cached_tokens", usage->cached_tokens);
    member_uint(json, "completion_tokens", usage->completion_tokens);
    member_uint(json, "drafted_tokens", usage->drafted_tokens);
    member_uint(json, "accepted_tokens", usage->accepted_tokens);
    json_builder_end_object(json);
}

static void timings_write(JsonBuilder *json, const struct Timings *timings) {
    json_builder_set_member_name(json, "timings");
    json_builder_begin_object(json);
    member_double(json, "queue_ms", timings->queue_ms);
    member_double(json, "prompt_ms", timings->prompt_ms);
    member_double(json, "generate_ms", timings->generate_ms);
    member_double(json, "prompt_per_second", timings->prompt_per_second);
    member_double(json, "tokens_per_second", timings->tokens_per_second);
    json_builder_end_object(json);
}

static void problem_write(JsonBuilder *json, const Problem *problem) {
    g_autofree char *text = g_utf8_make_valid(problem->text, -1);
    json_builder_set_member_name(json, "error");
    json_builder_begin_object(json);
    member_string(json, "name", problem_name(problem->kind));
    member_string(json, "message", text);
    json_builder_end_object(json);
}

static char *done_line(const Request *request) {
    g_autoptr(JsonBuilder) json = json_builder_new();
    json_builder_begin_object(json);
    member_string(json, "type", "done");
    member_string(json, "finish_reason", reason_names[request->reason]);
    usage_write(json, &request->usage);
    timings_write(json, &request->timings);
    if (request->reason == FINISH_ERROR) problem_write(json, &request->problem);
    json_builder_end_object(json);
    g_autoptr(JsonNode) root = json_builder_get_root(json);
    return json_to_string(root, FALSE);
}

static gboolean tell_watcher(void *userdata) {
    Request *request = userdata;
    if (request->finished) request->finished(request, request->finished_userdata);
    request_unref(request);
    return G_SOURCE_REMOVE;
}

void request_finish(Request *request, const struct Outcome *outcome) {
    int64_t begun_usec = request->begun_usec ? request->begun_usec : g_get_monotonic_time();

    g_assert(request->state != REQUEST_FINISHED);
    request->finished_usec = g_get_monotonic_time();
    request->reason = outcome->reason;
    if (outcome->usage) request->usage = *outcome->usage;
    if (outcome->timings) request->timings = *outcome->timings;
    if (outcome->problem && outcome->reason == FINISH_ERROR) request->problem = *outcome->problem;
    if (!outcome->timings)
        request->timings.queue_ms = (double)(begun_usec - request->accepted_usec) / 1000;

    g_autofree char *line = outcome->told ? NULL : done_line(request);
    stream_end(g_steal_pointer(&request->stream), line);
    request_ref(request);
    request_set_state(request, REQUEST_FINISHED);
    tell_watcher(request);
}

void request_fail(Request *request, const Problem *problem, bool told) {
    request_finish(
        request, &(struct Outcome){
                     .reason = problem->kind == PROBLEM_CANCELLED ? FINISH_CANCELLED : FINISH_ERROR,
                     .problem = problem,
                     .told = told,
                 });
}

void request_set_finished(Request *request, void (*finished)(Request *request, void *userdata),
                          void *userdata) {
    request->finished = finished;
    request->finished_userdata = userdata;
    if (request->state == REQUEST_FINISHED && finished)
        g_idle_add(tell_watcher, request_ref(request));
}
