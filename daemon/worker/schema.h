/*
 * From a JSON schema to a grammar (GBNF, engine/sampling/grammar.h) of the JSON texts that it
 * allows.
 *
 * Understood, of draft 2020-12: boolean schemas, type (also a list), enum, const, properties,
 * required, additionalProperties, items, prefixItems, minItems, maxItems, minLength, maxLength,
 * pattern (pattern.h says which), format (date, time, date-time, uuid), minimum, maximum,
 * exclusiveMinimum, exclusiveMaximum (whole numbers where type is number), multipleOf (integers),
 * anyOf, oneOf (where no two branches can hold at once: then it is anyOf), allOf (joined), $ref
 * inside the document, also to itself. Annotations (title, description, default, ...) change
 * nothing. Everything else is refused by its place, "$.properties.a.not is not supported", never
 * ignored.
 *
 * What the grammar allows is always valid. What is valid is allowed, but for these:
 *   - properties come in the order of the schema, additional ones after them;
 *   - between tokens there may be one space, or a line's end and up to 20 spaces or tabs, as
 *     llama.cpp has it; nothing before or after the whole;
 *   - plain ASCII is not written as \uNNNN in names and values that the schema gives;
 *   - numbers have at most 20 digits before and after the point, and an exponent below 280; those
 *     with bounds have none; integers have at most 19 digits, multiples
 *     without bounds 15, and no point.
 * Of additional properties two may have the same name: no grammar can forbid that.
 */
#pragma once

#include <glib.h>

#include "engine/reason.h"

/* -EINVAL (no JSON, no schema, nothing is valid), -ENOTSUP, -E2BIG (past a limit), with a reason
 * that names the place in the schema. */
int schema_to_grammar(const char *json, GString *ret, Reason *why);
