/*
 * The connection to the service: which bus, and calls on it.
 *
 * The system bus, or the session bus when --user or RYZEN_LLM_BUS=user say so. Where nobody chose
 * and the system bus does not know the service, the session bus is tried: a service that the user
 * started by hand is found. Failures are said (failure.h) here, so callers only pass them up.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

typedef struct Connection Connection;

/* --user was given. */
void connection_prefer_user(void);

/* Its events are handled in the default main context, whenever that runs; a connection that is lost
 * there ends the program. */
int connection_open(Connection **ret);
void connection_close(Connection *connection);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Connection, connection_close)

sd_bus *connection_bus(Connection *connection);

/* A call of a method of the service's object at `path`. The caller unrefs. Building a message fails
 * only for lack of memory, or for text that is not UTF-8, which does not get here. */
sd_bus_message *connection_method(Connection *connection, const char *path, const char *interface,
                                  const char *member);
/* The same for org.ryzenllm1.Manager. */
sd_bus_message *connection_manager(Connection *connection, const char *member);

/* Appends an a{sv} with `name` as the only entry, true; or none when `value` is false. */
int connection_append_flag(sd_bus_message *message, const char *name, bool value);

/* Waits for the reply, without a time-out: packing, loading and a person's password take their
 * time. Takes the message. `ret_reply` may be NULL. */
int connection_call(Connection *connection, sd_bus_message *message, sd_bus_message **ret_reply);
/* The same; failures are the caller's to say. */
int connection_try(Connection *connection, sd_bus_message *message, sd_bus_error *ret_error,
                   sd_bus_message **ret_reply);
