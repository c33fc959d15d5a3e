/*
 * Who is it? On a Unix socket the kernel says (SO_PEERCRED). Over TCP anyone on the machine, and
 * any web page in a browser on it, can connect; so there a request needs
 *
 *     Host:           localhost, 127.0.0.1 or [::1], and the port (no DNS rebinding)
 *     Origin:         none, or of a page from this machine
 *     Authorization:  Bearer KEY, with a key of the key file
 *
 * The key file has one key a line, of 16 to 256 visible characters; empty lines and those that
 * start with # do not count. It is read again when it changes; while it is missing or wrong nobody
 * is let in. Only the SHA-256 of keys is kept.
 *
 * A key is a user of its own: its namespace is 0x80000000 plus 31 bits of the key's hash, a range
 * that no account is in, and stays the same when other lines come and go.
 */
#pragma once

#include <libsoup/soup.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "api/http-reply.h"

typedef struct ApiKeys ApiKeys;

/* A file that is not named (NULL or ""), missing or wrong is warned of in the log: the rest of the
 * service does not depend on it. */
ApiKeys *api_keys_new(const char *path);
ApiKeys *api_keys_free(ApiKeys *keys);
/* Looks whether the file has changed. Takes the same time whichever key matches. */
bool api_keys_find(ApiKeys *keys, const char *key, uid_t *ret_uid);

bool host_is_local(const char *host, uint16_t port);
bool origin_is_local(const char *origin);

/* Judges the headers of a request that came over TCP to `port`. */
bool http_auth_check(ApiKeys *keys, uint16_t port, SoupMessageHeaders *headers, uid_t *ret_uid,
                     enum HttpRefusal *ret_refusal);
