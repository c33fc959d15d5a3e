/*
 * The reading end of a request's event stream: bytes of a pipe into events, in the default main
 * context.
 */
#pragma once

#include <glib.h>

#include "client/event.h"

typedef struct Stream Stream;

struct StreamHandlers {
    /* The event is valid during the call. */
    void (*event)(const struct Event *event, void *userdata);
    /* The last call. 0: after "done"; -EPIPE: it ended without; -EBADMSG: not a stream of events;
     * or another -errno of read(). */
    void (*ended)(int r, void *userdata);
};

/* Takes the descriptor. Handlers must not free the stream. */
Stream *stream_new(int fd, const struct StreamHandlers *handlers, void *userdata);
/* Closes it, which cancels a request that still runs. */
void stream_free(Stream *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Stream, stream_free)
