/*
 * The scheduler: one compute thread that owns the engine, all sequences and all streams, and runs
 * one step after the other for whoever is there (stepper.h).
 *
 * max_sequences jobs compute at once; more wait in order, but for a namespace that has fewer
 * resident than another, whose first job goes first. One of which none is gets a place besides,
 * so that nobody waits for others' answers to end. A job whose reader does not read is parked and
 * computes no longer. Places besides and parked jobs are as many again at most; past that the one
 * that was parked longest gives way. Within a step those who generate have a token each, and
 * prompts share by namespace (stepper.h).
 *
 * A job ends as cancelled when it is asked to, or when its reader has gone, be it queued, parked
 * or computing: at the end of the running step, which is cut to a time (stepper.h), and where
 * somebody new begins, too. Its last line waits for a slow reader, for a limited time.
 *
 * All functions are for the main thread, and so are the callbacks.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "engine/engine.h"
#include "worker/draft.h"
#include "worker/job.h"

typedef struct Scheduler Scheduler;

struct SchedulerOptions {
    unsigned max_sequences, queue;
    gint64 parked_grace_usec, parked_max_usec; /* see limits.h */

    /* On the compute thread, which is to own the engines. `ret_draft`: of a draft model, or left
     * alone. */
    int (*open)(void *userdata, Engine **ret, Engine **ret_draft, Reason *why);
    /* The engine is there, or it failed (r < 0) and the thread has ended. */
    void (*opened)(void *userdata, int r, const Reason *why);
    void *userdata;
};

/* Starts the thread. NULL: no descriptor was left. */
Scheduler *scheduler_new(const struct SchedulerOptions *options, GMainContext *context);
/* Ends all jobs as cancelled after the running step, calls their finished(), and joins the thread.
 * Accepts NULL. */
void scheduler_free(Scheduler *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Scheduler, scheduler_free)

/* For what is constant in it: info, tokenizer. NULL before it was opened. */
const Engine *scheduler_engine(const Scheduler *self);
/* For generation_new(). */
struct Drafting *scheduler_drafting(Scheduler *self);
/* Takes all jobs of one call, or -EBUSY: the queue, which counts calls, is full. */
int scheduler_submit(Scheduler *self, struct Job **jobs, size_t n);
/* Of a job that was submitted and has not come back. */
void scheduler_cancel(Scheduler *self, struct Job *job);
unsigned scheduler_n_jobs(const Scheduler *self); /* submitted and not come back */
struct Load scheduler_load(Scheduler *self);
/* Whether the compute thread has moved since the last call. */
bool scheduler_is_alive(Scheduler *self);
