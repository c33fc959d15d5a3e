/*
 * Who starts workers. One of two drivers: systemd, which holds a socket for each model and starts a
 * unit on the first connection, or the daemon itself (spawn), which does the same by hand where no
 * systemd manages the machine. Workers can't tell the difference.
 *
 * Nothing blocks; every callback comes once, from the main loop, unless the supervisor is freed
 * before.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "service/config.h"
#include "service/problem.h"

typedef struct Supervisor Supervisor;

/* How a worker ended. */
enum EndKind {
    END_UNKNOWN,
    END_EXITED,
    END_KILLED,
    END_FAILED, /* to start, it is not known how */
};
struct WorkerEnd {
    enum EndKind kind;
    int code;        /* exit status or signal */
    char words[192]; /* the last it said on standard error; may be empty */
};

/* `fd`: a connected socket, the callee's from now on; -1: see the problem. */
typedef void (*SupervisorConnected)(int fd, const Problem *problem, void *userdata);
typedef void (*SupervisorRemoved)(void *userdata);
typedef void (*SupervisorExplained)(const struct WorkerEnd *end, void *userdata);
/* A line that the packer wrote; NULL: it has ended, well when `end` says EXITED with 0. */
typedef void (*SupervisorPacking)(const char *line, const struct WorkerEnd *end, void *userdata);

/* What a driver does; see the functions below. */
struct SupervisorDriver {
    const char *name;
    void (*free)(Supervisor *supervisor);
    void (*configure)(Supervisor *supervisor, const struct Config *config);
    int (*add)(Supervisor *supervisor, const char *model, const char *directory, Problem *why);
    void (*remove)(Supervisor *supervisor, const char *model, SupervisorRemoved done,
                   void *userdata);
    void (*connect)(Supervisor *supervisor, const char *model, SupervisorConnected done,
                    void *userdata);
    void (*explain)(Supervisor *supervisor, const char *model, SupervisorExplained done,
                    void *userdata);
    void (*kill)(Supervisor *supervisor, const char *model);
    int (*pack)(Supervisor *supervisor, const char *model, const char *directory,
                SupervisorPacking packing, void *userdata, Problem *why);
    void (*pack_cancel)(Supervisor *supervisor, const char *model);
};
struct Supervisor {
    const struct SupervisorDriver *driver;
};

/* As Supervisor= says; "auto" is systemd where it manages this machine and we run as a unit of it.
 */
int supervisor_new(const struct Config *config, Supervisor **ret, Problem *why);
int supervisor_new_spawn(const struct Config *config, Supervisor **ret, Problem *why);
int supervisor_new_systemd(const struct Config *config, Supervisor **ret, Problem *why);
/* Ends the workers that the daemon itself started. */
Supervisor *supervisor_free(Supervisor *supervisor);
/* A changed configuration, for workers that start from now on. */
void supervisor_configure(Supervisor *supervisor, const struct Config *config);

/* From now on the model can be connected to, with what `directory` holds now: again for one that
 * was replaced while it had no worker. A failure is also what connecting will say. */
int supervisor_add(Supervisor *supervisor, const char *model, const char *directory, Problem *why);
/* It can't be connected to any more; it has no worker. `done` (may be NULL) may be called at once.
 * One that is not known is fine. */
void supervisor_remove(Supervisor *supervisor, const char *model, SupervisorRemoved done,
                       void *userdata);
/* Connecting is what loads a model. A worker that fails to start closes the connection. */
void supervisor_connect(Supervisor *supervisor, const char *model, SupervisorConnected done,
                        void *userdata);
/* How the model's worker ended, once it is known or EXPLAIN_TIMEOUT_MSEC have passed. */
void supervisor_explain(Supervisor *supervisor, const char *model, SupervisorExplained done,
                        void *userdata);
/* The last resort for a worker that hangs. */
void supervisor_kill(Supervisor *supervisor, const char *model);
/* Packs the model whose files lie in `directory`, which library_stage() made, as its install.json
 * wants, one at a time for a model. */
int supervisor_pack(Supervisor *supervisor, const char *model, const char *directory,
                    SupervisorPacking packing, void *userdata, Problem *why);
/* Ends it; `packing` still comes with the end. */
void supervisor_pack_cancel(Supervisor *supervisor, const char *model);

/* "was killed by signal 9 (Killed)", "ended with status 1: can't map the file". */
char *worker_end_describe(const struct WorkerEnd *end);
