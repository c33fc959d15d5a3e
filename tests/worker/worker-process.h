/*
 * A real ryzen-llm-worker, started as systemd does: a listening socket, a notification socket, an
 * environment. The program is the one that RYZEN_LLM_WORKER names.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "fake-model.h"

struct WorkerProcess {
    char *directory;                    /* of its own, removed at the end */
    char *model;                        /* DIRECTORY/model.gguf */
    bool watchdog;                      /* to be fed every 0.2 s */
    pid_t pid;                          /* 0: waited for */
    int listen_fd, notify_fd, error_fd; /* error_fd: what it writes to stderr */
};

/* NULL: not named, or not there. Then there is nothing to test. */
const char *worker_program(void);
/* A directory with a model file; `model` may be NULL: none. */
void worker_prepare(struct WorkerProcess *worker, const struct FakeModel *model);
/* Starts it with --model and these arguments (NULL-terminated, may be NULL). Can be called again
 * when the one before has ended. */
void worker_start(struct WorkerProcess *worker, const char *const *arguments);
/* Both of them. */
void worker_launch(struct WorkerProcess *worker, const struct FakeModel *model,
                   const char *const *arguments);
/* A connection, as the daemon makes it. */
sd_bus *worker_connect(struct WorkerProcess *worker);
/* Waits until it says this to systemd. False: it ended before. */
bool worker_wait_notify(struct WorkerProcess *worker, const char *what);
/* Waits for its end; the exit status, or -signal. */
int worker_wait(struct WorkerProcess *worker);
/* What it wrote to stderr, once it has ended; g_free() it. */
char *worker_stderr(struct WorkerProcess *worker);
/* Ends what still runs, aborts if it does not end well, and cleans up. */
void worker_clear(struct WorkerProcess *worker);

/* The program alone, with its stdout on `stdout_fd` (-1: /dev/null): for --pack. */
pid_t worker_run_program(const char *const *arguments, int stdout_fd);
