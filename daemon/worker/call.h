/*
 * A call: a method call of the daemon that is answered later, when its jobs have come back. The
 * connection knows its calls, so that they can be cancelled by number, and when it is lost.
 */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

#include "worker/connection.h"
#include "worker/job.h"

typedef struct Call Call;

/* Answers with what the jobs have become, all of them. */
typedef int CallReply(sd_bus_message *message, struct Job *const *jobs, size_t n_jobs);

/* Submits the jobs (at least one). `id` is what connection_find_call() finds, or NULL. Takes the
 * jobs when it succeeds; Busy. */
int call_start(Connection *connection, sd_bus_message *message, const uint64_t *id,
               struct Job **jobs, size_t n_jobs, CallReply *reply, struct Failure *failure);
const uint64_t *call_id(const Call *self);
void call_cancel(Call *self);
/* The connection is lost: cancels, and forgets it. */
void call_orphan(Call *self);
