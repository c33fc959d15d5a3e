/*
 * The parts of the way from a schema to a grammar. All of them write expressions of GBNF: what can
 * stand on the right of ::=, in parentheses where it has alternatives.
 */
#pragma once

#include <json-glib/json-glib.h>
#include <stdbool.h>

#include "engine/sampling/charset.h"
#include "worker/schema.h"

typedef struct SchemaWriter {
    JsonNode *root;
    GString *gbnf;
    GHashTable *rules; /* JsonNode → its rule's number + 1 */
    GHashTable *texts; /* expression → name of the rule that has it; both owned */
    GPtrArray *owned;  /* nodes that were made by joining */
    unsigned n_rules, depth;
    Reason *why;
} SchemaWriter;

/* "$.a.b is not supported", in the given words. */
int schema_fail(SchemaWriter *writer, int error, const char *path, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- schema.c ---- */
/* The number of the rule s<number> for a schema. */
int schema_rule(SchemaWriter *writer, JsonNode *schema, const char *path, unsigned *ret);
/* The rule that has an expression; the writer's. */
const char *schema_text_rule(SchemaWriter *writer, const char *expression);
unsigned schema_next_rule(SchemaWriter *writer);
/* A node that lives as long as the writer; takes it. */
JsonNode *schema_own(SchemaWriter *writer, JsonNode *node);
/* A keyword's node, or NULL. */
JsonNode *schema_get(JsonObject *object, const char *name);
/* The node that a $ref names. */
int schema_resolve(SchemaWriter *writer, JsonNode *ref, const char *path, JsonNode **ret);
/* A whole number of at least 0; `missing` where there is none. */
int schema_count(SchemaWriter *writer, JsonObject *schema, const char *name, const char *path,
                 guint64 missing, guint64 *ret);

/* ---- schema-merge.c ---- */
enum {
    TYPE_OBJECT = 1 << 0,
    TYPE_ARRAY = 1 << 1,
    TYPE_STRING = 1 << 2,
    TYPE_NUMBER = 1 << 3,
    TYPE_INTEGER = 1 << 4,
    TYPE_BOOLEAN = 1 << 5,
    TYPE_NULL = 1 << 6,
    TYPE_ANY = (1 << 7) - 1,
};
/* Without "type": TYPE_ANY. An integer is a number too: where that is in, so is TYPE_INTEGER. */
int schema_types(SchemaWriter *writer, JsonObject *schema, const char *path, unsigned *ret);
unsigned schema_type_of(JsonNode *value);
/* enum, const as a list of one, or what is in both; NULL without. The caller owns it. */
JsonArray *schema_values(JsonObject *schema);
bool schema_is_false(JsonNode *schema);
/* One object that asserts what all of `parts` (JsonObject) do, none of which has $ref, allOf, anyOf
 * or oneOf. Returns 0 with *ret NULL where nothing can be valid. */
int schema_merge(SchemaWriter *writer, GPtrArray *parts, const char *path, JsonObject **ret);
/* No value is valid by both. False where that is not seen. */
bool schema_disjoint(SchemaWriter *writer, JsonNode *a, JsonNode *b);

/* ---- schema-object.c: objects and arrays ---- */
int schema_object(SchemaWriter *writer, JsonObject *schema, const char *path, GString *out);
int schema_array(SchemaWriter *writer, JsonObject *schema, const char *path, GString *out);

/* ---- schema-text.c: strings ---- */
/* All ways to write a character of the set inside a JSON string. */
void schema_characters(const CharSet *set, GString *out);
/* ... as the name of a rule; a normalised set. NULL: there is no such character. */
const char *schema_characters_rule(SchemaWriter *writer, const CharSet *set);
/* A string with its quotes. */
void schema_text(SchemaWriter *writer, const char *text, GString *out);
/* A string with its quotes that is none of `names`. */
void schema_other_text(SchemaWriter *writer, GPtrArray *names, GString *out);
int schema_string(SchemaWriter *writer, JsonObject *schema, const char *path, GString *out);
/* A text of GBNF, in quotes. */
void schema_literal(const char *text, GString *out);

/* ---- schema-number.c ---- */
int schema_integer(SchemaWriter *writer, JsonObject *schema, const char *path, GString *out);
int schema_number(SchemaWriter *writer, JsonObject *schema, const char *path, GString *out);
/* Numbers of `n` digits from `low` to `high`, with all leading zeros. */
void schema_digits(GString *out, unsigned base, unsigned n, guint64 low, guint64 high);
