/*
 * One call to a worker, from the moment it is wanted until it is answered. It waits until its model
 * is loaded and has room, is sent, and is sent again when the worker left without having begun it.
 *
 * Kinds of calls (generation.c, embedding.c, tokens.c) have a Call as the first member of a struct
 * of their own and a CallType. They write the arguments and read the answer; workers.c does the
 * rest.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "service/problem.h"

typedef struct Call Call;
struct Link;
struct Worker;

enum CallPhase { CALL_WAITING, CALL_LOADING, CALL_SENT };

struct CallType {
    const char *method;    /* of org.ryzenllm1.Worker; NULL: it only wants the model loaded */
    bool generates;        /* wants one of the worker's sequences */
    uint64_t timeout_usec; /* from sending; UINT64_MAX: none */
    /* Appends the arguments; may be asked again for a new connection. */
    int (*write)(Call *call, sd_bus_message *message);
    /* Once, unless the service goes before: the answer (NULL for a call without method), or the
     * problem. free() follows. */
    void (*ended)(Call *call, sd_bus_message *answer, const Problem *problem);
    void (*free)(Call *call);
    void (*moved)(Call *call, enum CallPhase phase); /* may be NULL */
};

struct Call {
    const struct CallType *type;
    uid_t uid;   /* UID_NOBODYS: not counted against a user */
    uint64_t id; /* for Cancel; 0: can't be cancelled once it is sent */
    /* the rest is workers.c's and link.c's */
    struct Worker *worker;
    struct Link *link;
    sd_bus_slot *slot;
    enum CallPhase phase;
    bool cancelled;
    bool told; /* the problem is the worker's own answer */
    unsigned n_sent;
    int64_t waiting_since; /* monotonic */
};

#define UID_NOBODYS ((uid_t)-1)

/* A PROBLEM_WORKER_DIED that says that a worker's answer made no sense. */
extern const Problem call_answer_malformed;
