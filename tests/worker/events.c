#include "events.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void events_open(struct Events *events, int size, int *ret_write_fd) {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0) abort();
    if (size && fcntl(fds[1], F_SETPIPE_SZ, size) < 0) abort();
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    *events = (struct Events){.fd = fds[0],
                              .bytes = g_string_new(NULL),
                              .text = g_string_new(NULL),
                              .deltas = g_string_new(NULL)};
    *ret_write_fd = fds[1];
}

void events_close(struct Events *events) {
    if (events->fd >= 0) close(events->fd);
    events->fd = -1;
}

void events_clear(struct Events *events) {
    events_close(events);
    g_string_free(events->bytes, TRUE);
    g_string_free(events->text, TRUE);
    g_string_free(events->deltas, TRUE);
    g_clear_pointer(&events->done, json_node_unref);
}

static void line_take(struct Events *events, const char *line, size_t size) {
    JsonNode *node = json_from_string(line, NULL);
    const char *type = NULL;

    if (node && JSON_NODE_HOLDS_OBJECT(node))
        type = json_object_get_string_member(json_node_get_object(node), "type");
    if (!type || events->done || size > 4096) events->n_bad++;
    if (g_strcmp0(type, "delta") == 0) {
        events->n_deltas++;
        g_string_append_printf(events->deltas, "%s\n", line);
        g_string_append(events->text,
                        json_object_get_string_member(json_node_get_object(node), "text"));
    } else if (g_strcmp0(type, "progress") == 0) {
        events->n_progress++;
    } else if (g_strcmp0(type, "done") == 0) {
        events->n_done++;
        if (!events->done) events->done = json_node_ref(node);
    }
    if (node) json_node_unref(node);
}

/* Handles one line that is complete. */
static bool line_next(struct Events *events) {
    GString *bytes = events->bytes;
    char *newline = memchr(bytes->str, '\n', bytes->len);
    if (!newline) return false;
    *newline = '\0';
    size_t size = (size_t)(newline - bytes->str) + 1;
    line_take(events, bytes->str, size);
    g_string_erase(bytes, 0, (gssize)size);
    return true;
}

/* 1: read something; 0: nothing there now; -1: the end. */
static int more_read(struct Events *events) {
    char buffer[4096];
    ssize_t n = read(events->fd, buffer, sizeof buffer);
    if (n > 0) g_string_append_len(events->bytes, buffer, n);
    if (n < 0 && errno == EAGAIN) return 0;
    return n > 0 ? 1 : -1;
}

bool events_next(struct Events *events) {
    while (!line_next(events)) {
        struct pollfd poll_fd = {.fd = events->fd, .events = POLLIN};
        if (poll(&poll_fd, 1, -1) > 0 && more_read(events) < 0) return false;
    }
    return true;
}

void events_drain(struct Events *events) {
    while (more_read(events) > 0) {
    }
    while (line_next(events)) {
    }
}

void events_finish(struct Events *events) {
    while (!events->done && events_next(events)) {
    }
}

static const char *string_member(JsonObject *object, const char *name) {
    return object && json_object_has_member(object, name)
               ? json_object_get_string_member(object, name)
               : "";
}

static JsonObject *object_member(const struct Events *events, const char *name) {
    JsonObject *done = events->done ? json_node_get_object(events->done) : NULL;
    return done && json_object_has_member(done, name) ? json_object_get_object_member(done, name)
                                                      : NULL;
}

const char *events_finish_reason(const struct Events *events) {
    return string_member(events->done ? json_node_get_object(events->done) : NULL, "finish_reason");
}

const char *events_error_name(const struct Events *events) {
    return string_member(object_member(events, "error"), "name");
}

const char *events_error_message(const struct Events *events) {
    return string_member(object_member(events, "error"), "message");
}

int64_t events_usage(const struct Events *events, const char *name) {
    JsonObject *usage = object_member(events, "usage");
    return usage ? json_object_get_int_member(usage, name) : -1;
}
