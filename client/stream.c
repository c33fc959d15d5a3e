#include "client/stream.h"

#include <errno.h>
#include <glib-unix.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

struct Stream {
    int fd;
    guint source; /* 0: ended */
    const struct StreamHandlers *handlers;
    void *userdata;
    size_t n_held; /* bytes of a line that is not complete */
    char held[EVENT_LINE_MAX];
};

static void stream_end(Stream *stream, int r) {
    stream->source = 0; /* its callback returns G_SOURCE_REMOVE */
    stream->handlers->ended(r, stream->userdata);
}

/* 0, 1 after "done", -EBADMSG. */
static int line_handle(Stream *stream, const char *line, size_t length) {
    struct Event event;
    int r = event_parse(line, length, &event);
    if (r < 0) return r;
    stream->handlers->event(&event, stream->userdata);
    r = event.type == EVENT_DONE;
    event_done(&event);
    return r;
}

/* Handles the lines that are complete and keeps the rest. */
static int lines_handle(Stream *stream) {
    const char *at = stream->held, *end = stream->held + stream->n_held, *newline;
    while ((newline = memchr(at, '\n', (size_t)(end - at)))) {
        int r = line_handle(stream, at, (size_t)(newline - at));
        if (r != 0) return r;
        at = newline + 1;
    }
    stream->n_held = (size_t)(end - at);
    memmove(stream->held, at, stream->n_held);
    return stream->n_held == sizeof stream->held ? -EBADMSG : 0;
}

static gboolean readable(int fd, GIOCondition condition, void *userdata) {
    Stream *stream = userdata;
    /* One read for each wake-up: it cannot block, whatever the descriptor's mode. */
    ssize_t n = read(fd, stream->held + stream->n_held, sizeof stream->held - stream->n_held);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return G_SOURCE_CONTINUE;
    if (n <= 0) {
        stream_end(stream, n < 0 ? -errno : -EPIPE);
        return G_SOURCE_REMOVE;
    }
    stream->n_held += (size_t)n;
    int r = lines_handle(stream);
    if (r == 0) return G_SOURCE_CONTINUE;
    stream_end(stream, MIN(r, 0));
    return G_SOURCE_REMOVE;
}

Stream *stream_new(int fd, const struct StreamHandlers *handlers, void *userdata) {
    Stream *stream = g_new0(Stream, 1);
    stream->fd = fd;
    stream->handlers = handlers;
    stream->userdata = userdata;
    stream->source = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP | G_IO_ERR, readable, stream);
    return stream;
}

void stream_free(Stream *stream) {
    if (!stream) return;
    if (stream->source) g_source_remove(stream->source);
    close(stream->fd);
    g_free(stream);
}
