/*
 * What a test reads from an event stream.
 */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>

struct Events {
    int fd;          /* read end of the pipe; -1: closed */
    GString *bytes;  /* read, but not a whole line yet */
    GString *text;   /* of all deltas */
    GString *deltas; /* their lines */
    unsigned n_deltas, n_progress, n_done;
    unsigned n_bad; /* lines that are too long, not JSON, or come after "done" */
    JsonNode *done; /* the last line */
};

/* Makes a pipe; `*ret_write_fd` is the end to give away. `size` (0: the usual) is the pipe's. */
void events_open(struct Events *events, int size, int *ret_write_fd);
void events_close(struct Events *events); /* the read end only */
void events_clear(struct Events *events);

/* Waits for the next line. False: the end of the stream. */
bool events_next(struct Events *events);
/* Takes what is there, without waiting. */
void events_drain(struct Events *events);
/* Waits until "done" or the end of the stream. */
void events_finish(struct Events *events);
/* "" when there is none */
const char *events_finish_reason(const struct Events *events);
const char *events_error_name(const struct Events *events);
const char *events_error_message(const struct Events *events);
int64_t events_usage(const struct Events *events, const char *name);
