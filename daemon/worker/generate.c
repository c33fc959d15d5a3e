#include "worker/generate.h"

#include <errno.h>
#include <stdlib.h>

#include "dbus/options.h"
#include "worker/call.h"
#include "worker/generation.h"
#include "worker/prompt.h"
#include "worker/scheduler.h"
#include "worker/worker.h"

struct Request {
    uint32_t namespace;
    uint64_t id;
    Token *tokens; /* malloc()ed; generation_new() takes them */
    size_t n_tokens;
    struct GenerateOptions options;
};

/* ---- Reply ---- */

static int usage_append(sd_bus_message *reply, const struct Usage *usage) {
    return sd_bus_message_append(reply, "a{st}", 5, "prompt_tokens", (uint64_t)usage->prompt_tokens,
                                 "cached_tokens", (uint64_t)usage->cached_tokens,
                                 "completion_tokens", (uint64_t)usage->completion_tokens,
                                 "drafted_tokens", (uint64_t)usage->drafted_tokens,
                                 "accepted_tokens", (uint64_t)usage->accepted_tokens);
}

static int timings_append(sd_bus_message *reply, const struct Timings *timings) {
    return sd_bus_message_append(reply, "a{sd}", 5, "queue_ms", timings->queue_ms, "prompt_ms",
                                 timings->prompt_ms, "generate_ms", timings->generate_ms,
                                 "prompt_per_second", timings->prompt_per_second,
                                 "tokens_per_second", timings->tokens_per_second);
}

static int generate_reply(sd_bus_message *message, struct Job *const *jobs, size_t n_jobs) {
    const struct Job *job = jobs[0];
    sd_bus_message *reply = NULL;
    struct Usage usage;
    struct Timings timings;

    if (job->finish == FINISH_ERROR)
        return sd_bus_reply_method_errorf(message, job->failure.name, "%s", job->failure.message);

    generation_measure(job, &usage, &timings);
    int r = sd_bus_message_new_method_return(message, &reply);
    if (r >= 0) r = sd_bus_message_append(reply, "s", finish_name(job->finish));
    if (r >= 0) r = usage_append(reply, &usage);
    if (r >= 0) r = timings_append(reply, &timings);
    if (r >= 0) r = sd_bus_send(NULL, reply, NULL);
    sd_bus_message_unref(reply);
    return r;
}

/* ---- Call ---- */

/* The last argument, first: whatever is wrong with the others is also told on the stream. */
static int stream_read(sd_bus_message *message, Stream **ret, struct Failure *failure) {
    int fd;
    int r = sd_bus_message_skip(message, "uta{sv}a{sv}");
    if (r >= 0) r = sd_bus_message_read_basic(message, 'h', &fd);
    if (r >= 0) r = sd_bus_message_rewind(message, true);
    if (r < 0) return failure_set_bus(failure, r, NULL);

    r = stream_new(fd, ret);
    if (r == -EINVAL)
        failure_set(failure, ERROR_INVALID_ARGS, "The stream is not the write end of a pipe.");
    else if (r < 0)
        failure_set_errno(failure, r, NULL);
    return r;
}

static int options_read_or_fail(sd_bus_message *message, struct GenerateOptions *options,
                                struct Failure *failure) {
    sd_bus_error error = SD_BUS_ERROR_NULL;
    int r = options_read(message, options, &error);

    if (r < 0) r = failure_set_bus(failure, r, &error);
    sd_bus_error_free(&error);
    return r;
}

static int options_check(const struct GenerateOptions *options, struct Failure *failure) {
    if (options->draft && !draft_is_known(options->draft))
        return failure_set(failure, ERROR_INVALID_ARGS,
                           "Option draft is auto, off, lookup or model, not %s.", options->draft);
    return 0;
}

/* The options, which say how the prompt is rendered, and its tokens. */
static int prompt_finish(const Prompter *prompter, sd_bus_message *message, struct Prompt *prompt,
                         struct Request *request, struct Failure *failure) {
    int r = options_read_or_fail(message, &request->options, failure);
    if (r < 0) return r;
    r = options_check(&request->options, failure);
    if (r < 0) return r;
    if (prompt->form == PROMPT_ASK && !options_is_set(&request->options, "temperature"))
        request->options.temperature = 0; /* one question, one answer */
    prompt->conversation.tools = request->options.tools;
    prompt->conversation.chat_template_kwargs = request->options.chat_template_kwargs;
    prompt->conversation.leave_open = !request->options.add_generation_prompt;
    return prompter_encode_prompt(prompter, prompt, &request->tokens, &request->n_tokens, failure);
}

static int request_read(Connection *connection, sd_bus_message *message, struct Request *request,
                        struct Failure *failure) {
    struct Prompt prompt;

    int r = sd_bus_message_read(message, "ut", &request->namespace, &request->id);
    if (r < 0) return failure_set_bus(failure, r, NULL);
    if (connection_find_call(connection, request->id))
        return failure_set(failure, ERROR_INVALID_ARGS, "There is a generation with this id.");
    r = prompt_read(message, &prompt, failure);
    if (r >= 0)
        r = prompt_finish(worker_prompter(connection_worker(connection)), message, &prompt, request,
                          failure);
    prompt_done(&prompt);
    return r;
}

/* Takes the stream when it succeeds. */
static int generation_start(Connection *connection, sd_bus_message *message,
                            struct Request *request, Stream *stream, struct Failure *failure) {
    Scheduler *scheduler = worker_scheduler(connection_worker(connection));
    struct Job *job;

    Token *tokens = g_steal_pointer(&request->tokens);
    int r = generation_new(scheduler_engine(scheduler), scheduler_drafting(scheduler),
                           request->namespace, tokens, request->n_tokens, &request->options, stream,
                           &job, failure);
    if (r < 0) return r;
    r = call_start(connection, message, &request->id, &job, 1, generate_reply, failure);
    if (r < 0) {
        job->stream = NULL;
        job_free(job);
    }
    return r;
}

static void stream_fail(Stream *stream, const struct Failure *failure) {
    GString *lines = g_string_new(NULL);

    event_done(lines, "error", &(struct Usage){0}, &(struct Timings){0}, failure);
    stream_end(stream, lines); /* a pipe that is full before the first event is nobody's */
    g_string_free(lines, TRUE);
    stream_free(stream);
}

int generate_handle(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    Connection *connection = userdata;
    struct Request request = {0};
    struct Failure failure = {NULL};
    Stream *stream;

    int r = stream_read(message, &stream, &failure);
    if (r < 0) return failure_to_bus(&failure, error);
    options_init(&request.options);
    r = request_read(connection, message, &request, &failure);
    if (r >= 0) r = generation_start(connection, message, &request, stream, &failure);
    options_done(&request.options);
    free(request.tokens);
    if (r >= 0) return 1;
    stream_fail(stream, &failure);
    return failure_to_bus(&failure, error);
}
