#include "client/service.h"

#include <glib/gi18n.h>

#include "client/failure.h"
#include "dbus/names.h"

#define FIELD(name) offsetof(Service, name)

static const struct Property rows[] = {
    {"Version", "version", N_("Version"), 's', UNIT_NONE, FIELD(version)},
    {"DefaultModel", "default_model", N_("Default model"), 's', UNIT_NONE, FIELD(default_model)},
    {"MemoryUsed", "memory_used", N_("Memory used"), 't', UNIT_BYTES, FIELD(memory_used)},
    {"MemoryBudget", "memory_budget", N_("Memory budget"), 't', UNIT_BYTES, FIELD(memory_budget)},
    {"ActiveRequests", "active_requests", N_("Active requests"), 'u', UNIT_NONE,
     FIELD(active_requests)},
    {"QueuedRequests", "queued_requests", N_("Queued requests"), 'u', UNIT_NONE,
     FIELD(queued_requests)},
};

int service_get(Connection *connection, Service *ret) {
    sd_bus_error error = SD_BUS_ERROR_NULL;
    Service service = {0};
    int r = properties_read(connection, ROOT_PATH, MANAGER_INTERFACE, rows, G_N_ELEMENTS(rows),
                            &error, &service);
    if (r >= 0) {
        *ret = service;
    } else {
        failure_named(error.name, error.message ?: g_strerror(-r));
        service_done(&service);
    }
    sd_bus_error_free(&error);
    return r;
}

void service_done(Service *service) {
    properties_done(rows, G_N_ELEMENTS(rows), service);
}

void service_json(const Service *service, JsonBuilder *builder) {
    properties_json(rows, G_N_ELEMENTS(rows), service, builder);
}

void service_print(const Service *service) {
    properties_print(rows, G_N_ELEMENTS(rows), service);
}
