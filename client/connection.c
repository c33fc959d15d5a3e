#include "client/connection.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/failure.h"
#include "dbus/bus-source.h"
#include "dbus/names.h"

#define DRIVER "org.freedesktop.DBus"

struct Connection {
    sd_bus *bus;
    GSource *source;
};

typedef sd_bus Bus;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Bus, sd_bus_flush_close_unref)

static bool prefer_user;

void connection_prefer_user(void) {
    prefer_user = true;
}

static bool strv_has(char **strings, const char *string) {
    bool found = false;
    for (char **s = strings; s && *s; s++) {
        found |= g_str_equal(*s, string);
        free(*s);
    }
    free(strings);
    return found;
}

/* Whether the bus lists the service's name, or -errno. */
static int is_listed(sd_bus *bus, const char *method) {
    sd_bus_message *reply = NULL;
    char **names = NULL;
    int r = sd_bus_call_method(bus, DRIVER, "/", DRIVER, method, NULL, &reply, NULL);
    if (r >= 0) r = sd_bus_message_read_strv(reply, &names);
    sd_bus_message_unref(reply);
    return strv_has(names, BUS_NAME) ? true : MIN(r, 0);
}

/* It runs, or the bus would start it; or -errno. */
static int has_service(sd_bus *bus) {
    int r = is_listed(bus, "ListNames");
    return r == 0 ? is_listed(bus, "ListActivatableNames") : r;
}

/* 0; -ENXIO: the bus is there, the service is not; or what keeps us from the bus. */
static int bus_open(bool user, sd_bus **ret) {
    g_autoptr(Bus) bus = NULL;
    int r = user ? sd_bus_open_user(&bus) : sd_bus_open_system(&bus);
    if (r >= 0) r = has_service(bus);
    if (r <= 0) return r < 0 ? r : -ENXIO;
    *ret = g_steal_pointer(&bus);
    return 0;
}

static int say_not_there(bool user, int r) {
    const char *bus = user ? _("session bus") : _("system bus");
    g_autofree char *hint = g_strdup_printf(
        user ? _("Start it with \"%s --user\", or leave out --user to use the system's.")
             : _("Start it with \"sudo systemctl start ryzen-llmd\", or for yourself alone with "
                 "\"%s --user\"."),
        DAEMON_PATH);
    if (r == -ENXIO)
        failure_hint(hint, _("The ryzen-llm service is not on the %s."), bus);
    else
        failure_hint(hint, _("Cannot connect to the %s: %s"), bus, g_strerror(-r));
    return r;
}

/* Whether the choice was made, by option or environment; and which. */
static int bus_chosen(bool *ret_user) {
    const char *variable = getenv("RYZEN_LLM_BUS");
    *ret_user = prefer_user;
    if (prefer_user || !variable || !*variable) return prefer_user;
    *ret_user = g_str_equal(variable, "user");
    if (*ret_user || g_str_equal(variable, "system")) return true;
    failure(_("RYZEN_LLM_BUS is \"%s\"; it must be \"user\" or \"system\"."), variable);
    return -EINVAL;
}

static int bus_find(sd_bus **ret) {
    bool user;
    int chosen = bus_chosen(&user);
    if (chosen < 0) return chosen;
    int r = bus_open(user, ret);
    if (r >= 0 || (!chosen && bus_open(true, ret) >= 0)) return 0;
    return say_not_there(user, r);
}

static void lost(sd_bus *bus, void *userdata) {
    fputc('\n', stderr); /* there may be half a line of answer or of progress */
    failure(_("The connection to the bus was lost."));
    exit(EXIT_FAILURE);
}

int connection_open(Connection **ret) {
    g_autoptr(Bus) bus = NULL;
    int r = bus_find(&bus);
    if (r < 0) return r;
    Connection *connection = g_new0(Connection, 1);
    connection->bus = g_steal_pointer(&bus);
    connection->source = bus_source_new(connection->bus, NULL, lost, connection);
    *ret = connection;
    return 0;
}

void connection_close(Connection *connection) {
    if (!connection) return;
    bus_source_free(connection->source);
    sd_bus_flush_close_unref(connection->bus);
    g_free(connection);
}

sd_bus *connection_bus(Connection *connection) {
    return connection->bus;
}

sd_bus_message *connection_method(Connection *connection, const char *path, const char *interface,
                                  const char *member) {
    sd_bus_message *message = NULL;
    int r = sd_bus_message_new_method_call(connection->bus, &message, BUS_NAME, path, interface,
                                           member);
    /* A person sits at the terminal: polkit may ask for a password. */
    if (r >= 0) r = sd_bus_message_set_allow_interactive_authorization(message, true);
    if (r < 0) g_error("Cannot make a D-Bus message: %s", g_strerror(-r));
    return message;
}

sd_bus_message *connection_manager(Connection *connection, const char *member) {
    return connection_method(connection, ROOT_PATH, MANAGER_INTERFACE, member);
}

int connection_append_flag(sd_bus_message *message, const char *name, bool value) {
    if (!value) return sd_bus_message_append(message, "a{sv}", 0);
    return sd_bus_message_append(message, "a{sv}", 1, name, "b", 1);
}

int connection_try(Connection *connection, sd_bus_message *message, sd_bus_error *ret_error,
                   sd_bus_message **ret_reply) {
    int r = sd_bus_call(connection->bus, message, UINT64_MAX, ret_error, ret_reply);
    sd_bus_message_unref(message);
    return r;
}

int connection_call(Connection *connection, sd_bus_message *message, sd_bus_message **ret_reply) {
    sd_bus_error error = SD_BUS_ERROR_NULL;
    int r = connection_try(connection, message, &error, ret_reply);
    if (r < 0) failure_named(error.name, error.message ?: g_strerror(-r));
    sd_bus_error_free(&error);
    return r;
}
