#include "worker/embed.h"

#include <errno.h>
#include <string.h>

#include "worker/call.h"
#include "worker/embedding.h"
#include "worker/limits.h"
#include "worker/prompt.h"
#include "worker/scheduler.h"
#include "worker/worker.h"

/* ---- Reply ---- */

static int vectors_append(sd_bus_message *reply, struct Job *const *jobs, size_t n_jobs) {
    int r = sd_bus_message_open_container(reply, 'a', "ad");

    for (size_t i = 0; r >= 0 && i < n_jobs; i++) {
        size_t n;
        const double *vector = embedding_vector(jobs[i], &n);
        r = sd_bus_message_append_array(reply, 'd', vector, n * sizeof *vector);
    }
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int error_reply(sd_bus_message *message, struct Job *const *jobs, size_t n_jobs) {
    struct Failure failure = {ERROR_CANCELLED, "Cancelled."};

    for (size_t i = 0; i < n_jobs; i++)
        if (jobs[i]->finish == FINISH_ERROR) failure = jobs[i]->failure;
    return sd_bus_reply_method_errorf(message, failure.name, "%s", failure.message);
}

static int embed_reply(sd_bus_message *message, struct Job *const *jobs, size_t n_jobs) {
    sd_bus_message *reply = NULL;
    uint32_t n_tokens = 0;

    for (size_t i = 0; i < n_jobs; i++) {
        if (jobs[i]->finish != FINISH_STOP) return error_reply(message, jobs, n_jobs);
        n_tokens += jobs[i]->n_prompt;
    }
    int r = sd_bus_message_new_method_return(message, &reply);
    if (r >= 0) r = vectors_append(reply, jobs, n_jobs);
    if (r >= 0) r = sd_bus_message_append(reply, "u", n_tokens);
    if (r >= 0) r = sd_bus_send(NULL, reply, NULL);
    sd_bus_message_unref(reply);
    return r;
}

/* ---- Call ---- */

static int input_read(const Worker *worker, uint32_t namespace, const char *text, guint index,
                      struct Job **ret, struct Failure *failure) {
    const Engine *engine = scheduler_engine(worker_scheduler(worker));
    Token *tokens;
    size_t n;

    int r = prompter_encode(worker_prompter(worker), text, &tokens, &n, failure);
    if (r >= 0) r = embedding_new(engine, namespace, tokens, n, ret, failure);
    if (r < 0) {
        g_autofree char *what = g_strdup(failure->message);
        failure_set(failure, failure->name, "Input %u: %s", index, what);
    }
    return r;
}

static int inputs_read(const Worker *worker, sd_bus_message *message, GPtrArray *jobs,
                       struct Failure *failure) {
    uint32_t namespace;
    const char *text;
    struct Job *job;

    int r = sd_bus_message_read(message, "u", &namespace);
    if (r >= 0) r = sd_bus_message_enter_container(message, 'a', "s");
    while (r >= 0 && (r = sd_bus_message_read_basic(message, 's', &text)) > 0) {
        if (jobs->len == EMBED_INPUTS_MAX)
            return failure_set(failure, ERROR_INVALID_ARGS, "There are more than %u inputs.",
                               EMBED_INPUTS_MAX);
        r = input_read(worker, namespace, text, jobs->len, &job, failure);
        if (r < 0) return r;
        g_ptr_array_add(jobs, job);
    }
    if (r >= 0) r = sd_bus_message_exit_container(message);
    if (r < 0) return failure_set_bus(failure, r, NULL);
    if (jobs->len == 0) return failure_set(failure, ERROR_INVALID_ARGS, "There are no inputs.");
    return 0;
}

static int options_refuse(sd_bus_message *message, struct Failure *failure) {
    int r = sd_bus_message_enter_container(message, 'a', "{sv}");
    if (r >= 0) r = sd_bus_message_at_end(message, false);
    if (r < 0) return failure_set_bus(failure, r, NULL);
    return r > 0 ? 0 : failure_set(failure, ERROR_INVALID_ARGS, "Embed has no options.");
}

int embed_handle(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    Connection *connection = userdata;
    g_autoptr(GPtrArray) jobs = g_ptr_array_new();
    struct Failure failure = {NULL};

    int r = inputs_read(connection_worker(connection), message, jobs, &failure);
    if (r >= 0) r = options_refuse(message, &failure);
    if (r >= 0)
        r = call_start(connection, message, NULL, (struct Job **)jobs->pdata, jobs->len,
                       embed_reply, &failure);
    if (r >= 0) return 1;
    for (guint i = 0; i < jobs->len; i++) job_free(jobs->pdata[i]);
    return failure_to_bus(&failure, error);
}
