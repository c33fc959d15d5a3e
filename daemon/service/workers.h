/*
 * The workers, one for each model that is loaded or wanted, and the calls that wait for them. A
 * call waits in one queue until its model's worker is up and takes it: a few more than it computes,
 * but of one user no more than that. A model that does not fit into the memory budget waits for
 * others to be unloaded. Everything that changes runs through one function, workers.c's pump(),
 * from the main loop.
 */
#pragma once

#include "service/call.h"
#include "service/config.h"
#include "service/model.h"
#include "service/supervisor.h"

typedef struct Workers Workers;

enum UnloadMode {
    UNLOAD_IDLE,  /* ModelInUse when a call runs or waits */
    UNLOAD_WAIT,  /* begins no call and waits for those that run */
    UNLOAD_FORCE, /* cancels its calls */
};
typedef void (*WorkersDone)(const Problem *problem, void *userdata);

/* `supervisor` must outlive it. `changed` is told of a model's new state. */
Workers *workers_new(const struct Config *config, Supervisor *supervisor,
                     void (*changed)(Model *model, void *userdata), void *userdata);
/* Calls are freed without a word. Workers stay, the supervisor decides about them. */
Workers *workers_free(Workers *workers);
void workers_configure(Workers *workers, const struct Config *config);

/* The library's models come and go. A replaced model's waiting calls go to its successor. */
void workers_add(Workers *workers, Model *model);
void workers_remove(Workers *workers, Model *model);

/* Takes the call, on success only; it ends later. Busy: too many wait, or too many of this user's.
 */
int workers_submit(Workers *workers, Model *model, Call *call, Problem *why);
/* Takes the call; it ends with this problem, from the main loop. */
void workers_fail_later(Workers *workers, Call *call, const Problem *problem);
/* It ends soon, with what the worker says or PROBLEM_CANCELLED. */
void workers_cancel(Workers *workers, Call *call);
void workers_unload(Workers *workers, Model *model, enum UnloadMode mode, WorkersDone done,
                    void *userdata);

uint64_t workers_memory_used(const Workers *workers);
unsigned workers_n_active(const Workers *workers);
unsigned workers_n_queued(const Workers *workers);
