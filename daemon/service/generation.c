/*
 * service_generate(): a Call of the worker's Generate that carries a Request's pipe.
 */
#include <glib.h>
#include <string.h>

#include "service/limits.h"
#include "service/service-internal.h"

typedef struct Generation {
    Call call;
    Request *request;
    Workers *workers;
    char *text, *ask;
    struct Message *messages;
    size_t n_messages;
    struct GenerateOptions options;
} Generation;

static void generation_free(Call *call) {
    Generation *generation = (Generation *)call;
    messages_free(generation->messages, generation->n_messages);
    g_free(generation->text);
    g_free(generation->ask);
    options_done(&generation->options);
    request_unref(generation->request);
    g_free(generation);
}

/* ---- The question ---- */

static int messages_write(sd_bus_message *m, const Generation *generation) {
    int r = sd_bus_message_open_container(m, 'v', "aa{sv}");
    if (r >= 0) r = messages_append(m, generation->messages, generation->n_messages);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static int prompt_write(sd_bus_message *m, const Generation *generation) {
    if (generation->text)
        return sd_bus_message_append(m, "a{sv}", 1, "text", "s", generation->text);
    if (generation->ask) return sd_bus_message_append(m, "a{sv}", 1, "ask", "s", generation->ask);
    int r = sd_bus_message_open_container(m, 'a', "{sv}");
    if (r >= 0) r = sd_bus_message_open_container(m, 'e', "sv");
    if (r >= 0) r = sd_bus_message_append(m, "s", "messages");
    if (r >= 0) r = messages_write(m, generation);
    if (r >= 0) r = sd_bus_message_close_container(m);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static int generation_write(Call *call, sd_bus_message *m) {
    Generation *generation = (Generation *)call;
    int r = sd_bus_message_append(m, "ut", (uint32_t)call->uid, call->id);
    if (r >= 0) r = prompt_write(m, generation);
    if (r >= 0) r = options_append(m, &generation->options);
    if (r >= 0)
        r = sd_bus_message_append(m, "h", stream_write_fd(request_stream(generation->request)));
    return r;
}

/* ---- The answer ---- */

/* A member of a{st} or a{sd} and where its value goes. */
struct Member {
    const char *name;
    void *value;
};

static int members_read(sd_bus_message *m, char type, const struct Member *members, size_t n) {
    const char contents[] = {'{', 's', type, '}', '\0'}, entry[] = {'s', type, '\0'};
    const char *name;
    union {
        uint64_t t;
        double d;
    } value;
    int r = sd_bus_message_enter_container(m, 'a', contents);
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', entry)) > 0) {
        r = sd_bus_message_read_basic(m, 's', &name);
        if (r >= 0) r = sd_bus_message_read_basic(m, type, &value);
        for (size_t i = 0; r >= 0 && i < n; i++)
            if (!strcmp(members[i].name, name)) memcpy(members[i].value, &value, sizeof value);
        if (r >= 0) r = sd_bus_message_exit_container(m);
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int reason_read(sd_bus_message *m, enum FinishReason *ret) {
    const char *name;
    int r = sd_bus_message_read(m, "s", &name);
    if (r < 0) return r;
    for (enum FinishReason reason = FINISH_STOP; reason < FINISH_ERROR; reason++) {
        if (strcmp(finish_reason_name(reason), name)) continue;
        *ret = reason;
        return 0;
    }
    return -EBADMSG;
}

static int answer_read(sd_bus_message *m, enum FinishReason *reason, struct Usage *usage,
                       struct Timings *timings) {
    const struct Member usage_members[] = {
        {"prompt_tokens", &usage->prompt_tokens},
        {"cached_tokens", &usage->cached_tokens},
        {"completion_tokens", &usage->completion_tokens},
        {"drafted_tokens", &usage->drafted_tokens},
        {"accepted_tokens", &usage->accepted_tokens},
    };
    const struct Member timing_members[] = {
        {"queue_ms", &timings->queue_ms},
        {"prompt_ms", &timings->prompt_ms},
        {"generate_ms", &timings->generate_ms},
        {"prompt_per_second", &timings->prompt_per_second},
        {"tokens_per_second", &timings->tokens_per_second},
    };
    int r = reason_read(m, reason);
    if (r >= 0) r = members_read(m, 't', usage_members, G_N_ELEMENTS(usage_members));
    if (r >= 0) r = members_read(m, 'd', timing_members, G_N_ELEMENTS(timing_members));
    return r;
}

static void generation_ended(Call *call, sd_bus_message *answer, const Problem *problem) {
    Generation *generation = (Generation *)call;
    struct Outcome outcome = {.told = call->told};
    struct Usage usage = {0};
    struct Timings timings = {0};

    request_set_cancel(generation->request, NULL, NULL);
    if (problem) {
        request_fail(generation->request, problem, call->told);
    } else if (answer_read(answer, &outcome.reason, &usage, &timings) < 0) {
        request_fail(generation->request, &call_answer_malformed, call->told);
    } else {
        outcome.usage = &usage;
        outcome.timings = &timings;
        request_finish(generation->request, &outcome);
    }
}

static void generation_moved(Call *call, enum CallPhase phase) {
    request_set_state(((Generation *)call)->request,
                      phase == CALL_SENT ? REQUEST_RUNNING : REQUEST_LOADING);
}

static const struct CallType generation_type = {
    .method = "Generate",
    .generates = true,
    .timeout_usec = UINT64_MAX,
    .write = generation_write,
    .ended = generation_ended,
    .free = generation_free,
    .moved = generation_moved,
};

/* ---- Accepting ---- */

static int spec_check(const struct GenerationSpec *spec, Problem *why) {
    size_t size = spec->text ? strlen(spec->text) : spec->ask ? strlen(spec->ask) : 0;
    size += messages_size(spec->messages, spec->n_messages);
    if (!!spec->text + !!spec->ask + !!spec->messages != 1)
        return problem_set(why, PROBLEM_INVALID_ARGUMENT, "There is no prompt.");
    if (spec->messages && (spec->n_messages == 0 || spec->n_messages > MESSAGES_MAX))
        return problem_set(why, PROBLEM_INVALID_ARGUMENT, "A conversation has 1 to %u messages.",
                           MESSAGES_MAX);
    if (size > PROMPT_SIZE_MAX)
        return problem_set(why, PROBLEM_INVALID_ARGUMENT,
                           "The prompt has %zu bytes, the most is %u.", size, PROMPT_SIZE_MAX);
    return 0;
}

static Generation *generation_new(const struct GenerationSpec *spec) {
    Generation *generation = g_new0(Generation, 1);
    generation->call.type = &generation_type;
    generation->call.uid = spec->uid;
    generation->text = g_strdup(spec->text);
    generation->ask = g_strdup(spec->ask);
    generation->messages = messages_copy(spec->messages, spec->n_messages);
    generation->n_messages = spec->n_messages;
    if (!spec->options || options_copy(spec->options, &generation->options) < 0)
        options_init(&generation->options);
    return generation;
}

static void on_cancel(Request *request, void *userdata) {
    Generation *generation = userdata;
    workers_cancel(generation->workers, &generation->call);
}

int service_generate(Service *service, const struct GenerationSpec *spec, Request **ret,
                     Problem *why) {
    Request *request;
    Model *model = service_resolve(service, spec->model, why);
    if (!model || spec_check(spec, why) < 0) return -1;
    if (service_begin_request(service, spec->uid, model_name(model), &request, why) < 0) return -1;

    Generation *generation = generation_new(spec);
    generation->call.id = request_id(request);
    generation->request = request_ref(request);
    generation->workers = service_workers(service);
    if (workers_submit(generation->workers, model, &generation->call, why) < 0) {
        generation_free(&generation->call);
        service_drop_request(service, request);
        return -1;
    }
    request_set_cancel(request, on_cancel, generation);
    service_announce_request(service, request);
    *ret = request;
    return 0;
}
