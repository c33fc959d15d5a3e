/*
 * ryzen-llmd.conf: an ini file, its drop-ins (ryzen-llmd.conf.d/NAME.conf, in order of name) and
 * the command line on top. One table row an option (config.c); ryzen-llmd.conf(5) documents the
 * same rows.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "service/problem.h"

struct Config {
    /* [Service] */
    char *default_model;      /* DefaultModel=: "" is the first installed one */
    char **model_directories; /* ModelDirectories=: searched in order; the first that is writable
                                 takes new models */
    char *runtime_directory;  /* RuntimeDirectory=: sockets of models */
    char *worker;             /* WorkerExecutable=: for the supervisor that spawns */
    char *supervisor;         /* Supervisor=: "auto", "systemd", "spawn" */
    /* [Limits] */
    uint64_t
        memory_budget; /* MemoryBudget=: bytes with K, M, G, T, or N% of the memory; default 75% */
    uint64_t idle_timeout_usec; /* IdleTimeoutSec=: unload after; 0 is never; default 5min */
    uint32_t max_queued;        /* MaxQueuedRequests=: default 64 */
    uint32_t max_per_user;      /* MaxRequestsPerUser=: running and waiting; default 16 */
    uint32_t max_sequences;     /* MaxSequences=: together in one worker; default 8 */
    uint32_t threads;           /* Threads=: of one worker; 0 is one a physical core */
    uint32_t context;           /* ContextLength=: most tokens; 0 is the model's own */
    /* [HTTP] */
    char *api_key_file; /* ApiKeyFile=: one key a line, for TCP */
};

/* Built-in defaults for the system service, or for one user (--user: XDG directories). */
void config_init(struct Config *config, bool user);
void config_done(struct Config *config);
/* A deep copy. */
void config_copy(const struct Config *from, struct Config *ret);
/* For a worker, which counts whole seconds: rounded up, since 0 is never. */
uint64_t config_idle_sec(const struct Config *config);
/* Reads `path` and its drop-ins; a missing file is fine. A wrong line is a problem that names file,
 * line and what was expected. */
int config_load(struct Config *config, const char *path, Problem *why);
/* One assignment, as from `--set Limits.Threads=4` on the command line. */
int config_assign(struct Config *config, const char *section, const char *key, const char *value,
                  Problem *why);
