/*
 * Renders chat templates for templates.py: a line of JSON in, a line of JSON out.
 *
 *     {"template": …, "messages": […], "tools": […], "add_generation_prompt": …, "variables": {…},
 *      "bos_token": …, "eos_token": …, "now": seconds, "repeat": n}
 *     {"text": …, "trusted": what of it is the template's, "seconds": …}  or  {"error": …}
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/chat/chat.h"
#include "engine/limits.h"
#include "worker/json-value.h"

static Value member(struct Arena *arena, JsonObject *object, const char *name) {
    Value nothing = {0};
    JsonNode *node = json_object_get_member(object, name);
    return node ? json_value(arena, node) : nothing;
}

static const char *word(JsonObject *object, const char *name) {
    return json_object_get_string_member_with_default(object, name, NULL);
}

/* As the service does with roles that it knows. */
static Value messages_value(struct Arena *arena, JsonObject *object) {
    Value messages = member(arena, object, "messages");
    for (size_t i = 0; messages.kind == VALUE_LIST && i < messages.list->n; i++) {
        Value message = messages.list->items[i];
        Value key = value_string(arena, "role", 4, true);
        if (message.kind != VALUE_DICT) continue;
        const Value *role = dict_get(message.dict, key);
        if (!role || role->kind != VALUE_STRING) continue;
        g_autofree char *name = g_strndup(role->text->bytes, role->text->size);
        chat_message_set(arena, message.dict, "role", name);
    }
    return messages;
}

static void answer_pieces(JsonObject *answer, const struct ChatPiece *pieces, size_t n) {
    g_autoptr(GString) text = g_string_new(NULL), trusted = g_string_new(NULL);
    for (size_t i = 0; i < n; i++) {
        g_string_append_len(text, pieces[i].text, (gssize)pieces[i].size);
        if (pieces[i].special) g_string_append_len(trusted, pieces[i].text, (gssize)pieces[i].size);
        if (i > 0 && pieces[i].special == pieces[i - 1].special) abort();
    }
    g_autofree char *valid = g_utf8_make_valid(text->str, (gssize)text->len);
    g_autofree char *valid_trusted = g_utf8_make_valid(trusted->str, (gssize)trusted->len);
    json_object_set_string_member(answer, "text", valid);
    json_object_set_string_member(answer, "trusted", valid_trusted);
}

static void render(JsonObject *question, JsonObject *answer) {
    struct Arena arena = {.limit = TEMPLATE_MAX_MEMORY};
    ChatTemplate *chat_template = NULL;
    struct ChatPiece *pieces;
    size_t n;
    Reason why = {""};
    time_t seconds = (time_t)json_object_get_int_member_with_default(question, "now", 0);
    struct tm now;
    struct ChatInput input = {
        .arena = &arena,
        .messages = messages_value(&arena, question),
        .tools = member(&arena, question, "tools"),
        .variables = member(&arena, question, "variables"),
        .add_generation_prompt =
            json_object_get_boolean_member_with_default(question, "add_generation_prompt", false),
        .bos_token = word(question, "bos_token"),
        .eos_token = word(question, "eos_token"),
        .now = gmtime_r(&seconds, &now),
    };
    gint64 repeat = json_object_get_int_member_with_default(question, "repeat", 1);
    int r = chat_template_new(word(question, "template"), &chat_template, &why);
    gint64 start = g_get_monotonic_time();
    for (gint64 i = 0; r == 0 && i < repeat; i++) {
        r = chat_template_render(chat_template, &input, &pieces, &n, &why);
        if (r == 0 && i + 1 < repeat) chat_pieces_free(pieces, n);
    }
    gint64 usec = g_get_monotonic_time() - start;
    json_object_set_double_member(answer, "seconds", (double)usec / 1e6 / (double)repeat);
    if (r < 0) {
        g_autofree char *valid = g_utf8_make_valid(why.text, -1);
        json_object_set_string_member(answer, "error", valid);
    } else {
        answer_pieces(answer, pieces, n);
        chat_pieces_free(pieces, n);
    }
    chat_template_free(chat_template);
    arena_done(&arena);
}

int main(void) {
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0) {
        g_autoptr(JsonNode) question = json_from_string(line, NULL);
        g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
        if (!question || !JSON_NODE_HOLDS_OBJECT(question)) return 1;
        json_node_take_object(root, json_object_new());
        render(json_node_get_object(question), json_node_get_object(root));
        g_autofree char *text = json_to_string(root, FALSE);
        puts(text);
        fflush(stdout);
    }
    free(line);
    return 0;
}
