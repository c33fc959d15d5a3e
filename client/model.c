#include "client/model.h"

#include <errno.h>
#include <glib/gi18n.h>

#include "client/failure.h"
#include "client/service.h"
#include "dbus/names.h"

#define FIELD(name) offsetof(struct Model, name)

static const struct Property rows[] = {
    {"Name", "name", N_("Name"), 's', UNIT_NONE, FIELD(name)},
    {"Title", "title", N_("Title"), 's', UNIT_NONE, FIELD(title)},
    {"State", "state", N_("State"), 's', UNIT_NONE, FIELD(state)},
    {"Architecture", "architecture", N_("Architecture"), 's', UNIT_NONE, FIELD(architecture)},
    {"Family", "family", N_("Family"), 's', UNIT_NONE, FIELD(family)},
    {"Weights", "weights", N_("Weights"), 's', UNIT_NONE, FIELD(weights)},
    {"KvType", "kv_type", N_("Keys and values"), 's', UNIT_NONE, FIELD(kv_type)},
    {"DraftModel", "draft_model", N_("Draft model"), 's', UNIT_NONE, FIELD(draft_model)},
    {"DraftWeights", "draft_weights", N_("Its weights"), 's', UNIT_NONE, FIELD(draft_weights)},
    {"Packed", "packed", N_("Packed file"), 's', UNIT_NONE, FIELD(packed)},
    {"TernaryLayouts", "ternary_layouts", N_("Ternary layouts"), 's', UNIT_NONE,
     FIELD(ternary_layouts)},
    {"Parameters", "parameters", N_("Parameters"), 't', UNIT_COUNT, FIELD(parameters)},
    {"Size", "size", N_("Size"), 't', UNIT_BYTES, FIELD(size)},
    {"ContextLength", "context_length", N_("Context"), 'u', UNIT_NONE, FIELD(context_length)},
    {"VocabularySize", "vocabulary_size", N_("Vocabulary"), 'u', UNIT_NONE, FIELD(vocabulary_size)},
    {"CanChat", "can_chat", N_("Chat"), 'b', UNIT_NONE, FIELD(can_chat)},
    {"ReadOnly", "read_only", N_("Read only"), 'b', UNIT_NONE, FIELD(read_only)},
    {"MemoryUsed", "memory_used", N_("Memory used"), 't', UNIT_BYTES, FIELD(memory_used)},
    {"ActiveRequests", "active_requests", N_("Active requests"), 'u', UNIT_NONE,
     FIELD(active_requests)},
    {"Digest", "digest", N_("SHA-256"), 's', UNIT_NONE, FIELD(digest)},
};

static int model_read(Connection *connection, const char *path, sd_bus_error *ret_error,
                      struct Model *ret) {
    struct Model model = {.path = g_strdup(path)};
    int r = properties_read(connection, path, MODEL_INTERFACE, rows, G_N_ELEMENTS(rows), ret_error,
                            &model);
    if (r >= 0)
        *ret = model;
    else
        model_done(&model);
    return r;
}

static int model_get_named(Connection *connection, const char *name, struct Model *ret) {
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = NULL;
    const char *path;

    sd_bus_message *call = connection_manager(connection, "GetModel");
    sd_bus_message_append(call, "s", name);
    int r = connection_try(connection, call, &error, &reply);
    if (r >= 0) r = sd_bus_message_read(reply, "o", &path);
    if (r >= 0) r = model_read(connection, path, &error, ret);
    if (r < 0) failure_named(error.name, error.message ?: g_strerror(-r));
    sd_bus_message_unref(reply);
    sd_bus_error_free(&error);
    return r;
}

int model_get(Connection *connection, const char *name, struct Model *ret) {
    if (name && *name) return model_get_named(connection, name, ret);

    g_auto(Service) service = {0};
    int r = service_get(connection, &service);
    if (r < 0) return r;
    if (!service.default_model || !*service.default_model) {
        failure_hint(_("Install one with \"ryzen-llm install FILE.gguf\"."),
                     _("No model is installed."));
        return -ENOENT;
    }
    return model_get_named(connection, service.default_model, ret);
}

static void model_free(void *model) {
    model_done(model);
    g_free(model);
}

static int paths_read(Connection *connection, sd_bus_message *reply, GPtrArray *models) {
    const char *path;
    int r = sd_bus_message_enter_container(reply, 'a', "o");
    while (r >= 0 && (r = sd_bus_message_read_basic(reply, 'o', &path)) > 0) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        struct Model model;
        /* One that was removed since it was listed is no failure. */
        if (model_read(connection, path, &error, &model) >= 0)
            g_ptr_array_add(models, g_memdup2(&model, sizeof model));
        sd_bus_error_free(&error);
    }
    return r;
}

int model_list(Connection *connection, GPtrArray **ret) {
    g_autoptr(GPtrArray) models = g_ptr_array_new_with_free_func(model_free);
    sd_bus_message *reply = NULL;
    sd_bus_message *call = connection_manager(connection, "ListModels");
    sd_bus_message_append(call, "a{sv}", 0);
    int r = connection_call(connection, call, &reply);
    if (r < 0) return r;
    r = paths_read(connection, reply, models);
    sd_bus_message_unref(reply);
    if (r < 0) {
        failure("%s", g_strerror(-r));
        return r;
    }
    *ret = g_steal_pointer(&models);
    return 0;
}

void model_done(struct Model *model) {
    properties_done(rows, G_N_ELEMENTS(rows), model);
    g_clear_pointer(&model->path, g_free);
}

void model_json(const struct Model *model, JsonBuilder *builder) {
    properties_json(rows, G_N_ELEMENTS(rows), model, builder);
}

void model_print(const struct Model *model) {
    properties_print(rows, G_N_ELEMENTS(rows), model);
}
