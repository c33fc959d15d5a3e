/*
 * The connection to one loaded model's worker: peer-to-peer D-Bus over its socket. It first asks
 * the worker to describe itself; that it answers is what "loaded" means.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "service/call.h"
#include "service/model.h"
#include "service/problem.h"

typedef struct Link Link;

/* What the worker says of itself. */
struct LinkDescription {
    uint64_t memory_bytes;
    enum ModelPacked packed;
};

struct LinkEvents {
    /* The worker serves, or says why it can't. */
    void (*ready)(const struct LinkDescription *description, void *userdata);
    void (*refused)(const Problem *why, void *userdata);
    void (*answered)(Call *call, sd_bus_message *answer, const Problem *problem, void *userdata);
    /* It will begin no call that is unanswered; the connection is lost soon. */
    void (*closing)(void *userdata);
    /* Once, the last event. Unanswered calls stay unanswered. */
    void (*lost)(void *userdata);
};

/* Takes the connected socket, also on failure (-errno). */
int link_new(int fd, const struct LinkEvents *events, void *userdata, Link **ret);
Link *link_free(Link *link);

/* 0: sent. 1: the connection is going down and nothing was sent; "lost" follows. -errno: this call
 * can't be sent. */
int link_send(Link *link, Call *call);
/* No more answer for this call. */
void link_forget(Link *link, Call *call);
/* Ends a generation early; its answer comes as usual. */
void link_cancel(Link *link, uint64_t id);
/* Ends the worker; "lost" follows. */
void link_exit(Link *link);
