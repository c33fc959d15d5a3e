/*
 * The worker: one loaded model, its scheduler, and the connections that it serves on a listening
 * socket it was given. It lives until it is idle, or told to go. Main thread.
 */
#pragma once

#include <sys/types.h>

#include "worker/connection.h"
#include "worker/failure.h"
#include "worker/model-path.h"
#include "worker/prompt.h"
#include "worker/scheduler.h"

struct WorkerOptions {
    const char *model;  /* path, see model-path.h */
    const char *name;   /* what it is called in Describe and in the log */
    int listen_fd;      /* never closed, shut down or unlinked: the next worker gets it */
    uid_t peer_uid;     /* may connect, like root and ourselves */
    unsigned n_threads; /* 0: as many as the engine likes */
    unsigned n_ctx;     /* 0: the model's */
    unsigned idle_sec;  /* 0: stays */
    unsigned max_sequences, queue;
};

/* Loads, serves, and returns the exit status. */
int worker_run(const struct WorkerOptions *options);

/* ---- For connections and their methods; all there once a connection is ---- */
const char *worker_name(const Worker *self);
Scheduler *worker_scheduler(const Worker *self);
const Prompter *worker_prompter(const Worker *self);
enum PackedState worker_packed(const Worker *self);
/* Why the model could not be loaded: the worker leaves as soon as whoever waits for it has heard
 * it. NULL: it was. */
const struct Failure *worker_failure(const Worker *self);
/* Something was done: not idle. */
void worker_touch(Worker *self);
/* Leaves when control returns to the main loop. */
void worker_stop(Worker *self);
/* Its peer has gone: frees it. */
void worker_remove_connection(Worker *self, Connection *connection);
