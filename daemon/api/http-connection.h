/*
 * The connections of the HTTP door: how many, of whom, and how long each may take over what it is
 * doing. libsoup reads and writes them; this watches beside it, because libsoup has no time-outs
 * and does not notice that a client has gone while it waits for us.
 */
#pragma once

#include <libsoup/soup.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct Connections Connections;
typedef struct Connection Connection;
typedef struct Listener Listener;

/* Follows the requests of `server` to set deadlines. */
Connections *connections_new(SoupServer *server);
/* After soup_server_disconnect(); none may be left. */
Connections *connections_free(Connections *connections);
bool connections_full(const Connections *connections);

/* Hands an accepted socket to libsoup. Takes `fd`. With too many from this user it is closed at
 * once. `user` is the peer's uid, or (uid_t)-1 over TCP. */
void connections_add(Connections *connections, const Listener *listener, uid_t user, int fd);

/* Valid as long as the message's connection. */
Connection *connection_of(SoupServerMessage *message);
const Listener *connection_listener(const Connection *connection);
uid_t connection_user(const Connection *connection);

/* Hangs up in so many seconds unless called again before; 0: never. */
void connection_set_deadline(Connection *connection, unsigned seconds);
/* Ends both directions: libsoup finds out at its next read or write. */
void connection_hang_up(Connection *connection);
/* Calls back once when the client has gone. NULL ends the watch, which must not outlive the
 * message. */
void connection_watch(Connection *connection, void (*gone)(void *userdata), void *userdata);
