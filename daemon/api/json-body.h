/*
 * JSON from outside, exactly as RFC 8259 has it, in UTF-8, of limited depth and number of values,
 * and without U+0000 and halves of surrogate pairs in text. It is checked before json-glib sees it,
 * which recurses and allocates without limits, takes comments and octal numbers, and is poor at
 * saying what it expected where.
 */
#pragma once

#include <json-glib/json-glib.h>
#include <stddef.h>

#include "service/problem.h"

/* The root node, or NULL with words that say where it is wrong. json_node_unref() it. */
JsonNode *json_body_parse(const char *data, size_t size, Problem *why);
