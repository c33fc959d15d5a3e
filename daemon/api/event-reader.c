#include "api/event-reader.h"

#include <errno.h>
#include <glib-unix.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "api/json-body.h"
#include "api/limits.h"

struct EventReader {
    int fd;
    EventHandler handler;
    void *userdata;
    unsigned source;
    bool done;
    bool *freed; /* set while a handler runs */
    size_t n;
    char buffer[EVENT_LINE_MAX];
};

/* ---- One line ---- */

static const char *get_string(JsonObject *object, const char *name) {
    JsonNode *node = json_object_get_member(object, name);
    bool is_string =
        node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING;
    return is_string ? json_node_get_string(node) : NULL;
}

static uint64_t get_count(JsonObject *object, const char *name) {
    gint64 count = json_object_get_int_member_with_default(object, name, 0);
    return count > 0 ? (uint64_t)count : 0;
}

static JsonObject *get_object(JsonObject *object, const char *name) {
    JsonNode *node = json_object_get_member(object, name);
    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static JsonArray *get_array(JsonObject *object, const char *name) {
    JsonNode *node = json_object_get_member(object, name);
    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

static void parse_usage(JsonObject *usage, struct Usage *ret) {
    if (!usage) return;
    *ret = (struct Usage){
        .prompt_tokens = get_count(usage, "prompt_tokens"),
        .cached_tokens = get_count(usage, "cached_tokens"),
        .completion_tokens = get_count(usage, "completion_tokens"),
        .drafted_tokens = get_count(usage, "drafted_tokens"),
        .accepted_tokens = get_count(usage, "accepted_tokens"),
    };
}

static void parse_error(JsonObject *error, Problem *ret) {
    const char *name = error ? get_string(error, "name") : NULL;
    const char *text = error ? get_string(error, "message") : NULL;
    problem_set(ret, name ? problem_from_name(name) : PROBLEM_FAILED, "%s",
                text ? text : "The generation failed.");
}

static int parse_done(JsonObject *object, struct Event *ret) {
    static const struct {
        const char *name;
        enum FinishReason reason;
    } reasons[] = {{"stop", FINISH_STOP},
                   {"length", FINISH_LENGTH},
                   {"cancelled", FINISH_CANCELLED},
                   {"error", FINISH_ERROR}};
    const char *name = get_string(object, "finish_reason");
    for (size_t i = 0; name && i < G_N_ELEMENTS(reasons); i++) {
        if (strcmp(name, reasons[i].name) != 0) continue;
        *ret = (struct Event){.type = EVENT_DONE, .finish = reasons[i].reason};
        parse_usage(get_object(object, "usage"), &ret->usage);
        if (ret->finish == FINISH_ERROR) parse_error(get_object(object, "error"), &ret->problem);
        return 0;
    }
    return -1;
}

int event_parse(const char *line, size_t size, struct Event *ret, JsonNode **ret_node) {
    g_autoptr(JsonNode) node = json_body_parse(line, size, NULL);
    if (!node || !JSON_NODE_HOLDS_OBJECT(node)) return -1;
    JsonObject *object = json_node_get_object(node);
    const char *type = get_string(object, "type");
    if (!type) return -1;

    int r = 1;
    if (strcmp(type, "done") == 0) {
        r = parse_done(object, ret);
    } else if (strcmp(type, "delta") == 0) {
        *ret = (struct Event){.type = EVENT_DELTA,
                              .text = get_string(object, "text"),
                              .logprobs = get_array(object, "logprobs")};
        r = ret->text ? 0 : -1;
    }
    if (r == 0) *ret_node = g_steal_pointer(&node);
    return r;
}

/* ---- The pipe ---- */

/* false when the handler freed the reader. */
static bool tell(EventReader *reader, const struct Event *event) {
    bool freed = false;
    reader->freed = &freed;
    reader->done |= event->type == EVENT_DONE;
    reader->handler(event, reader->userdata);
    if (!freed) reader->freed = NULL;
    return !freed;
}

static bool tell_broken(EventReader *reader) {
    struct Event event = {.type = EVENT_DONE, .finish = FINISH_ERROR};
    problem_set(&event.problem, PROBLEM_WORKER_DIED, "The model's process ended the answer early.");
    return tell(reader, &event);
}

static bool tell_line(EventReader *reader, const char *line, size_t size) {
    g_autoptr(JsonNode) node = NULL;
    struct Event event;
    int r = event_parse(line, size, &event, &node);
    if (r < 0) return tell_broken(reader);
    return r > 0 || tell(reader, &event);
}

/* Tells all whole lines of the buffer. */
static bool tell_lines(EventReader *reader) {
    size_t start = 0;
    const char *newline;
    while (!reader->done &&
           (newline = memchr(reader->buffer + start, '\n', reader->n - start)) != NULL) {
        size_t size = (size_t)(newline - reader->buffer) - start;
        if (!tell_line(reader, reader->buffer + start, size)) return false;
        start += size + 1;
    }
    reader->n -= start;
    memmove(reader->buffer, reader->buffer + start, reader->n);
    if (!reader->done && reader->n == sizeof reader->buffer) return tell_broken(reader);
    return true;
}

static gboolean readable(gint fd, GIOCondition condition, gpointer userdata) {
    EventReader *reader = userdata;
    ssize_t n = read(fd, reader->buffer + reader->n, sizeof reader->buffer - reader->n);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return G_SOURCE_CONTINUE;
    bool alive;
    if (n > 0) {
        reader->n += (size_t)n;
        alive = tell_lines(reader);
    } else {
        alive = tell_broken(reader);
    }
    if (!alive) return G_SOURCE_REMOVE; /* the source went with the reader */
    if (!reader->done) return G_SOURCE_CONTINUE;
    reader->source = 0;
    return G_SOURCE_REMOVE;
}

EventReader *event_reader_new(int fd, EventHandler handler, void *userdata) {
    EventReader *reader = g_new0(EventReader, 1);
    reader->fd = fd;
    reader->handler = handler;
    reader->userdata = userdata;
    g_unix_set_fd_nonblocking(fd, TRUE, NULL);
    event_reader_resume(reader);
    return reader;
}

EventReader *event_reader_free(EventReader *reader) {
    if (!reader) return NULL;
    if (reader->freed) *reader->freed = true;
    event_reader_pause(reader);
    close(reader->fd);
    g_free(reader);
    return NULL;
}

void event_reader_pause(EventReader *reader) {
    g_clear_handle_id(&reader->source, g_source_remove);
}

void event_reader_resume(EventReader *reader) {
    if (!reader->source && !reader->done)
        reader->source = g_unix_fd_add(reader->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, readable, reader);
}
