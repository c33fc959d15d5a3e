/* JSON text as values of a chat template. */
#pragma once

#include <json-glib/json-glib.h>

#include "engine/chat/value.h"
#include "engine/reason.h"

/* The root, or NULL and why (may be NULL): no JSON, or past JSON_DEPTH_MAX or JSON_VALUES_MAX. */
JsonNode *json_text_parse(const char *text, Reason *why);

/* All of it is the caller's: none of its words can become control tokens. */
Value json_value(struct Arena *arena, JsonNode *node);
