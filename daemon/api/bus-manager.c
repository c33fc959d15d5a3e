/*
 * org.ryzenllm1.Manager: the service as a whole.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "api/bus-internal.h"
#include "api/limits.h"
#include "dbus/names.h"

/* ---- Generations ---- */

static int read_generate(BusCall *call, sd_bus_message *m, sd_bus_error *error) {
    int r = bus_read_model(m, &call->arguments.model, error);
    if (r >= 0) r = bus_read_text(m, &call->arguments.text);
    return r < 0 ? r : options_read(m, &call->arguments.options, error);
}

static int read_chat(BusCall *call, sd_bus_message *m, sd_bus_error *error) {
    int r = bus_read_model(m, &call->arguments.model, error);
    if (r >= 0) r = bus_read_messages(m, &call->arguments, error);
    return r < 0 ? r : options_read(m, &call->arguments.options, error);
}

void bus_return_request(BusCall *call, Request *request) {
    BusRequest *owned = bus_request_own(call->bus, request, call->peer);
    g_autofree char *path = bus_request_path(owned->request);
    int stream = request_take_stream(request);
    bus_call_return(call, "oh", path, stream);
    close(stream); /* the message has its own */
    request_unref(request);
}

/* Generate and Chat: one has a text, the other messages. */
static void act_generate(BusCall *call) {
    const struct BusArguments *arguments = &call->arguments;
    const struct GenerationSpec spec = {
        .model = arguments->model,
        .uid = call->peer->uid,
        .text = arguments->text,
        .messages = arguments->messages,
        .n_messages = arguments->n_messages,
        .options = &arguments->options,
    };
    Problem problem;
    Request *request;
    if (service_generate(call->bus->service, &spec, &request, &problem) < 0)
        bus_call_fail(call, &problem);
    else
        bus_return_request(call, request);
}

/* ---- Short calls ---- */

static int read_embed(BusCall *call, sd_bus_message *m, sd_bus_error *error) {
    char **inputs = NULL;
    int r = bus_read_model(m, &call->arguments.model, error);
    if (r >= 0) r = sd_bus_message_read_strv(m, &inputs);
    call->arguments.inputs = g_strdupv(inputs ? inputs : (char *[]){NULL});
    for (char **input = inputs; input && *input; input++) free(*input);
    free(inputs);
    return r < 0 ? r : bus_read_no_options(m, error);
}

static int vectors_append(sd_bus_message *m, const double *vectors, size_t n, size_t n_dimensions) {
    int r = sd_bus_message_open_container(m, 'a', "ad");
    for (size_t i = 0; r >= 0 && i < n; i++)
        r = sd_bus_message_append_array(m, 'd', vectors + i * n_dimensions,
                                        n_dimensions * sizeof *vectors);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

/* Sends what has been put together, or says that it could not be. */
static void send_built(BusCall *call, sd_bus_message *reply, int r) {
    Problem problem;
    if (r >= 0) {
        bus_call_send(call, reply);
        return;
    }
    sd_bus_message_unref(reply);
    problem_set(&problem, PROBLEM_FAILED, "The answer can't be sent: %s.", g_strerror(-r));
    bus_call_fail(call, &problem);
}

static void on_embedded(const Problem *problem, const double *vectors, size_t n,
                        size_t n_dimensions, uint32_t n_tokens, void *userdata) {
    BusCall *call = userdata;
    sd_bus_message *reply = NULL;
    if (problem->kind) {
        bus_call_fail(call, problem);
        return;
    }
    int r = sd_bus_message_new_method_return(call->message, &reply);
    if (r >= 0) r = vectors_append(reply, vectors, n, n_dimensions);
    if (r >= 0) r = sd_bus_message_append(reply, "u", n_tokens);
    send_built(call, reply, r);
}

static void act_embed(BusCall *call) {
    const struct BusArguments *arguments = &call->arguments;
    service_embed(call->bus->service, arguments->model, call->peer->uid,
                  (const char *const *)arguments->inputs, g_strv_length(arguments->inputs),
                  on_embedded, call);
}

static int read_tokenize(BusCall *call, sd_bus_message *m, sd_bus_error *error) {
    const struct BusFlag flags[] = {{"special", &call->arguments.special},
                                    {"bos", &call->arguments.bos}};
    int r = bus_read_model(m, &call->arguments.model, error);
    if (r >= 0) r = bus_read_text(m, &call->arguments.text);
    return r < 0 ? r : bus_read_flags(m, flags, G_N_ELEMENTS(flags), error);
}

static void on_tokenized(const Problem *problem, const int32_t *tokens, size_t n, void *userdata) {
    BusCall *call = userdata;
    sd_bus_message *reply = NULL;
    if (problem->kind) {
        bus_call_fail(call, problem);
        return;
    }
    int r = sd_bus_message_new_method_return(call->message, &reply);
    if (r >= 0) r = sd_bus_message_append_array(reply, 'i', tokens, n * sizeof *tokens);
    send_built(call, reply, r);
}

static void act_tokenize(BusCall *call) {
    const struct BusArguments *arguments = &call->arguments;
    service_tokenize(call->bus->service, arguments->model, arguments->text, arguments->special,
                     arguments->bos, on_tokenized, call);
}

static int read_detokenize(BusCall *call, sd_bus_message *m, sd_bus_error *error) {
    const void *tokens;
    size_t size;
    int r = bus_read_model(m, &call->arguments.model, error);
    if (r >= 0) r = sd_bus_message_read_array(m, 'i', &tokens, &size);
    if (r < 0) return r;
    call->arguments.tokens = g_memdup2(tokens, size);
    call->arguments.n_tokens = size / sizeof *call->arguments.tokens;
    return bus_read_no_options(m, error);
}

static void on_detokenized(const Problem *problem, const char *text, void *userdata) {
    if (problem->kind)
        bus_call_fail(userdata, problem);
    else
        bus_call_return(userdata, "s", text);
}

static void act_detokenize(BusCall *call) {
    service_detokenize(call->bus->service, call->arguments.model, call->arguments.tokens,
                       call->arguments.n_tokens, on_detokenized, call);
}

/* ---- Models ---- */

static int read_name(BusCall *call, sd_bus_message *m, sd_bus_error *error) {
    return bus_read_model(m, &call->arguments.model, error);
}

static int read_name_and_options(BusCall *call, sd_bus_message *m, sd_bus_error *error) {
    int r = bus_read_model(m, &call->arguments.model, error);
    return r < 0 ? r : bus_read_no_options(m, error);
}

static int read_unload(BusCall *call, sd_bus_message *m, sd_bus_error *error) {
    const struct BusFlag flags[] = {{"force", &call->arguments.force}};
    int r = bus_read_model(m, &call->arguments.model, error);
    return r < 0 ? r : bus_read_flags(m, flags, G_N_ELEMENTS(flags), error);
}

static void on_removed(const Problem *problem, void *userdata) {
    if (problem->kind)
        bus_call_fail(userdata, problem);
    else
        bus_call_return(userdata, "");
}

static void act_remove(BusCall *call) {
    Problem problem;
    if (!*call->arguments.model) { /* the default is not a name */
        problem_set(&problem, PROBLEM_INVALID_ARGUMENT, "Say which model to remove.");
        bus_call_fail(call, &problem);
        return;
    }
    service_remove(call->bus->service, call->arguments.model, on_removed, call);
}

static int read_list(BusCall *call, sd_bus_message *m, sd_bus_error *error) {
    return bus_read_no_options(m, error);
}

static void act_list(BusCall *call) {
    g_autofree Model **models = service_list_models(call->bus->service);
    sd_bus_message *reply = NULL;
    int r = sd_bus_message_new_method_return(call->message, &reply);
    if (r >= 0) r = sd_bus_message_open_container(reply, 'a', "o");
    for (Model **model = models; r >= 0 && *model; model++) {
        g_autofree char *path = bus_model_path(model_name(*model));
        r = sd_bus_message_append(reply, "o", path);
    }
    if (r >= 0) r = sd_bus_message_close_container(reply);
    send_built(call, reply, r);
}

static void act_get_model(BusCall *call) {
    Model *model = service_find_model(call->bus->service, call->arguments.model);
    Problem problem;
    if (!model) {
        problem_set(&problem, PROBLEM_NO_SUCH_MODEL, "There is no model \"%s\".",
                    call->arguments.model);
        bus_call_fail(call, &problem);
        return;
    }
    g_autofree char *path = bus_model_path(model_name(model));
    bus_call_return(call, "o", path);
}

/* ---- The interface ---- */

static const struct BusVerb verbs[] = {
    {"Generate", ACTION_GENERATE, read_generate, act_generate},
    {"Chat", ACTION_GENERATE, read_chat, act_generate},
    {"Ask", ACTION_GENERATE, read_generate, bus_act_ask},
    {"Embed", ACTION_GENERATE, read_embed, act_embed},
    {"Tokenize", ACTION_GENERATE, read_tokenize, act_tokenize},
    {"Detokenize", ACTION_GENERATE, read_detokenize, act_detokenize},
    {"Load", ACTION_LOAD_MODEL, read_name_and_options, bus_act_load},
    {"Unload", ACTION_LOAD_MODEL, read_unload, bus_act_unload},
    {"InstallModel", ACTION_MANAGE_MODELS, bus_read_install, bus_act_install},
    {"RemoveModel", ACTION_MANAGE_MODELS, read_name_and_options, act_remove},
    {"ListModels", NULL, read_list, act_list},
    {"GetModel", NULL, read_name, act_get_model},
};

static int on_method(sd_bus_message *m, void *userdata, sd_bus_error *error) {
    return bus_call_begin(userdata, m, verbs, G_N_ELEMENTS(verbs), NULL, 0, error);
}

static int get_text(sd_bus *sdbus, const char *path, const char *interface, const char *property,
                    sd_bus_message *reply, void *userdata, sd_bus_error *error) {
    const Bus *bus = userdata;
    if (!strcmp(property, "Version")) return sd_bus_message_append(reply, "s", RYZEN_LLM_VERSION);
    Model *model = service_default_model(bus->service);
    return sd_bus_message_append(reply, "s", model ? model_name(model) : "");
}

static int get_memory(sd_bus *sdbus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
    const Bus *bus = userdata;
    return sd_bus_message_append(reply, "t",
                                 !strcmp(property, "MemoryUsed")
                                     ? service_memory_used(bus->service)
                                     : service_memory_budget(bus->service));
}

static int get_count(sd_bus *sdbus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error) {
    const Bus *bus = userdata;
    return sd_bus_message_append(reply, "u",
                                 !strcmp(property, "ActiveRequests")
                                     ? service_n_active(bus->service)
                                     : service_n_queued(bus->service));
}

#define METHOD(name, arguments, results)                                                           \
    SD_BUS_METHOD_WITH_ARGS(name, SD_BUS_ARGS arguments, SD_BUS_RESULT results, on_method,         \
                            SD_BUS_VTABLE_UNPRIVILEGED)
#define METHOD_WITHOUT_RESULT(name, arguments)                                                     \
    SD_BUS_METHOD_WITH_ARGS(name, SD_BUS_ARGS arguments, SD_BUS_NO_RESULT, on_method,              \
                            SD_BUS_VTABLE_UNPRIVILEGED)

static const sd_bus_vtable vtable[] = {
    SD_BUS_VTABLE_START(0),
    METHOD("Generate", ("s", model, "s", prompt, "a{sv}", options), ("o", request, "h", stream)),
    METHOD("Chat", ("s", model, "aa{sv}", messages, "a{sv}", options), ("o", request, "h", stream)),
    METHOD("Ask", ("s", model, "s", prompt, "a{sv}", options), ("s", answer)),
    METHOD("Embed", ("s", model, "as", inputs, "a{sv}", options),
           ("aad", embeddings, "u", n_tokens)),
    METHOD("Tokenize", ("s", model, "s", text, "a{sv}", options), ("ai", tokens)),
    METHOD("Detokenize", ("s", model, "ai", tokens, "a{sv}", options), ("s", text)),
    METHOD_WITHOUT_RESULT("Load", ("s", model, "a{sv}", options)),
    METHOD_WITHOUT_RESULT("Unload", ("s", model, "a{sv}", options)),
    METHOD("InstallModel", ("s", name, "h", file, "a{sv}", options), ("o", request, "h", stream)),
    METHOD_WITHOUT_RESULT("RemoveModel", ("s", name, "a{sv}", options)),
    METHOD("ListModels", ("a{sv}", options), ("ao", models)),
    METHOD("GetModel", ("s", name), ("o", model)),
    SD_BUS_PROPERTY("Version", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("DefaultModel", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("MemoryBudget", "t", get_memory, 0, 0),
    SD_BUS_PROPERTY("MemoryUsed", "t", get_memory, 0, 0),
    SD_BUS_PROPERTY("ActiveRequests", "u", get_count, 0, 0),
    SD_BUS_PROPERTY("QueuedRequests", "u", get_count, 0, 0),
    SD_BUS_VTABLE_END,
};

int bus_manager_export(Bus *bus) {
    return sd_bus_add_object_vtable(bus->bus, NULL, ROOT_PATH, MANAGER_INTERFACE, vtable, bus);
}

void bus_manager_default_changed(Bus *bus) {
    sd_bus_emit_properties_changed(bus->bus, ROOT_PATH, MANAGER_INTERFACE, "DefaultModel", NULL);
}
