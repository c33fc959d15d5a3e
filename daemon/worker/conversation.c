#include "worker/conversation.h"

#include <errno.h>
#include <string.h>

#include "engine/limits.h"
#include "worker/json-value.h"
#include "worker/limits.h"

#define FIELD(name) offsetof(struct ConversationMessage, name)

static const struct {
    const char *name;
    size_t offset;
} members[] = {
    {"role", FIELD(role)},
    {"content", FIELD(content)},
    {"name", FIELD(name)},
    {"tool_call_id", FIELD(tool_call_id)},
    {"reasoning_content", FIELD(reasoning_content)},
    {"tool_calls", FIELD(tool_calls)},
};

static const char **member_of(struct ConversationMessage *message, gsize index) {
    return (const char **)(void *)((char *)message + members[index].offset);
}

void conversation_init(struct Conversation *self) {
    *self = (struct Conversation){
        .messages = g_array_new(FALSE, FALSE, sizeof(struct ConversationMessage))};
}

void conversation_done(struct Conversation *self) {
    g_clear_pointer(&self->messages, g_array_unref);
}

/* ---- Reading ---- */

static const char **member_find(struct ConversationMessage *message, const char *name) {
    for (gsize i = 0; i < G_N_ELEMENTS(members); i++)
        if (strcmp(members[i].name, name) == 0) return member_of(message, i);
    return NULL;
}

/* One message: a{sv}. */
static int message_read(sd_bus_message *message, struct ConversationMessage *ret, size_t index,
                        struct Failure *failure) {
    const char *key;
    int r = sd_bus_message_enter_container(message, 'a', "{sv}");

    *ret = (struct ConversationMessage){0};
    while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
        r = sd_bus_message_read_basic(message, 's', &key);
        if (r < 0) break;
        const char **value = member_find(ret, key);
        if (!value)
            return failure_set(failure, ERROR_INVALID_ARGS, "Message %zu has an unknown member %s.",
                               index, key);
        r = sd_bus_message_read(message, "v", "s", value);
        if (r >= 0) r = sd_bus_message_exit_container(message);
    }
    if (r >= 0) r = sd_bus_message_exit_container(message);
    if (r < 0 || !ret->role || (!ret->content && !ret->tool_calls))
        return failure_set(failure, ERROR_INVALID_ARGS,
                           "Message %zu needs \"role\" and \"content\" (or \"tool_calls\"), all "
                           "strings.",
                           index);
    return 0;
}

int conversation_read(sd_bus_message *message, struct Conversation *ret, struct Failure *failure) {
    struct ConversationMessage one;
    int r = sd_bus_message_enter_container(message, 'a', "a{sv}");

    while (r >= 0 && (r = sd_bus_message_at_end(message, false)) == 0) {
        if (ret->messages->len == MESSAGES_MAX)
            return failure_set(failure, ERROR_INVALID_ARGS, "There are more than %u messages.",
                               MESSAGES_MAX);
        r = message_read(message, &one, ret->messages->len, failure);
        if (r < 0) return r;
        g_array_append_val(ret->messages, one);
    }
    if (r >= 0) r = sd_bus_message_exit_container(message);
    if (r < 0) return failure_set_bus(failure, r, NULL);
    if (ret->messages->len == 0)
        return failure_set(failure, ERROR_INVALID_ARGS, "There are no messages.");
    return 0;
}

/* ---- Values ---- */

struct Builder {
    struct Arena arena;
    bool arguments_as_text; /* else objects */
    struct Failure *failure;
};

static JsonNode *parse(const struct Builder *builder, const char *what, const char *text,
                       JsonNodeType type) {
    Reason why = {""};
    JsonNode *node = json_text_parse(text, &why);

    if (node && json_node_get_node_type(node) == type) return node;
    failure_set(builder->failure, ERROR_INVALID_ARGS, "%s must be a JSON %s%s%s.", what,
                type == JSON_NODE_ARRAY ? "array" : "object", *why.text ? ": " : "", why.text);
    g_clear_pointer(&node, json_node_unref);
    return NULL;
}

static int json_member(struct Builder *builder, const char *what, const char *text,
                       JsonNodeType type, Value *ret) {
    if (!text) return 0;
    g_autoptr(JsonNode) node = parse(builder, what, text, type);
    if (!node) return -EINVAL;
    *ret = json_value(&builder->arena, node);
    return 0;
}

/* OpenAI's arguments are text, those of templates mostly objects. */
static void arguments_convert(const struct Builder *builder, JsonNode *call) {
    JsonObject *object = JSON_NODE_HOLDS_OBJECT(call) ? json_node_get_object(call) : NULL;
    JsonNode *node = object ? json_object_get_member(object, "function") : NULL;
    JsonObject *function = node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
    JsonNode *arguments = function ? json_object_get_member(function, "arguments") : NULL;

    if (!arguments) return;
    bool is_text =
        JSON_NODE_HOLDS_VALUE(arguments) && json_node_get_value_type(arguments) == G_TYPE_STRING;
    if (is_text && !builder->arguments_as_text) {
        JsonNode *parsed = json_text_parse(json_node_get_string(arguments), NULL);
        if (parsed) json_object_set_member(function, "arguments", parsed);
    } else if (!is_text && builder->arguments_as_text) {
        g_autofree char *text = json_to_string(arguments, FALSE);
        json_object_set_string_member(function, "arguments", text);
    }
}

static int tool_calls_value(struct Builder *builder, const char *text, Value *ret) {
    g_autoptr(JsonNode) node = parse(builder, "tool_calls", text, JSON_NODE_ARRAY);

    if (!node) return -EINVAL;
    JsonArray *calls = json_node_get_array(node);
    for (guint i = 0; i < json_array_get_length(calls); i++)
        arguments_convert(builder, json_array_get_element(calls, i));
    *ret = json_value(&builder->arena, node);
    return 0;
}

static int message_value(struct Builder *builder, struct ConversationMessage *message, Value *ret) {
    struct Dict *dict = dict_new(&builder->arena);

    for (gsize i = 0; i < G_N_ELEMENTS(members); i++) {
        const char *text = *member_of(message, i);
        if (text && members[i].offset != FIELD(tool_calls))
            chat_message_set(&builder->arena, dict, members[i].name, text);
    }
    if (!message->content) dict_set_member(&builder->arena, dict, "content", value_none());
    if (message->tool_calls) {
        Value calls;
        int r = tool_calls_value(builder, message->tool_calls, &calls);
        if (r < 0) return r;
        dict_set_member(&builder->arena, dict, "tool_calls", calls);
    }
    *ret = value_dict(dict);
    return 0;
}

static int input_build(struct Builder *builder, const struct Conversation *self,
                       struct ChatInput *input) {
    struct List *list = list_new(&builder->arena, LIST_PLAIN);

    for (guint i = 0; i < self->messages->len; i++) {
        Value value;
        int r = message_value(
            builder, &g_array_index(self->messages, struct ConversationMessage, i), &value);
        if (r < 0) return r;
        list_append(&builder->arena, list, value);
    }
    input->arena = &builder->arena;
    input->messages = value_list(list);
    input->add_generation_prompt = !self->leave_open;
    int r = json_member(builder, "tools", self->tools, JSON_NODE_ARRAY, &input->tools);
    if (r < 0) return r;
    return json_member(builder, "chat_template_kwargs", self->chat_template_kwargs,
                       JSON_NODE_OBJECT, &input->variables);
}

/* ---- Rendering ---- */

static int render(const struct Conversation *self, const ChatTemplate *chat_template,
                  const struct ChatInput *tokens, bool arguments_as_text, struct ChatPiece **ret,
                  size_t *ret_n, struct Failure *failure) {
    struct Builder builder = {.arena = {.limit = TEMPLATE_MAX_MEMORY},
                              .arguments_as_text = arguments_as_text,
                              .failure = failure};
    struct ChatInput input = *tokens;
    Reason why = {""};

    int r = input_build(&builder, self, &input);
    if (r >= 0) {
        r = chat_template_render(chat_template, &input, ret, ret_n, &why);
        if (r < 0) failure_set_errno(failure, r, &why);
    }
    arena_done(&builder.arena);
    return r;
}

static bool has_calls(const struct Conversation *self) {
    for (guint i = 0; i < self->messages->len; i++)
        if (g_array_index(self->messages, struct ConversationMessage, i).tool_calls) return true;
    return false;
}

int conversation_render(const struct Conversation *self, const ChatTemplate *chat_template,
                        const struct ChatInput *tokens, struct ChatPiece **ret, size_t *ret_n,
                        struct Failure *failure) {
    struct Failure second = {NULL};
    int r = render(self, chat_template, tokens, false, ret, ret_n, failure);

    if (r != -EINVAL || !has_calls(self)) return r;
    return render(self, chat_template, tokens, true, ret, ret_n, &second) < 0 ? r : 0;
}
