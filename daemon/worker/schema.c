#include "worker/schema.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "worker/limits.h"
#include "worker/schema-private.h"

/* ---- What every grammar has ---- */

static const char prelude[] =
    "ws ::= | \" \" | \"\\n\" [ \\t]{0,20}\n"
    "char ::= [^\"\\\\\\x00-\\x1F] | \"\\\\\" ([\"\\\\/bfnrt] | \"u\" unit)\n"
    "unit ::= [0-9a-cA-CefEF] [0-9a-fA-F]{3} | [dD] [0-7] [0-9a-fA-F]{2} | "
    "[dD] [89abAB] [0-9a-fA-F]{2} \"\\\\u\" [dD] [c-fC-F] [0-9a-fA-F]{2}\n"
    "string ::= \"\\\"\" char* \"\\\"\"\n"
    "integer ::= \"0\" | \"-\"? [1-9] [0-9]{0,18}\n"
    "number ::= \"-\"? (\"0\" | [1-9] [0-9]{0,19}) (\".\" [0-9]{1,20})? "
    "([eE] ([-+]? [0-9]{1,2} | \"-\" [12] [0-9]{2} | \"+\"? (\"1\" [0-9] | \"2\" [0-7]) [0-9]))?\n"
    "boolean ::= \"true\" | \"false\"\n"
    "value ::= object | array | string | number | boolean | \"null\"\n"
    "object ::= \"{\" ws (member (\",\" ws member)*)? \"}\"\n"
    "member ::= string ws \":\" ws value ws\n"
    "array ::= \"[\" ws (value ws (\",\" ws value ws)*)? \"]\"\n";

/* ---- Keywords ---- */

enum Keyword { ASSERTS, ANNOTATES, HARMLESS_IF_FALSE, HARMLESS_IF_EMPTY, HARMLESS_IF_TRUE };

static const struct {
    const char *name;
    enum Keyword kind;
} keywords[] = {
    {"type", ASSERTS},
    {"enum", ASSERTS},
    {"const", ASSERTS},
    {"properties", ASSERTS},
    {"required", ASSERTS},
    {"additionalProperties", ASSERTS},
    {"items", ASSERTS},
    {"prefixItems", ASSERTS},
    {"minItems", ASSERTS},
    {"maxItems", ASSERTS},
    {"minLength", ASSERTS},
    {"maxLength", ASSERTS},
    {"pattern", ASSERTS},
    {"format", ASSERTS},
    {"minimum", ASSERTS},
    {"maximum", ASSERTS},
    {"exclusiveMinimum", ASSERTS},
    {"exclusiveMaximum", ASSERTS},
    {"multipleOf", ASSERTS},
    {"anyOf", ASSERTS},
    {"oneOf", ASSERTS},
    {"allOf", ASSERTS},
    {"$ref", ASSERTS},
    {"$schema", ANNOTATES},
    {"$comment", ANNOTATES},
    {"$defs", ANNOTATES}, /* read when a $ref names them */
    {"definitions", ANNOTATES},
    {"$anchor", ANNOTATES}, /* a $ref to it is refused */
    {"title", ANNOTATES},
    {"description", ANNOTATES},
    {"default", ANNOTATES},
    {"examples", ANNOTATES},
    {"example", ANNOTATES}, /* OpenAPI's */
    {"discriminator", ANNOTATES},
    {"deprecated", ANNOTATES},
    {"readOnly", ANNOTATES},
    {"writeOnly", ANNOTATES},
    {"contentMediaType", ANNOTATES},
    {"contentEncoding", ANNOTATES},
    {"contentSchema", ANNOTATES},
    {"uniqueItems", HARMLESS_IF_FALSE},
    {"nullable", HARMLESS_IF_FALSE},
    {"minProperties", HARMLESS_IF_FALSE},
    {"patternProperties", HARMLESS_IF_EMPTY},
    {"dependentRequired", HARMLESS_IF_EMPTY},
    {"dependentSchemas", HARMLESS_IF_EMPTY},
    {"propertyNames", HARMLESS_IF_TRUE},
    {"unevaluatedProperties", HARMLESS_IF_TRUE},
    {"unevaluatedItems", HARMLESS_IF_TRUE},
};

/* Keywords by the type that they say something about. */
static const struct {
    unsigned type;
    const char *names[8];
} typed_keywords[] = {
    {TYPE_OBJECT, {"properties", "required", "additionalProperties"}},
    {TYPE_ARRAY, {"items", "prefixItems", "minItems", "maxItems"}},
    {TYPE_STRING, {"minLength", "maxLength", "pattern", "format"}},
    {TYPE_NUMBER | TYPE_INTEGER,
     {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}},
};

static const char *const choice_keywords[] = {"anyOf", "oneOf"};

int schema_fail(SchemaWriter *writer, int error, const char *path, const char *format, ...) {
    g_autofree char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    return reason_set(writer->why, error, "%.120s%s", path, text);
}

JsonNode *schema_get(JsonObject *object, const char *name) {
    return json_object_get_member(object, name);
}

static bool is_empty(JsonNode *node) {
    return JSON_NODE_HOLDS_OBJECT(node) && json_object_get_size(json_node_get_object(node)) == 0;
}

static bool is_harmless(enum Keyword kind, JsonNode *node) {
    GType type = json_node_get_value_type(node);
    bool boolean = type == G_TYPE_BOOLEAN && json_node_get_boolean(node);
    switch (kind) {
    case HARMLESS_IF_FALSE:
        return (type == G_TYPE_BOOLEAN && !boolean) ||
               (type == G_TYPE_INT64 && json_node_get_int(node) == 0);
    case HARMLESS_IF_EMPTY:
        return is_empty(node);
    case HARMLESS_IF_TRUE:
        return boolean || is_empty(node);
    default:
        return true;
    }
}

static int keyword_check(SchemaWriter *writer, const char *name, JsonNode *node, const char *path) {
    if (strcmp(name, "$id") == 0 && strcmp(path, "$") == 0) return 0;
    if (g_str_has_prefix(name, "x-")) return 0; /* an extension's own */
    for (size_t i = 0; i < G_N_ELEMENTS(keywords); i++)
        if (strcmp(keywords[i].name, name) == 0 && is_harmless(keywords[i].kind, node)) return 0;
    return schema_fail(writer, ENOTSUP, path, ".%.60s is not supported", name);
}

static int keywords_check(SchemaWriter *writer, JsonObject *schema, const char *path) {
    g_autoptr(GList) names = json_object_get_members(schema);
    int r = 0;
    for (GList *l = names; r == 0 && l; l = l->next)
        r = keyword_check(writer, l->data, schema_get(schema, l->data), path);
    return r;
}

int schema_count(SchemaWriter *writer, JsonObject *schema, const char *name, const char *path,
                 guint64 missing, guint64 *ret) {
    JsonNode *node = schema_get(schema, name);
    GType type = node ? json_node_get_value_type(node) : G_TYPE_INVALID;
    double value = type == G_TYPE_INT64 || type == G_TYPE_DOUBLE ? json_node_get_double(node) : -1;
    *ret = missing;
    if (!node) return 0;
    if (!(value >= 0) || value != (double)(guint64)MIN(value, 1e15))
        return schema_fail(writer, EINVAL, path, ".%s must be a whole number of at least 0", name);
    if (value > PATTERN_REPETITIONS_MAX)
        return schema_fail(writer, ENOTSUP, path, ".%s is not supported above %u", name,
                           PATTERN_REPETITIONS_MAX);
    *ret = (guint64)value;
    return 0;
}

/* ---- Rules and nodes ---- */

unsigned schema_next_rule(SchemaWriter *writer) {
    return writer->n_rules++;
}

const char *schema_text_rule(SchemaWriter *writer, const char *expression) {
    char *name = g_hash_table_lookup(writer->texts, expression);
    if (name) return name;
    name = g_strdup_printf("c%u", g_hash_table_size(writer->texts));
    g_string_append_printf(writer->gbnf, "%s ::= %s\n", name, expression);
    g_hash_table_insert(writer->texts, g_strdup(expression), name);
    return name;
}

JsonNode *schema_own(SchemaWriter *writer, JsonNode *node) {
    g_ptr_array_add(writer->owned, node);
    return node;
}

static JsonNode *object_node(SchemaWriter *writer, JsonObject *object) {
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(node, object);
    return schema_own(writer, node);
}

/* ---- References ---- */

/* ~1 is /, ~0 is ~ (RFC 6901); %XX as in any URI. NULL: malformed. */
static char *pointer_token(const char *token) {
    char *text = g_uri_unescape_string(token, NULL), *to = text;
    for (const char *c = text; c && *c; c++) {
        if (c[0] == '~' && (c[1] == '0' || c[1] == '1'))
            *to++ = *++c == '0' ? '~' : '/';
        else
            *to++ = *c;
    }
    if (to) *to = '\0';
    return text;
}

static JsonNode *child(JsonNode *node, const char *name) {
    char *end;
    if (JSON_NODE_HOLDS_OBJECT(node)) return schema_get(json_node_get_object(node), name);
    if (!JSON_NODE_HOLDS_ARRAY(node)) return NULL;
    JsonArray *array = json_node_get_array(node);
    guint64 i = g_ascii_strtoull(name, &end, 10);
    bool valid = g_ascii_isdigit(*name) && *end == '\0' && i < json_array_get_length(array);
    return valid ? json_array_get_element(array, (guint)i) : NULL;
}

int schema_resolve(SchemaWriter *writer, JsonNode *ref, const char *path, JsonNode **ret) {
    const char *uri =
        json_node_get_value_type(ref) == G_TYPE_STRING ? json_node_get_string(ref) : NULL;
    if (!uri) return schema_fail(writer, EINVAL, path, ".$ref must be a string");
    if (strcmp(uri, "#") != 0 && !g_str_has_prefix(uri, "#/"))
        return schema_fail(writer, ENOTSUP, path,
                           ".$ref \"%.60s\" is not supported: only \"#\" and \"#/...\", inside the "
                           "schema",
                           uri);
    g_auto(GStrv) tokens = g_strsplit(uri[1] ? uri + 2 : "", "/", -1);
    JsonNode *node = writer->root;
    for (char **token = tokens; node && uri[1] && *token; token++) {
        g_autofree char *name = pointer_token(*token);
        node = name ? child(node, name) : NULL;
    }
    if (!node) return schema_fail(writer, EINVAL, path, ".$ref \"%.60s\" leads nowhere", uri);
    *ret = node;
    return 0;
}

/* ---- Parts: what holds together by $ref and allOf ---- */

/* A copy without some keywords. */
static JsonObject *copy_without(JsonObject *schema, const char *const *names, size_t n) {
    JsonObject *copy = json_object_new();
    g_autoptr(GList) members = json_object_get_members(schema);
    for (GList *l = members; l; l = l->next) {
        bool drop = false;
        for (size_t i = 0; i < n; i++) drop |= strcmp(names[i], l->data) == 0;
        if (!drop)
            json_object_set_member(copy, l->data, json_node_copy(schema_get(schema, l->data)));
    }
    return copy;
}

/* Only what asserts something. */
static JsonObject *copy_asserting(JsonObject *schema) {
    static const char *const apart[] = {"$ref", "allOf"};
    JsonObject *copy = copy_without(schema, apart, G_N_ELEMENTS(apart));
    for (size_t i = 0; i < G_N_ELEMENTS(keywords); i++)
        if (keywords[i].kind != ASSERTS) json_object_remove_member(copy, keywords[i].name);
    json_object_remove_member(copy, "$id");
    return copy;
}

/* Adds to `parts` (JsonObject); *ret_never: nothing can be valid. */
static int parts_add(SchemaWriter *writer, JsonNode *schema, const char *path, unsigned depth,
                     GPtrArray *parts, bool *ret_never);

static int all_of_add(SchemaWriter *writer, JsonNode *all, const char *path, unsigned depth,
                      GPtrArray *parts, bool *ret_never) {
    int r = 0;
    if (!JSON_NODE_HOLDS_ARRAY(all))
        return schema_fail(writer, EINVAL, path, ".allOf must be an array of schemas");
    JsonArray *array = json_node_get_array(all);
    for (guint i = 0; r == 0 && i < json_array_get_length(array); i++) {
        g_autofree char *inner = g_strdup_printf("%s.allOf[%u]", path, i);
        r = parts_add(writer, json_array_get_element(array, i), inner, depth + 1, parts, ret_never);
    }
    return r;
}

static int parts_add(SchemaWriter *writer, JsonNode *schema, const char *path, unsigned depth,
                     GPtrArray *parts, bool *ret_never) {
    JsonNode *target;
    int r = 0;
    if (depth > SCHEMA_DEPTH_MAX)
        return schema_fail(writer, EINVAL, path, ".$ref refers to itself without end");
    if (json_node_get_value_type(schema) == G_TYPE_BOOLEAN) {
        *ret_never |= schema_is_false(schema);
        return 0;
    }
    if (!JSON_NODE_HOLDS_OBJECT(schema))
        return schema_fail(writer, EINVAL, path, " must be a schema: an object, true or false");
    JsonObject *object = json_node_get_object(schema);
    r = keywords_check(writer, object, path);
    if (r < 0) return r;
    JsonObject *own = copy_asserting(object);
    g_ptr_array_add(parts, own);
    JsonNode *ref = schema_get(object, "$ref"), *all = schema_get(object, "allOf");
    if (all) r = all_of_add(writer, all, path, depth, parts, ret_never);
    if (r < 0 || !ref) return r;
    r = schema_resolve(writer, ref, path, &target);
    return r < 0
               ? r
               : parts_add(writer, target, json_node_get_string(ref), depth + 1, parts, ret_never);
}

static void parts_drop_empty(GPtrArray *parts) {
    for (guint i = parts->len; i-- > 0;)
        if (json_object_get_size(parts->pdata[i]) == 0 && parts->len > 1)
            g_ptr_array_remove_index(parts, i);
}

/* ---- Values that the schema gives ---- */

static void value_append(SchemaWriter *writer, JsonNode *value, GString *out);

static void object_append(SchemaWriter *writer, JsonObject *object, GString *out) {
    g_autoptr(GList) names = json_object_get_members(object);
    g_string_append(out, "\"{\" ws");
    for (GList *l = names; l; l = l->next) {
        g_string_append(out, l == names ? " " : " \",\" ws ");
        schema_text(writer, l->data, out);
        g_string_append(out, " ws \":\" ws ");
        value_append(writer, schema_get(object, l->data), out);
        g_string_append(out, " ws");
    }
    g_string_append(out, " \"}\"");
}

static void array_append(SchemaWriter *writer, JsonArray *array, GString *out) {
    g_string_append(out, "\"[\" ws");
    for (guint i = 0; i < json_array_get_length(array); i++) {
        g_string_append(out, i == 0 ? " " : " \",\" ws ");
        value_append(writer, json_array_get_element(array, i), out);
        g_string_append(out, " ws");
    }
    g_string_append(out, " \"]\"");
}

static void value_append(SchemaWriter *writer, JsonNode *value, GString *out) {
    if (JSON_NODE_HOLDS_OBJECT(value)) {
        object_append(writer, json_node_get_object(value), out);
    } else if (JSON_NODE_HOLDS_ARRAY(value)) {
        array_append(writer, json_node_get_array(value), out);
    } else if (json_node_get_value_type(value) == G_TYPE_STRING) {
        schema_text(writer, json_node_get_string(value), out);
    } else {
        g_autofree char *text = json_to_string(value, FALSE);
        schema_literal(text, out);
    }
}

/* Keywords beside enum and const that would need to be tried on each value. */
static int values_check(SchemaWriter *writer, JsonObject *schema, const char *path) {
    for (size_t i = 0; i < G_N_ELEMENTS(typed_keywords); i++)
        for (size_t j = 0; typed_keywords[i].names[j]; j++)
            if (schema_get(schema, typed_keywords[i].names[j]))
                return schema_fail(writer, ENOTSUP, path,
                                   ".%s is not supported beside enum or const",
                                   typed_keywords[i].names[j]);
    return 0;
}

static int values_append(SchemaWriter *writer, JsonObject *schema, unsigned types, const char *path,
                         GString *out) {
    g_autoptr(JsonArray) values = schema_values(schema);
    bool any = false;
    int r = values_check(writer, schema, path);
    for (guint i = 0; r == 0 && i < json_array_get_length(values); i++) {
        JsonNode *value = json_array_get_element(values, i);
        if (!(schema_type_of(value) & types)) continue;
        if (any) g_string_append(out, " | ");
        any = true;
        value_append(writer, value, out);
    }
    if (r == 0 && !any) r = schema_fail(writer, EINVAL, path, ".enum allows no value");
    return r;
}

/* ---- One schema without choices ---- */

static bool has_keywords(JsonObject *schema, unsigned type) {
    for (size_t i = 0; i < G_N_ELEMENTS(typed_keywords); i++)
        for (size_t j = 0; typed_keywords[i].type & type && typed_keywords[i].names[j]; j++)
            if (schema_get(schema, typed_keywords[i].names[j])) return true;
    return false;
}

static int plain_append(SchemaWriter *writer, JsonObject *schema, const char *path, GString *out);

static const struct {
    unsigned type;
    const char *rule; /* without any keyword of the type */
    int (*append)(SchemaWriter *writer, JsonObject *schema, const char *path, GString *out);
} types_table[] = {
    {TYPE_OBJECT, "object", schema_object},
    {TYPE_ARRAY, "array", schema_array},
    {TYPE_STRING, "string", schema_string},
    {TYPE_NUMBER, "number", schema_number},
    {TYPE_INTEGER, "integer", schema_integer},
    {TYPE_BOOLEAN, "boolean", NULL},
    {TYPE_NULL, "\"null\"", NULL},
};

static int types_append(SchemaWriter *writer, JsonObject *schema, unsigned types, const char *path,
                        GString *out) {
    bool any = false;
    int r = 0;
    for (size_t i = 0; r == 0 && i < G_N_ELEMENTS(types_table); i++) {
        unsigned type = types_table[i].type;
        if (!(types & type) || (type == TYPE_INTEGER && (types & TYPE_NUMBER))) continue;
        if (any) g_string_append(out, " | ");
        any = true;
        if (types_table[i].append && has_keywords(schema, type))
            r = types_table[i].append(writer, schema, path, out);
        else
            g_string_append(out, types_table[i].rule);
    }
    return r;
}

static int plain_append(SchemaWriter *writer, JsonObject *schema, const char *path, GString *out) {
    JsonNode *values = schema_get(schema, "enum");
    unsigned types;
    int r = schema_types(writer, schema, path, &types);
    if (r < 0) return r;
    if (values && !JSON_NODE_HOLDS_ARRAY(values))
        return schema_fail(writer, EINVAL, path, ".enum must be an array");
    if (values || schema_get(schema, "const"))
        return values_append(writer, schema, types, path, out);
    return types_append(writer, schema, types, path, out);
}

/* ---- Choices ---- */

/* The part that has a choice, and its keyword; NULL: none has. */
static JsonObject *choice_find(GPtrArray *parts, const char **ret_keyword) {
    for (guint i = 0; i < parts->len; i++)
        for (size_t j = 0; j < G_N_ELEMENTS(choice_keywords); j++)
            if (schema_get(parts->pdata[i], choice_keywords[j])) {
                *ret_keyword = choice_keywords[j];
                return parts->pdata[i];
            }
    return NULL;
}

static int check_exclusive(SchemaWriter *writer, JsonArray *branches, const char *path) {
    for (guint i = 0; i < json_array_get_length(branches); i++)
        for (guint j = 0; j < i; j++)
            if (!schema_disjoint(writer, json_array_get_element(branches, j),
                                 json_array_get_element(branches, i)))
                return schema_fail(writer, ENOTSUP, path,
                                   ".oneOf is not supported here: its branches %u and %u may hold "
                                   "at once, as far as can be seen; use anyOf",
                                   j, i);
    return 0;
}

/* {"allOf": [the other parts, the rest of this one, the branch]}, or the branch where that is all.
 */
static JsonNode *branch_join(SchemaWriter *writer, GPtrArray *parts, JsonObject *choice,
                             const char *keyword, JsonNode *branch) {
    g_autoptr(JsonObject) rest = copy_without(choice, &keyword, 1);
    if (parts->len == 1 && json_object_get_size(rest) == 0) return branch;
    JsonObject *joined = json_object_new();
    JsonArray *all = json_array_new();
    for (guint i = 0; i < parts->len; i++)
        json_array_add_object_element(
            all, json_object_ref(parts->pdata[i] == choice ? rest : parts->pdata[i]));
    json_array_add_element(all, json_node_copy(branch));
    json_object_set_array_member(joined, "allOf", all);
    return object_node(writer, joined);
}

static int expression_append(SchemaWriter *writer, JsonNode *schema, const char *path, GString *out,
                             bool *ret_never);

/* A branch that joins to nothing is left out. */
static int branch_append(SchemaWriter *writer, JsonNode *branch, JsonNode *joined, const char *path,
                         GString *out, bool *any) {
    g_autoptr(GString) text = g_string_new(NULL);
    bool never = false;
    unsigned rule;
    int r;
    if (branch == joined && !schema_is_false(branch)) { /* may be recursive */
        r = schema_rule(writer, branch, path, &rule);
        g_string_append_printf(text, "s%u", rule);
    } else {
        r = expression_append(writer, joined, path, text, &never);
    }
    if (r < 0 || never) return r;
    g_string_append_printf(out, "%s(%s)", *any ? " | " : "", text->str);
    *any = true;
    return 0;
}

static int choice_append(SchemaWriter *writer, GPtrArray *parts, JsonObject *choice,
                         const char *keyword, const char *path, GString *out, bool *ret_never) {
    JsonNode *node = schema_get(choice, keyword);
    bool any = false;
    int r = 0;
    if (!JSON_NODE_HOLDS_ARRAY(node) || json_array_get_length(json_node_get_array(node)) == 0)
        return schema_fail(writer, EINVAL, path, ".%s must be an array of schemas", keyword);
    JsonArray *branches = json_node_get_array(node);
    if (strcmp(keyword, "oneOf") == 0) r = check_exclusive(writer, branches, path);
    for (guint i = 0; r == 0 && i < json_array_get_length(branches); i++) {
        g_autofree char *inner = g_strdup_printf("%s.%s[%u]", path, keyword, i);
        JsonNode *branch = json_array_get_element(branches, i);
        JsonNode *joined = branch_join(writer, parts, choice, keyword, branch);
        r = branch_append(writer, branch, joined, inner, out, &any);
    }
    *ret_never = !any;
    return r;
}

/* ---- One schema ---- */

/* *ret_never: nothing is valid, and nothing was written. */
static int expression_append(SchemaWriter *writer, JsonNode *schema, const char *path, GString *out,
                             bool *ret_never) {
    g_autoptr(GPtrArray) parts = g_ptr_array_new_with_free_func((GDestroyNotify)json_object_unref);
    const char *keyword;
    JsonObject *choice, *joined = NULL;
    int r = ++writer->depth > SCHEMA_DEPTH_MAX * 4
                ? schema_fail(writer, E2BIG, path, " is nested too deeply")
                : parts_add(writer, schema, path, 0, parts, ret_never);
    if (r == 0 && !*ret_never) {
        parts_drop_empty(parts);
        choice = choice_find(parts, &keyword);
        if (choice) {
            r = choice_append(writer, parts, choice, keyword, path, out, ret_never);
        } else if (parts->len == 0) {
            g_string_append(out, "value");
        } else {
            r = schema_merge(writer, parts, path, &joined);
            *ret_never = r == 0 && !joined;
            if (joined) r = r == 0 ? plain_append(writer, joined, path, out) : r;
        }
    }
    g_clear_pointer(&joined, json_object_unref);
    writer->depth--;
    return r;
}

/* A plain $ref is the rule of what it names: that is how a schema refers to itself. */
static JsonNode *alias_of(SchemaWriter *writer, JsonNode *schema) {
    for (unsigned i = 0; i < SCHEMA_DEPTH_MAX && JSON_NODE_HOLDS_OBJECT(schema); i++) {
        JsonObject *object = json_node_get_object(schema);
        JsonNode *ref = schema_get(object, "$ref"), *target;
        if (!ref || keywords_check(writer, object, "$") < 0) return schema;
        g_autoptr(JsonObject) rest = copy_asserting(object);
        if (json_object_get_size(rest) > 0 || schema_get(object, "allOf")) return schema;
        if (schema_resolve(writer, ref, "$", &target) < 0) return schema;
        schema = target;
    }
    return schema;
}

int schema_rule(SchemaWriter *writer, JsonNode *schema, const char *path, unsigned *ret) {
    JsonNode *target = alias_of(writer, schema);
    guint known = GPOINTER_TO_UINT(g_hash_table_lookup(writer->rules, target));
    g_autoptr(GString) out = g_string_new(NULL);
    bool never = false;
    if (known > 0) {
        *ret = known - 1;
        return 0;
    }
    if (writer->n_rules >= SCHEMA_RULES_MAX || writer->gbnf->len > SCHEMA_GRAMMAR_MAX)
        return schema_fail(writer, E2BIG, path,
                           " is too much: the schema makes too large a grammar");
    unsigned rule = *ret = schema_next_rule(writer);
    g_hash_table_insert(writer->rules, target, GUINT_TO_POINTER(rule + 1));
    int r = expression_append(writer, target, path, out, &never);
    if (r < 0) return r;
    if (never) return schema_fail(writer, EINVAL, path, " allows no value at all");
    g_string_append_printf(writer->gbnf, "s%u ::= %s\n", rule, out->str);
    return 0;
}

/* ---- The whole ---- */

static int check_depth(const char *json, Reason *why) {
    unsigned depth = 0;
    bool in_text = false;
    for (const char *c = json; *c; c++) {
        if (in_text && *c == '\\' && c[1]) {
            c++;
        } else if (*c == '"') {
            in_text = !in_text;
        } else if (!in_text && (*c == '{' || *c == '[')) {
            if (++depth > SCHEMA_DEPTH_MAX)
                return reason_set(why, E2BIG, "the schema is nested more than %u deep",
                                  SCHEMA_DEPTH_MAX);
        } else if (!in_text && (*c == '}' || *c == ']') && depth > 0) {
            depth--;
        }
    }
    return 0;
}

static int parse(const char *json, JsonNode **ret, Reason *why) {
    g_autoptr(GError) error = NULL;
    int r = check_depth(json, why);
    if (r < 0) return r;
    if (!g_utf8_validate(json, -1, NULL))
        return reason_set(why, EINVAL, "the schema is not valid UTF-8");
    *ret = json_from_string(json, &error);
    if (*ret) return 0;
    return reason_set(why, EINVAL, "the schema is not valid JSON%s%.120s", error ? ": " : "",
                      error ? error->message : "");
}

int schema_to_grammar(const char *json, GString *ret, Reason *why) {
    SchemaWriter writer = {.gbnf = ret, .why = why};
    unsigned rule;
    int r = parse(json, &writer.root, why);
    if (r < 0) return r;
    writer.rules = g_hash_table_new(NULL, NULL);
    writer.texts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    writer.owned = g_ptr_array_new_with_free_func((GDestroyNotify)json_node_unref);
    g_string_append(ret, prelude);
    r = schema_rule(&writer, writer.root, "$", &rule);
    if (r == 0) g_string_append_printf(ret, "root ::= s%u\n", rule);
    g_hash_table_unref(writer.rules);
    g_hash_table_unref(writer.texts);
    g_ptr_array_unref(writer.owned);
    json_node_unref(writer.root);
    return r;
}
