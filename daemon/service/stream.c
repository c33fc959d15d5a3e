#include "service/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "dbus/names.h"
#include "service/limits.h"

struct Stream {
    int read_fd, write_fd;
    guint watch, drain, drain_timer;
    void (*gone)(void *userdata);
    void *userdata;
    char *last_line;
};

int stream_new(Stream **ret) {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0) return -errno;
    /* Only the writing end: the flag belongs to the open file, and each end has its own. */
    if (fcntl(fds[1], F_SETFL, O_WRONLY | O_NONBLOCK) < 0) {
        int r = -errno;
        close(fds[0]);
        close(fds[1]);
        return r;
    }
    Stream *stream = g_new0(Stream, 1);
    stream->read_fd = fds[0];
    stream->write_fd = fds[1];
    *ret = stream;
    return 0;
}

Stream *stream_free(Stream *stream) {
    if (!stream) return NULL;
    g_clear_handle_id(&stream->watch, g_source_remove);
    g_clear_handle_id(&stream->drain, g_source_remove);
    g_clear_handle_id(&stream->drain_timer, g_source_remove);
    if (stream->read_fd >= 0) close(stream->read_fd);
    close(stream->write_fd);
    g_free(stream->last_line);
    g_free(stream);
    return NULL;
}

int stream_take(Stream *stream) {
    int fd = stream->read_fd;
    stream->read_fd = -1;
    return fd;
}

int stream_write_fd(const Stream *stream) {
    return stream->write_fd;
}

static gboolean on_gone(int fd, GIOCondition condition, void *userdata) {
    Stream *stream = userdata;
    stream->watch = 0;
    stream->gone(stream->userdata);
    return G_SOURCE_REMOVE;
}

void stream_watch(Stream *stream, void (*gone)(void *userdata), void *userdata) {
    stream->gone = gone;
    stream->userdata = userdata;
    stream->watch = g_unix_fd_add(stream->write_fd, G_IO_ERR, on_gone, stream);
}

/* -EAGAIN: no room for the whole line now. Lines are short enough to be atomic. */
static int line_write(Stream *stream, const char *line) {
    g_autofree char *text = g_strconcat(line, "\n", NULL);
    size_t length = strlen(text);
    if (length > STREAM_LINE_MAX) return -E2BIG;
    ssize_t n;
    do n = write(stream->write_fd, text, length);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

void stream_send(Stream *stream, const char *line) {
    line_write(stream, line);
}

static gboolean on_room(int fd, GIOCondition condition, void *userdata) {
    Stream *stream = userdata;
    if (line_write(stream, stream->last_line) == -EAGAIN) return G_SOURCE_CONTINUE;
    stream->drain = 0;
    stream_free(stream);
    return G_SOURCE_REMOVE;
}

static gboolean on_drain_timeout(void *userdata) {
    Stream *stream = userdata;
    stream->drain_timer = 0;
    stream_free(stream);
    return G_SOURCE_REMOVE;
}

/* Whether a worker has written the last line. */
static bool is_told(const Stream *stream) {
    int flags = fcntl(stream->write_fd, F_GETFL);
    return flags >= 0 && flags & STREAM_TOLD_FLAG;
}

void stream_end(Stream *stream, const char *line) {
    g_clear_handle_id(&stream->watch, g_source_remove);
    if (!line || is_told(stream) || line_write(stream, line) != -EAGAIN) {
        stream_free(stream);
        return;
    }
    stream->last_line = g_strdup(line);
    stream->drain = g_unix_fd_add(stream->write_fd, G_IO_OUT | G_IO_ERR, on_room, stream);
    stream->drain_timer = g_timeout_add(STREAM_DRAIN_MSEC, on_drain_timeout, stream);
}
