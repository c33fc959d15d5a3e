/*
 * A connection: one accepted peer, a peer-to-peer sd-bus server on a socket, with the calls that it
 * waits for. Main thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

typedef struct Connection Connection;
typedef struct Worker Worker; /* worker/worker.h */
typedef struct Call Call;     /* worker/call.h */

/* Whether the process at the other end runs as root, as ourselves, or as `uid`. */
bool connection_peer_is_allowed(int fd, uid_t uid);

/* Takes `fd`. When the peer leaves, worker_remove_connection() is called. */
int connection_new(Worker *worker, int fd, Connection **ret);
/* Cancels the calls. What was sent is on its way. Accepts NULL. */
void connection_free(Connection *self);

Worker *connection_worker(const Connection *self);
sd_bus *connection_bus(const Connection *self);

void connection_add_call(Connection *self, Call *call);
void connection_remove_call(Connection *self, Call *call);
Call *connection_find_call(const Connection *self, uint64_t id); /* NULL: none */

/* Whether something has come that was not looked at. */
bool connection_has_unread(const Connection *self);
/* No more messages are read; replies still go out. */
void connection_pause(Connection *self);
/* Says that this worker leaves, and waits (not for long) until everything sent is with the kernel.
 */
void connection_say_closing(Connection *self);
