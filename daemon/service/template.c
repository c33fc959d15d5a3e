/*
 * service_apply_template(): the worker's ApplyTemplate.
 */
#include <glib.h>

#include "service/limits.h"
#include "service/service-internal.h"

typedef struct Applying {
    Call call;
    struct Message *messages;
    size_t n_messages;
    struct GenerateOptions options;
    ServiceText done;
    void *userdata;
} Applying;

static int applying_write(Call *call, sd_bus_message *m) {
    const Applying *self = (Applying *)call;
    int r = messages_append(m, self->messages, self->n_messages);
    return r < 0 ? r : options_append(m, &self->options);
}

static void applying_ended(Call *call, sd_bus_message *answer, const Problem *problem) {
    Applying *self = (Applying *)call;
    const char *text = "";
    if (!problem && sd_bus_message_read(answer, "s", &text) < 0) problem = &call_answer_malformed;
    self->done(problem ? problem : &(Problem){0}, text, self->userdata);
}

static void applying_free(Call *call) {
    Applying *self = (Applying *)call;
    messages_free(self->messages, self->n_messages);
    options_done(&self->options);
    g_free(self);
}

static const struct CallType applying_type = {
    .method = "ApplyTemplate",
    .timeout_usec = CALL_TIMEOUT_USEC,
    .write = applying_write,
    .ended = applying_ended,
    .free = applying_free,
};

void service_apply_template(Service *service, const char *model, const struct Message *messages,
                            size_t n, const struct GenerateOptions *options, ServiceText done,
                            void *userdata) {
    Problem problem = {0};
    Applying *self = g_new0(Applying, 1);
    self->call = (Call){.type = &applying_type, .uid = UID_NOBODYS};
    self->done = done;
    self->userdata = userdata;
    if (n == 0 || n > MESSAGES_MAX || messages_size(messages, n) > PROMPT_SIZE_MAX) {
        problem_set(&problem, PROBLEM_INVALID_ARGUMENT,
                    "A conversation has 1 to %u messages of up to %u bytes.", MESSAGES_MAX,
                    PROMPT_SIZE_MAX);
    } else {
        self->messages = messages_copy(messages, n);
        self->n_messages = n;
    }
    if (options_copy(options, &self->options) < 0) options_init(&self->options);
    service_call(service, model, &self->call, problem.kind ? &problem : NULL);
}
