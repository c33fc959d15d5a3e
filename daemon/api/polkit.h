/*
 * May this caller do that? polkit knows, over the bus, without blocking.
 *
 * Root and the daemon's own user may do everything. On a session bus (--user) there is nobody else
 * to ask about: other users are refused. Where polkit does not answer, everyone else is refused, in
 * words that say so: what is not decided is not allowed. Answers are not kept: what polkit says may
 * change, and it keeps authorisations itself.
 */
#pragma once

#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "service/problem.h"

typedef struct Polkit Polkit;

/* `bus` may be NULL: no polkit, only the own user. */
Polkit *polkit_new(sd_bus *bus);
Polkit *polkit_free(Polkit *polkit); /* forgets what is asked */

/* `done` may be called at once. The message is kept until then; its sender is asked for a password
 * only if it allowed that. AccessDenied. */
void polkit_check(Polkit *polkit, sd_bus_message *message, uid_t uid, const char *action,
                  void (*done)(const Problem *problem, void *userdata), void *userdata);
