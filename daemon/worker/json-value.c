#include "worker/json-value.h"

#include <errno.h>
#include <string.h>

#include "worker/limits.h"

/* json-glib recurses and allocates without limits. */
static bool json_is_modest(const char *text) {
    unsigned depth = 0, n_values = 0;
    bool quoted = false;

    for (; *text; text++) {
        if (quoted && *text == '\\' && text[1])
            text++;
        else if (*text == '"')
            quoted = !quoted;
        else if (!quoted && (*text == '[' || *text == '{'))
            depth++;
        else if (!quoted && (*text == ']' || *text == '}') && depth > 0)
            depth--;
        n_values += !quoted && strchr(",[{:", *text);
        if (depth > JSON_DEPTH_MAX || n_values > JSON_VALUES_MAX) return false;
    }
    return true;
}

JsonNode *json_text_parse(const char *text, Reason *why) {
    g_autoptr(GError) error = NULL;
    JsonNode *node = NULL;

    if (!json_is_modest(text)) {
        reason_set(why, EFBIG, "at most %u levels and %u values", JSON_DEPTH_MAX, JSON_VALUES_MAX);
        return NULL;
    }
    node = json_from_string(text, &error);
    if (!node) reason_set(why, EINVAL, "%s", error ? error->message : "it is empty");
    return node;
}

static Value text_value(struct Arena *arena, const char *text) {
    return value_string(arena, text, strlen(text), false);
}

static Value scalar_value(struct Arena *arena, JsonNode *node) {
    GType type = json_node_get_value_type(node);
    Value value = value_none();

    if (type == G_TYPE_STRING) return text_value(arena, json_node_get_string(node));
    if (type == G_TYPE_BOOLEAN) return value_bool(json_node_get_boolean(node));
    if (type == G_TYPE_INT64) value = value_int(json_node_get_int(node));
    if (type == G_TYPE_DOUBLE) value = value_float(json_node_get_double(node));
    value.foreign = true;
    return value;
}

static Value array_value(struct Arena *arena, JsonArray *array) {
    struct List *list = list_new(arena, LIST_PLAIN);

    for (guint i = 0; i < json_array_get_length(array); i++)
        list_append(arena, list, json_value(arena, json_array_get_element(array, i)));
    return value_list(list);
}

static Value object_value(struct Arena *arena, JsonObject *object) {
    struct Dict *dict = dict_new(arena);
    JsonObjectIter iter;
    const char *name;
    JsonNode *node;

    json_object_iter_init_ordered(&iter, object);
    while (json_object_iter_next_ordered(&iter, &name, &node))
        dict_set(arena, dict, text_value(arena, name), json_value(arena, node));
    return value_dict(dict);
}

Value json_value(struct Arena *arena, JsonNode *node) {
    if (JSON_NODE_HOLDS_ARRAY(node)) return array_value(arena, json_node_get_array(node));
    if (JSON_NODE_HOLDS_OBJECT(node)) return object_value(arena, json_node_get_object(node));
    return JSON_NODE_HOLDS_VALUE(node) ? scalar_value(arena, node) : value_none();
}
