#include "api/bus.h"

#include <errno.h>
#include <string.h>

#include "api/bus-internal.h"
#include "dbus/bus-source.h"
#include "dbus/names.h"

/* ---- What the service announces ---- */

static void on_model_added(Model *model, void *userdata) {
    bus_model_added(userdata, model);
}

static void on_model_removed(Model *model, void *userdata) {
    bus_model_removed(userdata, model);
}

static void on_model_changed(Model *model, void *userdata) {
    bus_model_changed(userdata, model);
}

static void on_default_changed(void *userdata) {
    bus_manager_default_changed(userdata);
}

static void on_request_added(Request *request, void *userdata) {
    bus_request_added(userdata, request);
}

static void on_request_changed(Request *request, void *userdata) {
    bus_request_changed(userdata, request);
}

static void on_request_removed(Request *request, void *userdata) {
    bus_request_removed(userdata, request);
}

static const struct ServiceEvents service_events = {
    .model_added = on_model_added,
    .model_removed = on_model_removed,
    .model_changed = on_model_changed,
    .default_changed = on_default_changed,
    .request_added = on_request_added,
    .request_changed = on_request_changed,
    .request_removed = on_request_removed,
};

/* ---- Life ---- */

static void on_peer_left(BusPeer *peer, void *userdata) {
    bus_requests_peer_left(userdata, peer);
}

static void on_lost(sd_bus *sdbus, void *userdata) {
    Bus *bus = userdata;
    bus->lost(bus->userdata);
}

static int open_problem(bool user, int r, Problem *why) {
    if (user)
        return problem_set(why, PROBLEM_FAILED,
                           "Can't reach the session bus: %s. Is DBUS_SESSION_BUS_ADDRESS set? "
                           "dbus-run-session starts one.",
                           g_strerror(-r));
    return problem_set(why, PROBLEM_FAILED,
                       "Can't reach the system bus: %s. Without one, use --user.", g_strerror(-r));
}

static int name_problem(int r, Problem *why) {
    if (r == -EEXIST)
        return problem_set(why, PROBLEM_FAILED, "Another ryzen-llmd has the name " BUS_NAME ".");
    return problem_set(why, PROBLEM_FAILED, "Can't take the name " BUS_NAME ": %s.",
                       g_strerror(-r));
}

static int export_all(Bus *bus) {
    int r = sd_bus_add_object_manager(bus->bus, NULL, ROOT_PATH);
    if (r >= 0) r = bus_manager_export(bus);
    if (r >= 0) r = bus_requests_export(bus);
    if (r < 0) return r;
    g_autofree Model **models = service_list_models(bus->service);
    for (Model **model = models; *model; model++) bus_model_added(bus, *model);
    return 0;
}

int bus_new(Service *service, bool user, void (*lost)(void *userdata), void *userdata, Bus **ret,
            Problem *why) {
    sd_bus *sdbus;
    int r = user ? sd_bus_open_user_with_description(&sdbus, "api")
                 : sd_bus_open_system_with_description(&sdbus, "api");
    if (r < 0) return open_problem(user, r, why);

    Bus *bus = g_new0(Bus, 1);
    bus->service = service;
    bus->bus = sdbus;
    bus->lost = lost;
    bus->userdata = userdata;
    bus->peers = bus_peers_new(sdbus, on_peer_left, bus);
    bus->polkit = polkit_new(user ? NULL : sdbus);
    bus->models = g_hash_table_new_full(NULL, NULL, NULL, bus_model_free);
    bus->requests = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, bus_request_free);
    r = export_all(bus);
    if (r >= 0) r = sd_bus_request_name(sdbus, BUS_NAME, 0);
    if (r < 0) {
        bus_free(bus);
        return name_problem(r, why);
    }
    service_watch(service, &service_events, bus);
    bus->source = bus_source_new(sdbus, NULL, on_lost, bus);
    *ret = bus;
    return 0;
}

Bus *bus_free(Bus *bus) {
    if (!bus) return NULL;
    bus_asks_free(bus);
    polkit_free(bus->polkit);
    while (bus->calls.head) bus_call_free(bus->calls.head->data);
    g_hash_table_unref(bus->requests);
    g_hash_table_unref(bus->models);
    bus_peers_free(bus->peers);
    bus_source_free(bus->source);
    sd_bus_flush_close_unref(bus->bus);
    g_free(bus);
    return NULL;
}
