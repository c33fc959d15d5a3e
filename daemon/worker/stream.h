/*
 * The event stream of one generation: the write end of a pipe whose reader may be slow or gone.
 *
 * Lines go into the pipe one by one, whole or not at all. When the pipe is full they wait here, and
 * who writes is expected to stop until the reader has caught up: then no more than the events of
 * one token ever wait. Owned and used by one thread at a time.
 */
#pragma once

#include <glib.h>

typedef struct Stream Stream;

enum StreamState {
    STREAM_OPEN, /* everything was written */
    STREAM_FULL, /* lines wait: poll for POLLOUT, then stream_flush() */
    STREAM_GONE, /* nobody reads any more: all that is and was waiting is dropped */
};

/* Duplicates `fd` and makes it non-blocking, which the one who passed it sees. -EINVAL: not the
 * write end of a pipe. */
int stream_new(int fd, Stream **ret);
void stream_free(Stream *self); /* closes; accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Stream, stream_free)

int stream_fd(const Stream *self); /* for poll(): POLLERR says that the reader has gone */
enum StreamState stream_state(const Stream *self);

/* Writes whole lines, or keeps them. */
enum StreamState stream_write(Stream *self, const GString *lines);
/* The same for the last ones; marks the pipe once they are in it (STREAM_TOLD_FLAG). */
enum StreamState stream_end(Stream *self, const GString *lines);
enum StreamState stream_flush(Stream *self);
/* poll() said that the reader has gone. */
void stream_lost(Stream *self);
