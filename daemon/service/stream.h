/*
 * The daemon's side of a request's event pipe: it makes the pipe, hands out the ends, writes lines
 * of its own (progress of an installation, the last line when no worker does) and notices when the
 * reader leaves. The write end is non-blocking.
 */
#pragma once

#include <stdbool.h>

typedef struct Stream Stream;

/* -errno when there are no descriptors left. */
int stream_new(Stream **ret);
Stream *stream_free(Stream *stream); /* closes both ends */

/* The read end, the caller's from now on; -1 when it has been taken. */
int stream_take(Stream *stream);
/* The write end, borrowed. */
int stream_write_fd(const Stream *stream);
/* Called once when nobody can read any more. */
void stream_watch(Stream *stream, void (*gone)(void *userdata), void *userdata);

/* One line without its end; dropped when the reader is slow. */
void stream_send(Stream *stream, const char *line);
/* Takes the stream: writes a last line (NULL: none, nor after a worker's) as soon as there is room
 * for it, closes. A reader that makes no room for a minute loses it. */
void stream_end(Stream *stream, const char *line);
