/*
 * A request's event stream (see org.ryzenllm1.Manager.xml), read from its pipe by the main loop and
 * told one event at a time. The last event is always EVENT_DONE: when the stream breaks off or is
 * not what it should be, one with an error is made up.
 */
#pragma once

#include <stddef.h>

#include "service/request.h"

struct _JsonArray;
struct _JsonNode;

enum EventType { EVENT_DELTA, EVENT_DONE };

struct Event {
    enum EventType type;
    const char *text;            /* of a delta */
    struct _JsonArray *logprobs; /* of a delta: its tokens; NULL: not asked for */
    /* of the end: `problem` is set when the reason is FINISH_ERROR */
    enum FinishReason finish;
    struct Usage usage;
    Problem problem;
};

typedef struct EventReader EventReader;
typedef void (*EventHandler)(const struct Event *event, void *userdata);

/* Takes `fd`. The handler may free the reader. */
EventReader *event_reader_new(int fd, EventHandler handler, void *userdata);
/* Closes the pipe, which cancels a request that still runs. */
EventReader *event_reader_free(EventReader *reader);
/* While paused nothing is read, and the writer stalls at a full pipe. A few events that were read
 * already may still come. */
void event_reader_pause(EventReader *reader);
void event_reader_resume(EventReader *reader);

/* One line, without its newline. 0: `ret` is filled and `*ret_node` (json_node_unref() it) keeps
 * its text; 1: an event to be ignored; -1: not an event. */
int event_parse(const char *line, size_t size, struct Event *ret, struct _JsonNode **ret_node);
