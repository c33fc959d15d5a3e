/*
 * What systemd is told: loading, ready, busy, alive, leaving. Does nothing where nobody listens.
 * Main thread.
 */
#pragma once

#include <stdbool.h>

#include "worker/scheduler.h"

typedef struct Notify Notify;

/* Loading has begun: asks for more time until it ends. */
Notify *notify_new(void);
void notify_free(Notify *self); /* accepts NULL */

/* Loaded. From now on the watchdog is fed, as long as the compute thread moves. */
void notify_ready(Notify *self, Scheduler *scheduler);
void notify_set_busy(Notify *self, bool busy);
/* `why` is shown as the unit's status. */
void notify_failed(Notify *self, int error, const char *why);
void notify_stopping(Notify *self);
