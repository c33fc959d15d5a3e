/*
 * The messages of OpenAI's chat requests: role (system, developer, user, assistant, tool), content
 * (a string, an array of text parts, which are joined with newlines, or null beside tool_calls),
 * name, tool_call_id, tool_calls, and reasoning_content, as llama-server has it. What they mean to
 * a model is its chat template's business.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "api/openai-request.h"

/* `*ret` is owned, also on failure (-1, with `fault` filled): messages_free() it. */
int openai_messages_read(JsonNode *node, struct Message **ret, size_t *ret_n,
                         struct OpenaiFault *fault);
