#include "fake-service.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <json-glib/json-glib.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct Model {
    struct Manifest manifest;
};

struct Request {
    int n_references;
    uint64_t id;
    uid_t uid;
    Service *service;
    Model *model;
    int read_fd, write_fd;
    unsigned source;
    GString *output; /* of the stream, as far as it is not written */
    size_t n_written;
    bool endless, hold; /* more of the same follows; no end comes by itself */
    bool ended;
    void (*finished)(Request *request, void *userdata);
    void *finished_userdata;
};

struct Service {
    GPtrArray *models;
    GPtrArray *requests; /* running; a reference each */
    uint64_t n_requests;
};

typedef void (*Play)(Request *request, const struct GenerationSpec *spec);

/* ---- What models do ---- */

static void add_event(Request *request, JsonObject *event) {
    g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), event);
    g_autofree char *line = json_to_string(node, FALSE);
    g_string_append_printf(request->output, "%s\n", line);
    json_object_unref(event);
}

static void add_delta(Request *request, const char *text) {
    JsonObject *event = json_object_new();
    json_object_set_string_member(event, "type", "delta");
    json_object_set_string_member(event, "text", text);
    add_event(request, event);
}

static void add_done(Request *request, const char *reason, unsigned n_tokens, const char *error) {
    JsonObject *event = json_object_new(), *usage = json_object_new();
    json_object_set_string_member(event, "type", "done");
    json_object_set_string_member(event, "finish_reason", reason);
    json_object_set_int_member(usage, "prompt_tokens", 7);
    json_object_set_int_member(usage, "cached_tokens", 3);
    json_object_set_int_member(usage, "completion_tokens", n_tokens);
    json_object_set_int_member(usage, "drafted_tokens", 5);
    json_object_set_int_member(usage, "accepted_tokens", 2);
    json_object_set_object_member(event, "usage", usage);
    if (error) {
        JsonObject *object = json_object_new();
        json_object_set_string_member(object, "name", error);
        json_object_set_string_member(object, "message", "It went wrong as arranged.");
        json_object_set_object_member(event, "error", object);
    }
    add_event(request, event);
}

static const char *input_of(const struct GenerationSpec *spec) {
    return spec->messages ? spec->messages[spec->n_messages - 1].content : spec->text;
}

/* Says a text word by word, minding max_tokens and stop. */
static void say(Request *request, const struct GenerateOptions *options, const char *text) {
    g_autofree char *whole = g_strdup(text);
    for (char **stop = options->stop; stop && *stop; stop++) {
        char *found = strstr(whole, *stop);
        if (found) *found = '\0';
    }
    unsigned n = 0;
    for (const char *at = whole; *at && n < options->max_tokens; n++) {
        size_t size = strcspn(at + 1, " ") + 1;
        g_autofree char *word = g_strndup(at, size);
        add_delta(request, word);
        at += size;
        if (*at && n + 1 == options->max_tokens) {
            add_done(request, "length", n + 1, NULL);
            return;
        }
    }
    add_done(request, "stop", n, NULL);
}

static void play_echo(Request *request, const struct GenerationSpec *spec) {
    say(request, spec->options, input_of(spec));
}

static void play_options(Request *request, const struct GenerationSpec *spec) {
    const struct GenerateOptions *o = spec->options;
    g_autofree char *stop = o->stop ? g_strjoinv("|", o->stop) : g_strdup("");
    g_autofree char *roles = g_strdup("");
    for (size_t i = 0; i < spec->n_messages; i++) {
        char *longer = g_strconcat(roles, spec->messages[i].role, ",", NULL);
        g_free(roles);
        roles = longer;
    }
    g_autofree char *text = g_strdup_printf(
        "max_tokens=%u temperature=%g top_k=%u top_p=%g min_p=%g repeat=%g presence=%g "
        "frequency=%g last_n=%u seed=%" PRIu64 " stop=%s ignore_eos=%d roles=%s uid=%u",
        o->max_tokens, o->temperature, o->top_k, o->top_p, o->min_p, o->repeat_penalty,
        o->presence_penalty, o->frequency_penalty, o->repeat_last_n, o->seed, stop, o->ignore_eos,
        roles, (unsigned)spec->uid);
    add_delta(request, text);
    add_done(request, "stop", 1, NULL);
}

static void play_random(Request *request, const struct GenerationSpec *spec) {
    bool set = options_is_set(spec->options, "seed");
    uint64_t seed = set ? spec->options->seed : g_random_int();
    g_autofree char *text =
        g_strdup_printf("number %" PRIu64, seed * UINT64_C(6364136223846793005));
    say(request, spec->options, text);
}

static void play_endless(Request *request, const struct GenerationSpec *spec) {
    request->endless = true;
}

static void play_big(Request *request, const struct GenerationSpec *spec) {
    for (unsigned i = 0; i < 20000; i++) {
        char text[128];
        snprintf(text, sizeof text, "%07u:%s\n", i, "0123456789abcdefghijklmnopqrstuvwxyz\"\\");
        add_delta(request, text);
    }
    add_done(request, "stop", 20000, NULL);
}

static void play_slow(Request *request, const struct GenerationSpec *spec) {
    add_delta(request, "once");
    request->hold = true;
}

static void play_silent(Request *request, const struct GenerationSpec *spec) {
    request->hold = true;
}

static void play_dies(Request *request, const struct GenerationSpec *spec) {
    add_delta(request, "almost");
    add_done(request, "error", 1, "org.ryzenllm1.Error.WorkerDied");
}

static void play_too_long(Request *request, const struct GenerationSpec *spec) {
    add_done(request, "error", 0, "org.ryzenllm1.Error.ContextTooLong");
}

static void play_cancelled(Request *request, const struct GenerationSpec *spec) {
    add_done(request, "cancelled", 0, NULL);
}

static void play_cut(Request *request, const struct GenerationSpec *spec) {
    add_delta(request, "to be contin");
}

static void play_garbage(Request *request, const struct GenerationSpec *spec) {
    g_string_append(request->output, "{\"type\":\"delta\",\"text\":\"fine\"}\nthis is not JSON\n");
}

static const struct {
    const char *name;
    Play play; /* NULL: refused as busy */
} models[] = {
    {"echo", play_echo},           {"big", play_big},         {"busy", NULL},
    {"cancelled", play_cancelled}, {"cut", play_cut},         {"dies", play_dies},
    {"endless", play_endless},     {"garbage", play_garbage}, {"options", play_options},
    {"random", play_random},       {"silent", play_silent},   {"slow", play_slow},
    {"too-long", play_too_long},
};

/* ---- Requests ---- */

static void tell(const Request *request, const char *what) {
    printf("%s %" PRIu64 "\n", what, request->id);
    fflush(stdout);
}

Request *request_ref(Request *request) {
    request->n_references++;
    return request;
}

Request *request_unref(Request *request) {
    if (!request || --request->n_references > 0) return NULL;
    if (request->read_fd >= 0) close(request->read_fd);
    g_string_free(request->output, TRUE);
    g_free(request);
    return NULL;
}

static gboolean tell_finished(gpointer userdata) {
    Request *request = userdata;
    if (request->finished) request->finished(request, request->finished_userdata);
    request_unref(request);
    return G_SOURCE_REMOVE;
}

void request_set_finished(Request *request, void (*finished)(Request *request, void *userdata),
                          void *userdata) {
    request->finished = finished;
    request->finished_userdata = userdata;
    if (request->ended && finished) g_idle_add(tell_finished, request_ref(request));
}

static void request_end(Request *request, const char *what) {
    if (request->ended) return;
    request->ended = true;
    tell(request, what);
    g_clear_handle_id(&request->source, g_source_remove);
    close(request->write_fd);
    g_ptr_array_remove_fast(request->service->requests, request);
    tell_finished(request);
}

static void refill(Request *request) {
    for (unsigned i = 0; i < 32; i++) add_delta(request, "and so on and so forth, ");
}

static gboolean reader_gone(gint fd, GIOCondition condition, gpointer userdata) {
    Request *request = userdata;
    request->source = 0;
    request_end(request, "gone");
    return G_SOURCE_REMOVE;
}

static gboolean writable(gint fd, GIOCondition condition, gpointer userdata) {
    Request *request = userdata;
    if (request->endless && request->output->len == 0) refill(request);
    if (request->output->len == 0 && request->hold) {
        request->source = g_unix_fd_add(fd, G_IO_ERR, reader_gone, request);
        return G_SOURCE_REMOVE;
    }
    ssize_t n = write(fd, request->output->str, request->output->len);
    if (n < 0 && errno == EAGAIN) return G_SOURCE_CONTINUE;
    if (n > 0) {
        request->n_written += (size_t)n;
        g_string_erase(request->output, 0, n);
    }
    if (n >= 0 && (request->output->len || request->endless || request->hold))
        return G_SOURCE_CONTINUE;
    request->source = 0;
    request_end(request, n < 0 ? "gone" : "finished");
    return G_SOURCE_REMOVE;
}

/* What the streams of "endless" have taken. */
static gboolean report(gpointer userdata) {
    Service *service = userdata;
    for (size_t i = 0; i < service->requests->len; i++) {
        const Request *request = service->requests->pdata[i];
        if (!request->endless) continue;
        printf("written %" PRIu64 " %zu\n", request->id, request->n_written);
        fflush(stdout);
    }
    return G_SOURCE_CONTINUE;
}

void request_cancel(Request *request) {
    request_end(request, "cancelled");
}

int request_take_stream(Request *request) {
    int fd = request->read_fd;
    request->read_fd = -1;
    return fd;
}

const char *finish_reason_name(enum FinishReason reason) {
    static const char *const names[] = {"stop", "length", "cancelled", "error"};
    return names[reason];
}

/* ---- Models ---- */

const struct Manifest *model_manifest(const Model *model) {
    return &model->manifest;
}

const char *model_name(const Model *model) {
    return model->manifest.name;
}

int64_t model_installed_at(const Model *model) {
    return 1700000000;
}

/* ---- The service ---- */

Service *fake_service_new(void) {
    Service *service = g_new0(Service, 1);
    service->models = g_ptr_array_new_with_free_func(g_free);
    service->requests = g_ptr_array_new();
    for (size_t i = 0; i < G_N_ELEMENTS(models); i++) {
        Model *model = g_new0(Model, 1);
        model->manifest.name = (char *)models[i].name;
        model->manifest.digest = (char *)"0123456789abcdef0123456789abcdef";
        g_ptr_array_add(service->models, model);
    }
    g_timeout_add(200, report, service);
    return service;
}

Service *service_free(Service *service) {
    while (service->requests->len) request_cancel(service->requests->pdata[0]);
    g_source_remove_by_user_data(service);
    g_ptr_array_unref(service->requests);
    g_ptr_array_unref(service->models);
    g_free(service);
    return NULL;
}

unsigned fake_service_n_running(const Service *service) {
    return service->requests->len;
}

Model *service_find_model(Service *service, const char *name) {
    for (size_t i = 0; i < service->models->len; i++)
        if (strcmp(model_name(service->models->pdata[i]), name) == 0)
            return service->models->pdata[i];
    return *name ? NULL : service_default_model(service);
}

Model *fake_service_model(Service *service, const char *name) {
    return service_find_model(service, name);
}

Model *service_default_model(Service *service) {
    return service->models->pdata[0];
}

Model **service_list_models(Service *service) {
    Model **list = g_new0(Model *, service->models->len + 1);
    memcpy(list, service->models->pdata, service->models->len * sizeof *list);
    return list;
}

int service_generate(Service *service, const struct GenerationSpec *spec, Request **ret,
                     Problem *why) {
    Model *model = service_find_model(service, spec->model);
    Play play = NULL;
    int fds[2];
    for (size_t i = 0; i < G_N_ELEMENTS(models); i++)
        if (strcmp(models[i].name, model_name(model)) == 0) play = models[i].play;
    if (!play) {
        problem_set(why, PROBLEM_BUSY, "Too many requests wait.");
        return -EBUSY;
    }
    if (pipe2(fds, O_CLOEXEC) < 0) {
        problem_set(why, PROBLEM_FAILED, "%s.", g_strerror(errno));
        return -EIO;
    }
    g_unix_set_fd_nonblocking(fds[1], TRUE, NULL);
    Request *request = g_new0(Request, 1);
    *request = (Request){.n_references = 2,
                         .id = ++service->n_requests,
                         .uid = spec->uid,
                         .service = service,
                         .model = model,
                         .read_fd = fds[0],
                         .write_fd = fds[1],
                         .output = g_string_new(NULL)};
    g_ptr_array_add(service->requests, request);
    tell(request, "started");
    play(request, spec);
    request->source = g_unix_fd_add(request->write_fd, G_IO_OUT | G_IO_ERR, writable, request);
    *ret = request;
    return 0;
}

/* ---- Templates: what was asked, in words ---- */

struct Applying {
    char *text;
    ServiceText done;
    void *userdata;
};

static gboolean apply_done(gpointer userdata) {
    struct Applying *applying = userdata;
    Problem problem = {0};
    if (!applying->text)
        problem_set(&problem, PROBLEM_NO_CHAT_TEMPLATE, "The model has no chat template.");
    applying->done(&problem, applying->text, applying->userdata);
    g_free(applying->text);
    g_free(applying);
    return G_SOURCE_REMOVE;
}

void service_apply_template(Service *service, const char *model, const struct Message *messages,
                            size_t n, const struct GenerateOptions *options, ServiceText done,
                            void *userdata) {
    GString *text = g_string_new(NULL);
    struct Applying *applying = g_new0(struct Applying, 1);
    for (size_t i = 0; i < n; i++)
        g_string_append_printf(text, "%s:%s;", messages[i].role,
                               messages[i].content ? messages[i].content : messages[i].tool_calls);
    g_string_append_printf(text, "tools=%s kwargs=%s open=%d", options->tools ? options->tools : "",
                           options->chat_template_kwargs ? options->chat_template_kwargs : "",
                           options->add_generation_prompt);
    char *words = g_string_free(text, FALSE);
    *applying = (struct Applying){strcmp(model, "busy") ? words : NULL, done, userdata};
    if (!applying->text) g_free(words);
    g_idle_add(apply_done, applying);
}
