#include "client/event.h"

#include <errno.h>
#include <glib.h>

static const struct Member {
    const char *name;
    size_t offset;
} usage_members[] =
    {
        {"prompt_tokens", offsetof(struct Usage, prompt_tokens)},
        {"cached_tokens", offsetof(struct Usage, cached_tokens)},
        {"completion_tokens", offsetof(struct Usage, completion_tokens)},
        {"drafted_tokens", offsetof(struct Usage, drafted_tokens)},
        {"accepted_tokens", offsetof(struct Usage, accepted_tokens)},
},
  timings_members[] = {
      {"queue_ms", offsetof(struct Timings, queue_ms)},
      {"prompt_ms", offsetof(struct Timings, prompt_ms)},
      {"generate_ms", offsetof(struct Timings, generate_ms)},
      {"prompt_per_second", offsetof(struct Timings, prompt_per_second)},
      {"tokens_per_second", offsetof(struct Timings, tokens_per_second)},
};

static const struct {
    const char *name;
    enum EventType type;
} types[] = {{"delta", EVENT_DELTA},
             {"progress", EVENT_PROGRESS},
             {"requantised", EVENT_REQUANTISED},
             {"done", EVENT_DONE}};

const char *event_string(JsonObject *object, const char *name) {
    JsonNode *node = json_object_get_member(object, name);
    if (!node || !JSON_NODE_HOLDS_VALUE(node)) return "";
    return json_node_get_value_type(node) == G_TYPE_STRING ? json_node_get_string(node) : "";
}

double event_number(JsonObject *object, const char *name) {
    JsonNode *node = json_object_get_member(object, name);
    if (!node || !JSON_NODE_HOLDS_VALUE(node)) return 0;
    GType type = json_node_get_value_type(node);
    return type == G_TYPE_INT64 || type == G_TYPE_DOUBLE ? json_node_get_double(node) : 0;
}

static uint64_t member_count(JsonObject *object, const char *name) {
    double number = event_number(object, name);
    return number >= 0 && number < 0x1p63 ? (uint64_t)number : 0;
}

static JsonObject *member_object(JsonObject *object, const char *name) {
    JsonNode *node = json_object_get_member(object, name);
    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static void usage_read(JsonObject *object, struct Usage *ret) {
    for (size_t i = 0; object && i < G_N_ELEMENTS(usage_members); i++)
        *(uint64_t *)((char *)ret + usage_members[i].offset) =
            member_count(object, usage_members[i].name);
}

static void timings_read(JsonObject *object, struct Timings *ret) {
    for (size_t i = 0; object && i < G_N_ELEMENTS(timings_members); i++)
        *(double *)((char *)ret + timings_members[i].offset) =
            event_number(object, timings_members[i].name);
}

static enum EventType type_find(const char *name) {
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++)
        if (g_str_equal(types[i].name, name)) return types[i].type;
    return EVENT_OTHER;
}

static void event_read(JsonObject *object, struct Event *event) {
    JsonObject *error = member_object(object, "error");
    event->type = type_find(event_string(object, "type"));
    event->text = event_string(object, "text");
    event->done = member_count(object, "done");
    event->total = member_count(object, "total");
    event->stage = event_string(object, "stage");
    event->finish_reason = event_string(object, "finish_reason");
    event->error_name = error ? event_string(error, "name") : "";
    event->error_message = error ? event_string(error, "message") : "";
    usage_read(member_object(object, "usage"), &event->usage);
    timings_read(member_object(object, "timings"), &event->timings);
}

int event_parse(const char *line, size_t length, struct Event *ret) {
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    if (length >= EVENT_LINE_MAX || !g_utf8_validate_len(line, length, NULL)) return -EBADMSG;
    if (!json_parser_load_from_data(parser, line, (gssize)length, NULL)) return -EBADMSG;
    JsonNode *root = json_parser_get_root(parser);
    if (!root || !JSON_NODE_HOLDS_OBJECT(root)) return -EBADMSG;

    struct Event event = {.root = json_node_ref(root)};
    event_read(json_node_get_object(root), &event);
    *ret = event;
    return 0;
}

void event_done(struct Event *event) {
    g_clear_pointer(&event->root, json_node_unref);
}
