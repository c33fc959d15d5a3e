#include "api/openai-logprobs.h"

#include <stdbool.h>

/* Tokens are kept as text: as nodes they would take ten times the memory. */
struct OpenaiLogprobs {
    GString *tokens;     /* JSON objects with commas between them */
    JsonObject *unended; /* whose alternatives go on in the next event */
    gint64 n_characters; /* of text so far */
};

OpenaiLogprobs *openai_logprobs_new(void) {
    OpenaiLogprobs *logprobs = g_new0(OpenaiLogprobs, 1);
    logprobs->tokens = g_string_new(NULL);
    return logprobs;
}

OpenaiLogprobs *openai_logprobs_free(OpenaiLogprobs *logprobs) {
    if (!logprobs) return NULL;
    g_string_free(logprobs->tokens, TRUE);
    g_clear_pointer(&logprobs->unended, json_object_unref);
    g_free(logprobs);
    return NULL;
}

gsize openai_logprobs_size(const OpenaiLogprobs *logprobs) {
    return logprobs->tokens->len;
}

/* ---- Gathering ---- */

static JsonArray *array_of(JsonObject *object, const char *name) {
    JsonNode *node = json_object_get_member(object, name);
    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

static JsonNode *value_of(JsonObject *object, const char *name) {
    JsonNode *node = json_object_get_member(object, name);
    return node && JSON_NODE_HOLDS_VALUE(node) ? node : NULL;
}

static void token_store(OpenaiLogprobs *logprobs, JsonObject *token) {
    g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), token);
    g_autofree char *json = json_to_string(node, FALSE);
    if (logprobs->tokens->len) g_string_append_c(logprobs->tokens, ',');
    g_string_append(logprobs->tokens, json);
}

/* Takes `token` to go on with `unended`, or for itself. */
static void token_add(OpenaiLogprobs *logprobs, JsonObject *token) {
    JsonObject *whole = g_steal_pointer(&logprobs->unended);
    JsonArray *more = array_of(token, "top"), *top = whole ? array_of(whole, "top") : NULL;
    bool unended = json_object_get_boolean_member_with_default(token, "more", FALSE);
    for (guint i = 0; top && more && i < json_array_get_length(more); i++)
        json_array_add_element(top, json_array_dup_element(more, i));
    if (!whole) {
        whole = json_object_ref(token);
        json_object_set_int_member(whole, "offset", logprobs->n_characters);
    }
    if (unended) {
        logprobs->unended = whole;
        return;
    }
    token_store(logprobs, whole);
    json_object_unref(whole);
}

void openai_logprobs_add(OpenaiLogprobs *logprobs, const char *text, JsonArray *tokens) {
    for (guint i = 0; tokens && i < json_array_get_length(tokens); i++) {
        JsonNode *node = json_array_get_element(tokens, i);
        if (JSON_NODE_HOLDS_OBJECT(node)) token_add(logprobs, json_node_get_object(node));
    }
    logprobs->n_characters += g_utf8_strlen(text, -1);
}

/* The tokens as an array, which the caller unrefs; NULL: there are none. */
static JsonNode *tokens_take(OpenaiLogprobs *logprobs) {
    if (logprobs->tokens->len == 0) return NULL;
    g_string_prepend_c(logprobs->tokens, '[');
    g_string_append_c(logprobs->tokens, ']');
    JsonNode *node = json_from_string(logprobs->tokens->str, NULL);
    g_string_truncate(logprobs->tokens, 0);
    return node;
}

/* ---- One token ---- */

static const char *text_of(JsonObject *token) {
    JsonNode *node = value_of(token, "text");
    const char *text = node ? json_node_get_string(node) : NULL;
    return text ? text : "";
}

static double logprob_of(JsonObject *token) {
    JsonNode *node = value_of(token, "logprob");
    return node ? json_node_get_double(node) : 0;
}

static JsonArray *bytes_of(JsonObject *token) {
    JsonArray *bytes = array_of(token, "bytes");
    if (bytes) return json_array_ref(bytes);
    bytes = json_array_new();
    for (const char *c = text_of(token); *c; c++) json_array_add_int_element(bytes, (guchar)*c);
    return bytes;
}

/* As the completions API has it; the caller's. */
static char *name_of(JsonObject *token) {
    JsonArray *bytes = array_of(token, "bytes");
    if (!bytes) return g_strdup(text_of(token));
    GString *name = g_string_new("bytes:");
    for (guint i = 0; i < json_array_get_length(bytes); i++) {
        JsonNode *byte = json_array_get_element(bytes, i);
        if (JSON_NODE_HOLDS_VALUE(byte))
            g_string_append_printf(name, "\\x%02x", (guint)(json_node_get_int(byte) & 0xff));
    }
    return g_string_free(name, FALSE);
}

/* The object at `i`, or NULL. */
static JsonObject *object_at(JsonArray *array, guint i) {
    JsonNode *node = json_array_get_element(array, i);
    return JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static JsonNode *node_of(JsonObject *object) {
    JsonNode *node = json_node_init_object(json_node_alloc(), object);
    json_object_unref(object);
    return node;
}

/* ---- Chat ---- */

static JsonObject *chat_token(JsonObject *token) {
    JsonObject *object = json_object_new();
    json_object_set_string_member(object, "token", text_of(token));
    json_object_set_double_member(object, "logprob", logprob_of(token));
    json_object_set_array_member(object, "bytes", bytes_of(token));
    return object;
}

static JsonObject *chat_token_with_top(JsonObject *token) {
    JsonObject *object = chat_token(token);
    JsonArray *top = array_of(token, "top"), *list = json_array_new();
    for (guint i = 0; top && i < json_array_get_length(top); i++) {
        JsonObject *other = object_at(top, i);
        if (other) json_array_add_object_element(list, chat_token(other));
    }
    json_object_set_array_member(object, "top_logprobs", list);
    return object;
}

JsonNode *openai_logprobs_take_chat(OpenaiLogprobs *logprobs) {
    g_autoptr(JsonNode) node = tokens_take(logprobs);
    if (!node) return NULL;
    JsonArray *tokens = json_node_get_array(node), *content = json_array_new();
    for (guint i = 0; i < json_array_get_length(tokens); i++)
        json_array_add_object_element(content, chat_token_with_top(object_at(tokens, i)));
    JsonObject *object = json_object_new();
    json_object_set_array_member(object, "content", content);
    json_object_set_null_member(object, "refusal");
    return node_of(object);
}

/* ---- Completions ---- */

static JsonObject *top_by_name(JsonObject *token) {
    JsonArray *top = array_of(token, "top");
    JsonObject *object = json_object_new();
    for (guint i = 0; top && i < json_array_get_length(top); i++) {
        JsonObject *other = object_at(top, i);
        g_autofree char *name = other ? name_of(other) : NULL;
        /* of tokens that are written the same, the likeliest */
        if (name && !json_object_has_member(object, name))
            json_object_set_double_member(object, name, logprob_of(other));
    }
    return object;
}

JsonNode *openai_logprobs_take_completion(OpenaiLogprobs *logprobs) {
    g_autoptr(JsonNode) node = tokens_take(logprobs);
    if (!node) return NULL;
    JsonArray *tokens = json_node_get_array(node), *names = json_array_new(),
              *chances = json_array_new(), *tops = json_array_new(), *offsets = json_array_new();
    for (guint i = 0; i < json_array_get_length(tokens); i++) {
        JsonObject *token = object_at(tokens, i);
        g_autofree char *name = name_of(token);
        json_array_add_string_element(names, name);
        json_array_add_double_element(chances, logprob_of(token));
        json_array_add_object_element(tops, top_by_name(token));
        json_array_add_int_element(offsets, json_object_get_int_member(token, "offset"));
    }
    JsonObject *object = json_object_new();
    json_object_set_array_member(object, "tokens", names);
    json_object_set_array_member(object, "token_logprobs", chances);
    json_object_set_array_member(object, "top_logprobs", tops);
    json_object_set_array_member(object, "text_offset", offsets);
    return node_of(object);
}
