/*
 * In what answers to /v1/chat/completions and to /v1/completions differ; what they share is in
 * openai-answer.h.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "api/openai-logprobs.h"
#include "api/openai-request.h"

struct OpenaiDialect {
    enum OpenaiKind kind;
    const char *input; /* the field with what is to be continued */
    const char *id_prefix, *object, *chunk_object;
    /* Puts the text into a choice. */
    void (*set_text)(JsonObject *choice, const char *text);
    /* The same for a chunk's choice; NULL text: the last one. */
    void (*set_delta)(JsonObject *choice, const char *text);
    /* What is known of the tokens, in this dialect's shape; NULL: nothing. */
    JsonNode *(*take_logprobs)(OpenaiLogprobs *logprobs);
    /* For the chunk that opens a choice; NULL when there is none. */
    void (*set_opening)(JsonObject *choice);
};

extern const struct OpenaiDialect openai_chat, openai_completion;
