/*
 * org.ryzenllm1.Model: one object for each installed model.
 */
#include <glib.h>
#include <stddef.h>
#include <string.h>

#include "api/bus-internal.h"
#include "dbus/names.h"

typedef struct BusModel {
    Bus *bus;
    Model *model;
    char *path;
    sd_bus_slot *slot;
} BusModel;

char *bus_model_path(const char *name) {
    char *encoded, *path;
    if (sd_bus_path_encode(MODEL_PATH_PREFIX, name, &encoded) < 0) return NULL;
    path = g_strdup(encoded);
    free(encoded);
    return path;
}

/* ---- Methods ---- */

static int read_load(BusCall *call, sd_bus_message *m, sd_bus_error *error) {
    return bus_read_no_options(m, error);
}

static int read_unload(BusCall *call, sd_bus_message *m, sd_bus_error *error) {
    const struct BusFlag flags[] = {{"force", &call->arguments.force}};
    return bus_read_flags(m, flags, G_N_ELEMENTS(flags), error);
}

static void on_done(const Problem *problem, void *userdata) {
    if (problem->kind)
        bus_call_fail(userdata, problem);
    else
        bus_call_return(userdata, "");
}

void bus_act_load(BusCall *call) {
    service_load(call->bus->service, call->arguments.model, on_done, call);
}

void bus_act_unload(BusCall *call) {
    service_unload(call->bus->service, call->arguments.model, call->arguments.force, on_done, call);
}

static int read_apply(BusCall *call, sd_bus_message *m, sd_bus_error *error) {
    int r = bus_read_messages(m, &call->arguments, error);
    return r < 0 ? r : options_read(m, &call->arguments.options, error);
}

static void on_applied(const Problem *problem, const char *text, void *userdata) {
    if (problem->kind)
        bus_call_fail(userdata, problem);
    else
        bus_call_return(userdata, "s", text);
}

static void act_apply(BusCall *call) {
    const struct BusArguments *arguments = &call->arguments;
    service_apply_template(call->bus->service, arguments->model, arguments->messages,
                           arguments->n_messages, &arguments->options, on_applied, call);
}

static const struct BusVerb verbs[] = {
    {"Load", ACTION_LOAD_MODEL, read_load, bus_act_load},
    {"Unload", ACTION_LOAD_MODEL, read_unload, bus_act_unload},
    {"ApplyTemplate", ACTION_GENERATE, read_apply, act_apply},
};

static int on_method(sd_bus_message *m, void *userdata, sd_bus_error *error) {
    BusModel *self = userdata;
    return bus_call_begin(self->bus, m, verbs, G_N_ELEMENTS(verbs), model_name(self->model), 0,
                          error);
}

/* ---- Properties ---- */

/* Those that are in the manifest as they are. */
struct ManifestProperty {
    const char *name;
    char type;
    size_t offset;
};

#define FIELD(name) offsetof(struct Manifest, name)

static const struct ManifestProperty manifest_properties[] = {
    {"Name", 's', FIELD(name)},
    {"Title", 's', FIELD(title)},
    {"Architecture", 's', FIELD(architecture)},
    {"Family", 's', FIELD(family)},
    {"Weights", 's', FIELD(weights)},
    {"KvType", 's', FIELD(kv_type)},
    {"DraftModel", 's', FIELD(draft)},
    {"DraftWeights", 's', FIELD(draft_weights)},
    {"TernaryLayouts", 's', FIELD(ternary_layouts)},
    {"Parameters", 't', FIELD(parameters)},
    {"Size", 't', FIELD(size)},
    {"Digest", 's', FIELD(digest)},
    {"ContextLength", 'u', FIELD(context_length)},
    {"VocabularySize", 'u', FIELD(vocabulary_size)},
};

static int get_manifest(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
    const struct Manifest *manifest = model_manifest(((BusModel *)userdata)->model);
    size_t i = 0;
    while (strcmp(manifest_properties[i].name, property)) i++;
    const void *value = (const char *)manifest + manifest_properties[i].offset;
    if (manifest_properties[i].type == 's') value = *(char *const *)value;
    return sd_bus_message_append_basic(reply, manifest_properties[i].type, value);
}

static int get_flag(sd_bus *bus, const char *path, const char *interface, const char *property,
                    sd_bus_message *reply, void *userdata, sd_bus_error *error) {
    const Model *model = ((BusModel *)userdata)->model;
    int value =
        !strcmp(property, "CanChat") ? model_manifest(model)->can_chat : model_read_only(model);
    return sd_bus_message_append(reply, "b", value);
}

static int get_state(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error) {
    const Model *model = ((BusModel *)userdata)->model;
    return sd_bus_message_append(reply, "s", model_state_name(model_state(model)));
}

static int get_packed(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
    const Model *model = ((BusModel *)userdata)->model;
    return sd_bus_message_append(reply, "s", model_packed_name(model_packed(model)));
}

static int get_memory(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
    return sd_bus_message_append(reply, "t", model_memory_used(((BusModel *)userdata)->model));
}

static int get_active(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
    return sd_bus_message_append(reply, "u", model_n_active(((BusModel *)userdata)->model));
}

#define CONSTANT SD_BUS_VTABLE_PROPERTY_CONST
#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define ANYONE SD_BUS_VTABLE_UNPRIVILEGED

static const sd_bus_vtable vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("Load", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, on_method,
                            ANYONE),
    SD_BUS_METHOD_WITH_ARGS("Unload", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, on_method,
                            ANYONE),
    SD_BUS_METHOD_WITH_ARGS("ApplyTemplate", SD_BUS_ARGS("aa{sv}", messages, "a{sv}", options),
                            SD_BUS_ARGS("s", text), on_method, ANYONE),
    SD_BUS_PROPERTY("Name", "s", get_manifest, 0, CONSTANT),
    SD_BUS_PROPERTY("State", "s", get_state, 0, CHANGES),
    SD_BUS_PROPERTY("Title", "s", get_manifest, 0, CONSTANT),
    SD_BUS_PROPERTY("Architecture", "s", get_manifest, 0, CONSTANT),
    SD_BUS_PROPERTY("Family", "s", get_manifest, 0, CONSTANT),
    SD_BUS_PROPERTY("Weights", "s", get_manifest, 0, CONSTANT),
    SD_BUS_PROPERTY("KvType", "s", get_manifest, 0, CONSTANT),
    SD_BUS_PROPERTY("DraftModel", "s", get_manifest, 0, CONSTANT),
    SD_BUS_PROPERTY("DraftWeights", "s", get_manifest, 0, CONSTANT),
    SD_BUS_PROPERTY("Packed", "s", get_packed, 0, CHANGES),
    SD_BUS_PROPERTY("TernaryLayouts", "s", get_manifest, 0, 0),
    SD_BUS_PROPERTY("Parameters", "t", get_manifest, 0, CONSTANT),
    SD_BUS_PROPERTY("Size", "t", get_manifest, 0, CONSTANT),
    SD_BUS_PROPERTY("Digest", "s", get_manifest, 0, CONSTANT),
    SD_BUS_PROPERTY("ContextLength", "u", get_manifest, 0, CONSTANT),
    SD_BUS_PROPERTY("VocabularySize", "u", get_manifest, 0, CONSTANT),
    SD_BUS_PROPERTY("CanChat", "b", get_flag, 0, CONSTANT),
    SD_BUS_PROPERTY("ReadOnly", "b", get_flag, 0, CONSTANT),
    SD_BUS_PROPERTY("MemoryUsed", "t", get_memory, 0, 0),
    SD_BUS_PROPERTY("ActiveRequests", "u", get_active, 0, 0),
    SD_BUS_VTABLE_END,
};

/* ---- Objects ---- */

void bus_model_added(Bus *bus, Model *model) {
    BusModel *self = g_new0(BusModel, 1);
    self->bus = bus;
    self->model = model;
    self->path = bus_model_path(model_name(model));
    g_hash_table_insert(bus->models, model, self);
    sd_bus_add_object_vtable(bus->bus, &self->slot, self->path, MODEL_INTERFACE, vtable, self);
    if (bus->source) sd_bus_emit_object_added(bus->bus, self->path);
}

void bus_model_free(void *data) {
    BusModel *self = data;
    sd_bus_slot_unref(self->slot);
    g_free(self->path);
    g_free(self);
}

void bus_model_removed(Bus *bus, Model *model) {
    BusModel *self = g_hash_table_lookup(bus->models, model);
    if (!self) return;
    sd_bus_emit_object_removed(bus->bus, self->path);
    g_hash_table_remove(bus->models, model);
}

void bus_model_changed(Bus *bus, Model *model) {
    const BusModel *self = g_hash_table_lookup(bus->models, model);
    if (self)
        sd_bus_emit_properties_changed(bus->bus, self->path, MODEL_INTERFACE, "State", "Packed",
                                       NULL);
}
