#include "worker/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dbus/names.h"

struct Stream {
    int fd;
    enum StreamState state;
    bool ends;        /* the last line was written, or waits */
    GString *waiting; /* whole lines */
};

/* A descriptor opened for reading too would keep the pipe alive without its reader. */
static int fd_check(int fd) {
    struct stat status;
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fstat(fd, &status) < 0) return -errno;
    return S_ISFIFO(status.st_mode) && (flags & O_ACCMODE) == O_WRONLY ? flags : -EINVAL;
}

int stream_new(int fd, Stream **ret) {
    int flags = fd_check(fd);
    if (flags < 0) return flags;
    if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return -errno;
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0) return -errno;

    Stream *self = g_new(Stream, 1);
    *self = (Stream){.fd = copy, .state = STREAM_OPEN, .waiting = g_string_new(NULL)};
    *ret = self;
    return 0;
}

void stream_free(Stream *self) {
    if (!self) return;
    close(self->fd);
    g_string_free(self->waiting, TRUE);
    g_free(self);
}

int stream_fd(const Stream *self) {
    return self->fd;
}

enum StreamState stream_state(const Stream *self) {
    return self->state;
}

void stream_lost(Stream *self) {
    g_string_truncate(self->waiting, 0);
    self->state = STREAM_GONE;
}

/* Up to and with the first newline. */
static gsize line_size(const GString *lines, gsize from) {
    const char *start = lines->str + from;
    const char *newline = memchr(start, '\n', lines->len - from);
    return newline ? (gsize)(newline - start) + 1 : lines->len - from;
}

/* A failure is no worse than dying before this. */
static void mark_told(const Stream *self) {
    (void)fcntl(self->fd, F_SETFL, O_NONBLOCK | STREAM_TOLD_FLAG);
}

enum StreamState stream_flush(Stream *self) {
    GString *waiting = self->waiting;
    gsize n_written = 0;

    if (self->state == STREAM_GONE) return self->state;
    self->state = STREAM_OPEN;
    while (n_written < waiting->len && self->state == STREAM_OPEN) {
        gssize n = write(self->fd, waiting->str + n_written, line_size(waiting, n_written));
        if (n >= 0)
            n_written += (gsize)n;
        else if (errno == EAGAIN)
            self->state = STREAM_FULL;
        else if (errno != EINTR)
            self->state = STREAM_GONE;
    }
    g_string_erase(waiting, 0, self->state == STREAM_GONE ? -1 : (gssize)n_written);
    if (self->ends && waiting->len == 0) mark_told(self);
    return self->state;
}

enum StreamState stream_end(Stream *self, const GString *lines) {
    self->ends = true;
    return stream_write(self, lines);
}

enum StreamState stream_write(Stream *self, const GString *lines) {
    if (self->state == STREAM_GONE || lines->len == 0) return self->state;
    g_string_append_len(self->waiting, lines->str, (gssize)lines->len);
    return stream_flush(self);
}
