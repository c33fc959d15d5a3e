/*
 * org.ryzenllm1.Request: one object for each request, for its own user only. sd-bus would announce
 * objects and properties to everybody, so the signals are put together here and sent to the
 * connection that made the request.
 */
#include <errno.h>
#include <glib.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "api/bus-internal.h"
#include "api/errors.h"
#include "dbus/names.h"

char *bus_request_path(const Request *request) {
    return g_strdup_printf(REQUEST_PATH_PREFIX "/%" G_GUINT64_FORMAT, request_id(request));
}

/* ---- Signals to the owner ---- */

static int signal_send(BusRequest *self, const char *path, const char *interface,
                       const char *member, int (*write)(sd_bus_message *m, BusRequest *self)) {
    sd_bus_message *m = NULL;
    if (!self->owner || self->owner->gone) return 0;
    int r = sd_bus_message_new_signal(self->bus->bus, &m, path, interface, member);
    if (r >= 0) r = write(m, self);
    if (r >= 0) r = sd_bus_send_to(self->bus->bus, m, self->owner->name, NULL);
    sd_bus_message_unref(m);
    return r;
}

/* The properties that announce a request; the rest are zeros then. */
static int write_added(sd_bus_message *m, BusRequest *self) {
    g_autofree char *path = bus_request_path(self->request);
    return sd_bus_message_append(m, "oa{sa{sv}}", path, 1, REQUEST_INTERFACE, 3, "Model", "s",
                                 request_model(self->request), "State", "s",
                                 request_state_name(request_state(self->request)), "Owner", "u",
                                 (uint32_t)request_uid(self->request));
}

static int write_removed(sd_bus_message *m, BusRequest *self) {
    g_autofree char *path = bus_request_path(self->request);
    return sd_bus_message_append(m, "oas", path, 1, REQUEST_INTERFACE);
}

static int write_state(sd_bus_message *m, BusRequest *self) {
    return sd_bus_message_append(m, "sa{sv}as", REQUEST_INTERFACE, 1, "State", "s",
                                 request_state_name(request_state(self->request)), 0);
}

static int write_finished(sd_bus_message *m, BusRequest *self) {
    const struct Usage *usage = request_usage(self->request);
    const struct Timings *timings = request_timings(self->request);
    int r = sd_bus_message_append(
        m, "sa{st}", finish_reason_name(request_finish_reason(self->request)), 5, "prompt_tokens",
        usage->prompt_tokens, "cached_tokens", usage->cached_tokens, "completion_tokens",
        usage->completion_tokens, "drafted_tokens", usage->drafted_tokens, "accepted_tokens",
        usage->accepted_tokens);
    if (r < 0) return r;
    return sd_bus_message_append(m, "a{sd}s", 5, "queue_ms", timings->queue_ms, "prompt_ms",
                                 timings->prompt_ms, "generate_ms", timings->generate_ms,
                                 "prompt_per_second", timings->prompt_per_second,
                                 "tokens_per_second", timings->tokens_per_second,
                                 error_row(request_problem(self->request)->kind)->dbus_name);
}

static void state_announce(BusRequest *self) {
    g_autofree char *path = bus_request_path(self->request);
    signal_send(self, path, "org.freedesktop.DBus.Properties", "PropertiesChanged", write_state);
    if (request_state(self->request) == REQUEST_FINISHED)
        signal_send(self, path, REQUEST_INTERFACE, "Finished", write_finished);
}

/* ---- Following the service ---- */

static BusRequest *find(Bus *bus, uint64_t id) {
    return g_hash_table_lookup(bus->requests, &id);
}

void bus_request_added(Bus *bus, Request *request) {
    uint64_t *key = g_new(uint64_t, 1);
    BusRequest *self = g_new0(BusRequest, 1);
    *key = request_id(request);
    *self = (BusRequest){bus, request_ref(request), NULL};
    g_hash_table_insert(bus->requests, key, self);
}

void bus_request_free(void *data) {
    BusRequest *self = data;
    request_unref(self->request);
    bus_peer_unref(self->owner);
    g_free(self);
}

BusRequest *bus_request_own(Bus *bus, Request *request, BusPeer *owner) {
    BusRequest *self = find(bus, request_id(request));
    self->owner = bus_peer_ref(owner);
    signal_send(self, ROOT_PATH, "org.freedesktop.DBus.ObjectManager", "InterfacesAdded",
                write_added);
    return self;
}

void bus_request_changed(Bus *bus, Request *request) {
    BusRequest *self = find(bus, request_id(request));
    if (self) state_announce(self);
}

void bus_request_removed(Bus *bus, Request *request) {
    uint64_t id = request_id(request);
    BusRequest *self = find(bus, id);
    if (!self) return;
    signal_send(self, ROOT_PATH, "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved",
                write_removed);
    g_hash_table_remove(bus->requests, &id);
}

void bus_requests_peer_left(Bus *bus, BusPeer *peer) {
    GHashTableIter iter;
    void *value;
    g_hash_table_iter_init(&iter, bus->requests);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        BusRequest *self = value;
        if (self->owner == peer) request_cancel(self->request);
    }
}

/* ---- Cancel ---- */

static int read_cancel(BusCall *call, sd_bus_message *m, sd_bus_error *error) {
    return bus_read_no_options(m, error);
}

static void cancel(BusCall *call) {
    BusRequest *self = find(call->bus, call->arguments.request);
    if (self) request_cancel(self->request);
    bus_call_return(call, "");
}

/* To somebody who may not see it, it does not exist. */
static void on_may_inspect(const Problem *problem, void *userdata) {
    BusCall *call = userdata;
    Problem unknown;
    if (!problem->kind) {
        cancel(call);
        return;
    }
    problem_set(&unknown, PROBLEM_NO_SUCH_REQUEST, "There is no such request.");
    bus_call_fail(call, &unknown);
}

static void act_cancel(BusCall *call) {
    BusRequest *self = find(call->bus, call->arguments.request);
    if (!self || request_uid(self->request) == call->peer->uid)
        cancel(call);
    else
        polkit_check(call->bus->polkit, call->message, call->peer->uid, ACTION_INSPECT_OTHERS,
                     on_may_inspect, call);
}

static const struct BusVerb verbs[] = {{"Cancel", NULL, read_cancel, act_cancel}};

static int on_method(sd_bus_message *m, void *userdata, sd_bus_error *error) {
    BusRequest *self = userdata;
    return bus_call_begin(self->bus, m, verbs, G_N_ELEMENTS(verbs), NULL, request_id(self->request),
                          error);
}

/* ---- Properties ---- */

static int get_text(sd_bus *sdbus, const char *path, const char *interface, const char *property,
                    sd_bus_message *reply, void *userdata, sd_bus_error *error) {
    const Request *request = ((BusRequest *)userdata)->request;
    return sd_bus_message_append(reply, "s",
                                 !strcmp(property, "Model")
                                     ? request_model(request)
                                     : request_state_name(request_state(request)));
}

static int get_owner(sd_bus *sdbus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error) {
    return sd_bus_message_append(reply, "u",
                                 (uint32_t)request_uid(((BusRequest *)userdata)->request));
}

static int get_tokens(sd_bus *sdbus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
    const struct Usage *usage = request_usage(((BusRequest *)userdata)->request);
    const struct {
        const char *property;
        uint64_t value;
    } rows[] = {
        {"PromptTokens", usage->prompt_tokens},
        {"CachedTokens", usage->cached_tokens},
        {"CompletionTokens", usage->completion_tokens},
    };
    size_t i = 0;
    while (strcmp(rows[i].property, property)) i++;
    return sd_bus_message_append(reply, "t", rows[i].value);
}

static const sd_bus_vtable vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("Cancel", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, on_method,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_SIGNAL_WITH_ARGS(
        "Finished", SD_BUS_ARGS("s", finish_reason, "a{st}", usage, "a{sd}", timings, "s", error),
        0),
    SD_BUS_PROPERTY("Model", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("State", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Owner", "u", get_owner, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("PromptTokens", "t", get_tokens, 0, 0),
    SD_BUS_PROPERTY("CachedTokens", "t", get_tokens, 0, 0),
    SD_BUS_PROPERTY("CompletionTokens", "t", get_tokens, 0, 0),
    SD_BUS_VTABLE_END,
};

/* ---- Objects, as far as the caller may see them ---- */

/* The uid of who sent the message that sd-bus is about to answer; -1: unknown. */
static uid_t current_uid(Bus *bus) {
    sd_bus_message *m = sd_bus_get_current_message(bus->bus);
    const char *sender = m ? sd_bus_message_get_sender(m) : NULL;
    const BusPeer *peer = sender ? bus_peers_identify_now(bus->peers, sender) : NULL;
    return peer ? peer->uid : (uid_t)-1;
}

static bool is_visible(const BusRequest *self, uid_t uid) {
    return uid == 0 || uid == request_uid(self->request);
}

/* Cancel asks polkit itself, which takes its time. */
static bool is_cancel(Bus *bus) {
    sd_bus_message *m = sd_bus_get_current_message(bus->bus);
    return m && sd_bus_message_is_method_call(m, REQUEST_INTERFACE, "Cancel") > 0;
}

static int on_find(sd_bus *sdbus, const char *path, const char *interface, void *userdata,
                   void **ret_found, sd_bus_error *error) {
    Bus *bus = userdata;
    const char *number = path + strlen(REQUEST_PATH_PREFIX "/");
    guint64 id;
    if (!g_str_has_prefix(path, REQUEST_PATH_PREFIX "/") ||
        !g_ascii_string_to_unsigned(number, 10, 1, G_MAXUINT64, &id, NULL))
        return 0;
    BusRequest *self = find(bus, id);
    if (!self || (!is_cancel(bus) && !is_visible(self, current_uid(bus)))) return 0;
    *ret_found = self;
    return 1;
}

static int on_enumerate(sd_bus *sdbus, const char *prefix, void *userdata, char ***ret_nodes,
                        sd_bus_error *error) {
    Bus *bus = userdata;
    uid_t uid = current_uid(bus);
    size_t n = 0;
    GHashTableIter iter;
    void *value;
    char **nodes = calloc(g_hash_table_size(bus->requests) + 1, sizeof *nodes);
    if (!nodes) return -ENOMEM;
    g_hash_table_iter_init(&iter, bus->requests);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        BusRequest *self = value;
        if (!is_visible(self, uid)) continue;
        g_autofree char *path = bus_request_path(self->request);
        nodes[n++] = strdup(path);
    }
    *ret_nodes = nodes;
    return 0;
}

int bus_requests_export(Bus *bus) {
    int r = sd_bus_add_fallback_vtable(bus->bus, NULL, REQUEST_PATH_PREFIX, REQUEST_INTERFACE,
                                       vtable, on_find, bus);
    return r < 0
               ? r
               : sd_bus_add_node_enumerator(bus->bus, NULL, REQUEST_PATH_PREFIX, on_enumerate, bus);
}
