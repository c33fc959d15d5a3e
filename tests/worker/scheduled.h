/*
 * A scheduler in the test's own process, and requests to it: what the worker does between its bus
 * and its engine. Everything here belongs to the main thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "events.h"
#include "worker/failure.h"
#include "worker/job.h"
#include "worker/scheduler.h"

/* Model files as open descriptors, which stay the caller's. */
struct ScheduledModels {
    int fd, draft_fd; /* draft_fd -1: nothing drafts but look-up */
};

/* Returns when the model is open. scheduler_free() it. */
Scheduler *scheduled_start(const struct ScheduledModels *models, unsigned max_sequences,
                           unsigned queue, gint64 parked_grace_usec);

struct Ask {
    const char *grammar, *schema;
    const char *prompt;
    const char *stop;
    const char *draft;          /* NULL: "off" */
    const char *const *options; /* more of them: name, value, ..., NULL; may be NULL */
    uint32_t namespace, max_tokens;
    double temperature;
    int pipe_size;
    bool progress;
};

/* A request and what comes of it. */
struct Run {
    struct Events events; /* events_clear() them in the end */
    struct Job *job;      /* NULL: it has finished */
    bool finished;
    gint64 admitted_usec;
    enum Finish finish;
};

/* Errors of generation_new() and scheduler_submit(). */
int run_try(Scheduler *scheduler, struct Run *run, const struct Ask *ask, struct Failure *failure);
/* Fails the case where it is refused. */
void run_start(Scheduler *scheduler, struct Run *run, const struct Ask *ask);
void run_wait(struct Run *run);
/* Reads to the end and waits for the job. */
void run_finish(struct Run *run);
/* The text of an answer; g_free() it. */
char *run_text(Scheduler *scheduler, const struct Ask *ask);
