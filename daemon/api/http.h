/*
 * The HTTP door: OpenAI's dialect over listening sockets that the daemon inherited or made.
 *
 *     GET  /health
 *     GET  /v1/models, /v1/models/NAME
 *     POST /v1/chat/completions, /v1/completions
 *
 * Errors have OpenAI's shape; what is too malformed to be a request gets libsoup's bare 400. On a
 * Unix socket the peer's uid is the caller; over TCP an API key is (http-auth.h). Defaults of a
 * generation are those of D-Bus (dbus/options.h), so temperature is 0.8 where OpenAI has 1, and
 * top_k, min_p, repeat_penalty, repeat_last_n and ignore_eos are understood too. The model
 * "default" is the default model. A client that closes its connection cancels its request at once;
 * over a Unix socket it may close its sending side only, and still reads the answer.
 *
 * A connection serves one request and says so ("Connection: close"): libsoup before 3.4 never
 * closes a kept-alive connection that its client left, and connecting takes microseconds here.
 *
 * Everything belongs to the thread of the default GMainContext and nothing blocks.
 */
#pragma once

#include <stdbool.h>

#include "service/service.h"

typedef struct Http Http;

/* `service` must outlive it. */
int http_new(Service *service, Http **ret, Problem *why);
/* Serves a listening socket: AF_UNIX, or TCP on the loopback device with `api_key_file` (may be
 * NULL otherwise). Takes `fd`, also on failure; it is closed at the end, never shut down or
 * unlinked. Without a usable key everyone on TCP is told 401. */
int http_listen_fd(Http *http, int fd, bool tcp, const char *api_key_file, Problem *why);
/* Closes all connections; their requests are cancelled. Returns NULL, accepts NULL. */
Http *http_free(Http *http);
