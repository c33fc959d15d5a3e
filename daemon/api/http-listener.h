/*
 * A listening socket of the HTTP door. It accepts by itself and hands connections to libsoup,
 * because soup_server_listen_socket() stops listening for good when accept() fails once (too many
 * descriptors, a client that changed its mind), accepts without limit, and (3.2) trips over an
 * HTTP/1.0 request without Host on a Unix socket. As a server without listeners of its own libsoup
 * closes each connection after one request.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "api/http-auth.h"
#include "api/http-connection.h"

/* Takes `fd` and `keys` (NULL unless `tcp`), also on failure. */
int listener_new(Connections *connections, int fd, bool tcp, ApiKeys *keys, Listener **ret);
Listener *listener_free(Listener *listener);

bool listener_is_tcp(const Listener *listener);
uint16_t listener_port(const Listener *listener);
ApiKeys *listener_keys(const Listener *listener);
