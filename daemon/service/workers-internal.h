/*
 * What workers.c (the queue and the budget) and worker.c (one worker's life) share.
 */
#pragma once

#include <glib.h>

#include "service/library.h"
#include "service/link.h"
#include "service/workers.h"

struct RefusedCall {
    Call *call;
    Problem problem;
};

struct UnloadWaiter {
    WorkersDone done;
    void *userdata;
    Problem problem;
};

/* A worker's life. Only READY takes calls. */
enum WorkerPhase {
    WORKER_AWAY,
    WORKER_CONNECTING, /* the supervisor has been asked */
    WORKER_DESCRIBING, /* connected; it loads */
    WORKER_READY,
    WORKER_LEAVING,    /* said Closing, or was told to exit */
    WORKER_EXPLAINING, /* has died; the supervisor finds out how */
};

typedef struct Worker {
    Workers *workers;
    char *name;
    Model *model; /* NULL: removed, or about to be replaced */
    enum WorkerPhase phase;
    Link *link;
    GQueue sent;           /* calls without an answer */
    unsigned n_generating; /* of those, how many compute or wait for it */
    unsigned n_places;     /* MaxSequences= when it was started */
    int64_t last_used;     /* monotonic */
    bool retiring;         /* begins no call; exits when idle */
    GArray *unload_waiters;
    guint timer;         /* of loading or leaving */
    unsigned n_restless; /* workers in a row that left before they served */
    bool serving;        /* it was READY before it died */
    /* after failures to start */
    unsigned n_failures;
    int64_t not_before; /* monotonic */
    Problem failure;
} Worker;

struct Workers {
    struct Config config;
    Supervisor *supervisor;
    GHashTable *by_name;   /* -> Worker, owned */
    GQueue waiting;        /* calls, first come first */
    GQueue unload_replies; /* UnloadWaiters to be told from the main loop */
    GQueue refused;        /* RefusedCalls likewise */
    guint pump_source, retry_source;
    void (*changed)(Model *model, void *userdata);
    void *userdata;
};

/* Something has changed: look at the queue again, soon. */
void workers_kick(Workers *workers);
/* Ends a call that is neither waiting nor sent any more. */
void workers_end_call(Call *call, sd_bus_message *answer, const Problem *problem);
/* Ends the waiting calls of one worker. */
void workers_fail_waiting(Workers *workers, const Worker *worker, const Problem *problem);
/* Back to the head of the queue, in the order in which they were sent. */
void workers_requeue(Workers *workers, GQueue *calls);

Worker *worker_new(Workers *workers, const char *name);
void worker_free(Worker *worker);
void worker_start(Worker *worker);
/* 0, or 1 when it is going down and the call must wait. A call that can't be sent ends here. */
int worker_send(Worker *worker, Call *call);
/* Ends one that is READY; else nothing. */
void worker_exit(Worker *worker);
/* Begins no call any more, and exits when those that run have ended; in a hurry it is killed when
 * that takes long. */
void worker_retire(Worker *worker, bool hurry);
/* Nothing runs in it. */
bool worker_is_idle(const Worker *worker);
