#include "api/openai-dialect.h"

static JsonObject *assistant(const char *text) {
    JsonObject *message = json_object_new();
    json_object_set_string_member(message, "role", "assistant");
    json_object_set_string_member(message, "content", text);
    json_object_set_null_member(message, "refusal");
    return message;
}

static void set_message(JsonObject *choice, const char *text) {
    json_object_set_object_member(choice, "message", assistant(text));
}

static void set_opening(JsonObject *choice) {
    json_object_set_object_member(choice, "delta", assistant(""));
}

static void set_delta(JsonObject *choice, const char *text) {
    JsonObject *delta = json_object_new();
    if (text) json_object_set_string_member(delta, "content", text);
    json_object_set_object_member(choice, "delta", delta);
}

const struct OpenaiDialect openai_chat = {
    .kind = OPENAI_CHAT,
    .input = "messages",
    .id_prefix = "chatcmpl-",
    .object = "chat.completion",
    .chunk_object = "chat.completion.chunk",
    .set_text = set_message,
    .take_logprobs = openai_logprobs_take_chat,
    .set_delta = set_delta,
    .set_opening = set_opening,
};
