#include "api/openai-message.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/limits.h"

struct Place {
    struct OpenaiFault *fault;
    size_t index; /* of the message */
};

static int fail(const struct Place *place, enum ProblemKind kind, const char *member,
                const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The message names the field at fault itself. */
static int fail(const struct Place *place, enum ProblemKind kind, const char *member,
                const char *format, ...) {
    struct OpenaiFault *fault = place->fault;
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    snprintf(fault->param, sizeof fault->param, "messages[%zu]%s%s", place->index,
             *member ? "." : "", member);
    return problem_set(&fault->problem, kind, "%s %s", fault->param, text);
}

static const char *text_of(JsonNode *node) {
    bool is_text =
        node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING;
    return is_text ? json_node_get_string(node) : NULL;
}

static JsonNode *member_of(JsonObject *object, const char *name) {
    JsonNode *node = json_object_get_member(object, name);
    return node && !json_node_is_null(node) ? node : NULL;
}

/* ---- Roles ---- */

/* developer is what newer models of OpenAI call system. */
static const struct {
    const char *name, *role;
} roles[] = {
    {"system", "system"},       {"developer", "system"}, {"user", "user"},
    {"assistant", "assistant"}, {"tool", "tool"},
};

static int read_role(const struct Place *place, JsonObject *object, struct Message *message) {
    const char *name = text_of(member_of(object, "role"));
    for (size_t i = 0; name && i < G_N_ELEMENTS(roles); i++) {
        if (strcmp(name, roles[i].name) != 0) continue;
        message->role = g_strdup(roles[i].role);
        return 0;
    }
    return fail(place, name ? PROBLEM_NOT_SUPPORTED : PROBLEM_INVALID_ARGUMENT, "role",
                "must be system, developer, user, assistant or tool.");
}

/* ---- Content ---- */

static int read_part(const struct Place *place, JsonNode *node, GString *text) {
    JsonObject *part = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
    const char *type = part ? text_of(member_of(part, "type")) : NULL;
    if (!type)
        return fail(place, PROBLEM_INVALID_ARGUMENT, "content",
                    "has a part that is not an object with a type.");
    if (strcmp(type, "text") != 0)
        return fail(place, PROBLEM_NOT_SUPPORTED, "content",
                    "has a part that is no text: only text is supported.");
    const char *value = text_of(member_of(part, "text"));
    if (!value)
        return fail(place, PROBLEM_INVALID_ARGUMENT, "content", "has a part without its text.");
    if (text->len) g_string_append_c(text, '\n');
    g_string_append(text, value);
    return 0;
}

static int read_parts(const struct Place *place, JsonArray *parts, struct Message *message) {
    GString *text = g_string_new(NULL);
    int r = 0;
    for (guint i = 0; r == 0 && i < json_array_get_length(parts); i++)
        r = read_part(place, json_array_get_element(parts, i), text);
    message->content = g_string_free(text, FALSE);
    return r;
}

static int read_content(const struct Place *place, JsonObject *object, struct Message *message) {
    JsonNode *node = member_of(object, "content");
    if (!node && message->tool_calls) return 0;
    if (node && JSON_NODE_HOLDS_ARRAY(node))
        return read_parts(place, json_node_get_array(node), message);
    message->content = g_strdup(text_of(node));
    if (message->content) return 0;
    return fail(place, PROBLEM_INVALID_ARGUMENT, "content",
                "must be a string or an array of text parts.");
}

/* ---- The rest ---- */

static int read_word(const struct Place *place, JsonObject *object, const char *name,
                     struct Message *message) {
    JsonNode *node = member_of(object, name);
    if (!node) return 0;
    *message_member(message, name) = g_strdup(text_of(node));
    return text_of(node) ? 0 : fail(place, PROBLEM_INVALID_ARGUMENT, name, "must be a string.");
}

static bool is_call(JsonNode *node) {
    JsonObject *object = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
    JsonNode *function = object ? member_of(object, "function") : NULL;
    return function && JSON_NODE_HOLDS_OBJECT(function) &&
           text_of(member_of(json_node_get_object(function), "name"));
}

static int read_calls(const struct Place *place, JsonObject *object, struct Message *message) {
    JsonNode *node = member_of(object, "tool_calls");
    if (!node) return 0;
    JsonArray *calls = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    bool sound = calls;
    for (guint i = 0; sound && i < json_array_get_length(calls); i++)
        sound = is_call(json_array_get_element(calls, i));
    if (!sound)
        return fail(place, PROBLEM_INVALID_ARGUMENT, "tool_calls",
                    "must be an array of calls, each with a function that has a name.");
    if (json_array_get_length(calls) > 0) message->tool_calls = json_to_string(node, FALSE);
    return 0;
}

static int refuse_others(const struct Place *place, JsonObject *object) {
    static const char *const others[] = {"function_call", "audio"};
    for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
        if (member_of(object, others[i]))
            return fail(place, PROBLEM_NOT_SUPPORTED, "", "has %s, which is not supported.",
                        others[i]);
    return 0;
}

static int read_message(const struct Place *place, JsonNode *node, struct Message *message) {
    static const char *const words[] = {"name", "tool_call_id", "reasoning_content"};
    if (!JSON_NODE_HOLDS_OBJECT(node))
        return fail(place, PROBLEM_INVALID_ARGUMENT, "", "must be an object.");
    JsonObject *object = json_node_get_object(node);
    int r = read_role(place, object, message);
    for (size_t i = 0; r == 0 && i < G_N_ELEMENTS(words); i++)
        r = read_word(place, object, words[i], message);
    if (r == 0) r = refuse_others(place, object);
    if (r == 0) r = read_calls(place, object, message);
    return r < 0 ? r : read_content(place, object, message);
}

int openai_messages_read(JsonNode *node, struct Message **ret, size_t *ret_n,
                         struct OpenaiFault *fault) {
    JsonArray *array = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    size_t n = array ? json_array_get_length(array) : 0;
    if (n < 1 || n > MESSAGES_MAX) {
        g_strlcpy(fault->param, "messages", sizeof fault->param);
        return problem_set(&fault->problem, PROBLEM_INVALID_ARGUMENT,
                           "messages must be an array of 1 to %u messages.", MESSAGES_MAX);
    }
    *ret = g_new0(struct Message, n);
    *ret_n = n;
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        struct Place place = {fault, i};
        r = read_message(&place, json_array_get_element(array, (guint)i), &(*ret)[i]);
    }
    return r;
}
