#include "api/openai-dialect.h"

static void set_text(JsonObject *choice, const char *text) {
    json_object_set_string_member(choice, "text", text ? text : "");
}

const struct OpenaiDialect openai_completion = {
    .kind = OPENAI_COMPLETION,
    .input = "prompt",
    .id_prefix = "cmpl-",
    .object = "text_completion",
    .chunk_object = "text_completion",
    .set_text = set_text,
    .take_logprobs = openai_logprobs_take_completion,
    .set_delta = set_text,
};
