/* Schemas that hold together (allOf), and such that cannot (oneOf). */
#include <errno.h>
#include <string.h>

#include "worker/schema-private.h"

/* ---- Types ---- */

static const struct {
    const char *name;
    unsigned type;
} type_names[] = {
    {"object", TYPE_OBJECT},   {"array", TYPE_ARRAY},
    {"string", TYPE_STRING},   {"number", TYPE_NUMBER | TYPE_INTEGER},
    {"integer", TYPE_INTEGER}, {"boolean", TYPE_BOOLEAN},
    {"null", TYPE_NULL},
};

static unsigned type_named(JsonNode *node) {
    const char *name =
        json_node_get_value_type(node) == G_TYPE_STRING ? json_node_get_string(node) : "";
    for (size_t i = 0; i < G_N_ELEMENTS(type_names); i++)
        if (strcmp(type_names[i].name, name) == 0) return type_names[i].type;
    return 0;
}

int schema_types(SchemaWriter *writer, JsonObject *schema, const char *path, unsigned *ret) {
    JsonNode *node = schema_get(schema, "type");
    unsigned types = node ? 0 : TYPE_ANY, type;
    JsonArray *array = node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    guint n = array ? json_array_get_length(array) : node ? 1 : 0;
    for (guint i = 0; i < n; i++) {
        type = type_named(array ? json_array_get_element(array, i) : node);
        if (type == 0) break;
        types |= type;
    }
    if (n > 0 && type == 0)
        return schema_fail(writer, EINVAL, path,
                           ".type must be object, array, string, number, integer, boolean, null, "
                           "or a list of them");
    *ret = types;
    return types != 0 ? 0 : schema_fail(writer, EINVAL, path, ".type is an empty list");
}

unsigned schema_type_of(JsonNode *value) {
    if (JSON_NODE_HOLDS_OBJECT(value)) return TYPE_OBJECT;
    if (JSON_NODE_HOLDS_ARRAY(value)) return TYPE_ARRAY;
    if (JSON_NODE_HOLDS_NULL(value)) return TYPE_NULL;
    GType type = json_node_get_value_type(value);
    if (type == G_TYPE_STRING) return TYPE_STRING;
    if (type == G_TYPE_BOOLEAN) return TYPE_BOOLEAN;
    double number = json_node_get_double(value);
    return number == (double)(gint64)CLAMP(number, -9e18, 9e18) ? TYPE_INTEGER : TYPE_NUMBER;
}

bool schema_is_false(JsonNode *schema) {
    return json_node_get_value_type(schema) == G_TYPE_BOOLEAN && !json_node_get_boolean(schema);
}

/* ---- Values ---- */

/* 1 and 1.0 are one value. */
static bool values_equal(JsonNode *a, JsonNode *b) {
    unsigned number = TYPE_NUMBER | TYPE_INTEGER;
    if ((schema_type_of(a) & number) && (schema_type_of(b) & number))
        return json_node_get_double(a) == json_node_get_double(b);
    return json_node_equal(a, b);
}

static bool values_have(JsonArray *values, JsonNode *value) {
    for (guint i = 0; i < json_array_get_length(values); i++)
        if (values_equal(json_array_get_element(values, i), value)) return true;
    return false;
}

static JsonArray *values_common(JsonArray *a, JsonArray *b) {
    JsonArray *common = json_array_new();
    for (guint i = 0; i < json_array_get_length(a); i++) {
        JsonNode *value = json_array_get_element(a, i);
        if (values_have(b, value)) json_array_add_element(common, json_node_copy(value));
    }
    return common;
}

/* enum, const as a list of one, or what is in both; NULL without. The caller owns it. */
JsonArray *schema_values(JsonObject *schema) {
    JsonNode *node = schema_get(schema, "enum"), *constant = schema_get(schema, "const");
    g_autoptr(JsonArray) one = NULL;
    if (constant) {
        one = json_array_new();
        json_array_add_element(one, json_node_copy(constant));
    }
    if (!node || !JSON_NODE_HOLDS_ARRAY(node)) return g_steal_pointer(&one);
    JsonArray *values = json_node_get_array(node);
    return one ? values_common(one, values) : json_array_ref(values);
}

/* ---- Joining ---- */

static JsonNode *both(JsonNode *a, JsonNode *b) {
    if (schema_is_false(a) || json_node_equal(a, b)) return json_node_copy(a);
    if (schema_is_false(b)) return json_node_copy(b);
    JsonArray *parts = json_array_new();
    JsonObject *object = json_object_new();
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    json_array_add_element(parts, json_node_copy(a));
    json_array_add_element(parts, json_node_copy(b));
    json_object_set_array_member(object, "allOf", parts);
    json_node_take_object(node, object);
    return node;
}

static JsonNode *boolean_node(bool value) {
    JsonNode *node = json_node_new(JSON_NODE_VALUE);
    json_node_set_boolean(node, value);
    return node;
}

/* What a schema says about a property: its own, that of additional ones, or nothing. Owned. */
static JsonNode *property_of(JsonObject *schema, const char *name) {
    JsonNode *properties = schema_get(schema, "properties");
    JsonNode *others = schema_get(schema, "additionalProperties"), *own = NULL;
    if (properties && JSON_NODE_HOLDS_OBJECT(properties))
        own = json_object_get_member(json_node_get_object(properties), name);
    return own ? json_node_copy(own) : others ? json_node_copy(others) : boolean_node(true);
}

static void properties_of_add(JsonObject *from, JsonObject *a, JsonObject *b, JsonObject *ret) {
    JsonNode *node = schema_get(from, "properties");
    if (!node || !JSON_NODE_HOLDS_OBJECT(node)) return;
    g_autoptr(GList) names = json_object_get_members(json_node_get_object(node));
    for (GList *l = names; l; l = l->next) {
        if (json_object_has_member(ret, l->data)) continue;
        g_autoptr(JsonNode) x = property_of(a, l->data), y = property_of(b, l->data);
        json_object_set_member(ret, l->data, both(x, y));
    }
}

static void properties_join(JsonObject *a, JsonObject *b, JsonObject *ret) {
    JsonObject *properties = json_object_new();
    properties_of_add(a, a, b, properties);
    properties_of_add(b, a, b, properties);
    json_object_set_object_member(ret, "properties", properties);
    JsonNode *x = schema_get(a, "additionalProperties"), *y = schema_get(b, "additionalProperties");
    if (x || y)
        json_object_set_member(ret, "additionalProperties",
                               x && y ? both(x, y) : json_node_copy(x ? x : y));
}

static void required_join(JsonNode *a, JsonNode *b, JsonObject *ret) {
    JsonArray *names = json_array_new();
    JsonNode *const nodes[] = {a, b};
    for (unsigned i = 0; i < 2; i++)
        for (guint j = 0; JSON_NODE_HOLDS_ARRAY(nodes[i]) &&
                          j < json_array_get_length(json_node_get_array(nodes[i]));
             j++)
            json_array_add_element(
                names, json_node_copy(json_array_get_element(json_node_get_array(nodes[i]), j)));
    json_object_set_array_member(ret, "required", names);
}

static const struct {
    const char *name;
    int direction; /* 1: the larger counts, -1: the smaller */
} bounds[] = {{"minimum", 1},  {"exclusiveMinimum", 1},  {"minLength", 1},  {"minItems", 1},
              {"maximum", -1}, {"exclusiveMaximum", -1}, {"maxLength", -1}, {"maxItems", -1}};

static int bound_direction(const char *name) {
    for (size_t i = 0; i < G_N_ELEMENTS(bounds); i++)
        if (strcmp(bounds[i].name, name) == 0) return bounds[i].direction;
    return 0;
}

static const char *const object_keywords[] = {"properties", "additionalProperties"};

static bool is_joined_apart(const char *name) {
    static const char *const names[] = {"type", "enum", "const"};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (strcmp(names[i], name) == 0) return true;
    for (size_t i = 0; i < G_N_ELEMENTS(object_keywords); i++)
        if (strcmp(object_keywords[i], name) == 0) return true;
    return false;
}

static int keyword_join(SchemaWriter *writer, const char *name, JsonNode *a, JsonNode *b,
                        JsonObject *schema_a, JsonObject *schema_b, const char *path,
                        JsonObject *ret) {
    int direction = bound_direction(name);
    if (strcmp(name, "required") == 0) {
        required_join(a, b, ret);
    } else if (json_node_equal(a, b)) {
        json_object_set_member(ret, name, json_node_copy(a));
    } else if (direction != 0 && JSON_NODE_HOLDS_VALUE(a) && JSON_NODE_HOLDS_VALUE(b)) {
        bool first = direction * (json_node_get_double(a) - json_node_get_double(b)) >= 0;
        json_object_set_member(ret, name, json_node_copy(first ? a : b));
    } else if (strcmp(name, "items") == 0 && !schema_get(schema_a, "prefixItems") &&
               !schema_get(schema_b, "prefixItems")) {
        json_object_set_member(ret, name, both(a, b));
    } else {
        return schema_fail(writer, ENOTSUP, path,
                           ": two different %s that hold together are not supported", name);
    }
    return 0;
}

/* Whether one has prefixItems and the other has an opinion about elements. */
static bool arrays_clash(JsonObject *a, JsonObject *b) {
    bool first_a = schema_get(a, "prefixItems") != NULL,
         first_b = schema_get(b, "prefixItems") != NULL;
    return (first_a && (first_b || schema_get(b, "items"))) || (first_b && schema_get(a, "items"));
}

static int keywords_join(SchemaWriter *writer, JsonObject *a, JsonObject *b, const char *path,
                         JsonObject *ret) {
    JsonObject *const schemas[] = {a, b};
    if (arrays_clash(a, b))
        return schema_fail(writer, ENOTSUP, path,
                           ": prefixItems that hold together with items are not supported");
    for (unsigned i = 0; i < 2; i++) {
        g_autoptr(GList) names = json_object_get_members(schemas[i]);
        for (GList *l = names; l; l = l->next) {
            JsonNode *x = schema_get(a, l->data), *y = schema_get(b, l->data);
            if (is_joined_apart(l->data) || json_object_has_member(ret, l->data)) continue;
            int r = 0;
            if (x && y)
                r = keyword_join(writer, l->data, x, y, a, b, path, ret);
            else if (x || y)
                json_object_set_member(ret, l->data, json_node_copy(x ? x : y));
            if (r < 0) return r;
        }
    }
    return 0;
}

static void types_write(unsigned types, JsonObject *ret) {
    JsonArray *names = json_array_new();
    for (size_t i = 0; i < G_N_ELEMENTS(type_names); i++) {
        unsigned type = type_names[i].type;
        bool in_number = type == TYPE_INTEGER && (types & TYPE_NUMBER);
        if ((types & type) == type && !in_number)
            json_array_add_string_element(names, type_names[i].name);
    }
    json_object_set_array_member(ret, "type", names);
}

/* False: nothing is left. */
static bool values_join(JsonObject *a, JsonObject *b, JsonObject *ret) {
    g_autoptr(JsonArray) x = schema_values(a), y = schema_values(b);
    if (!x && !y) return true;
    JsonArray *values = x && y ? values_common(x, y) : json_array_ref(x ? x : y);
    bool any = json_array_get_length(values) > 0;
    json_object_set_array_member(ret, "enum", values);
    return any;
}

static int join(SchemaWriter *writer, JsonObject *a, JsonObject *b, const char *path,
                JsonObject **ret) {
    JsonObject *joined = json_object_new();
    unsigned types_a, types_b;
    int r = schema_types(writer, a, path, &types_a);
    if (r == 0) r = schema_types(writer, b, path, &types_b);
    if (r == 0) r = keywords_join(writer, a, b, path, joined);
    bool any = r == 0 && (types_a & types_b) && values_join(a, b, joined);
    if (any) {
        if ((types_a & types_b) != TYPE_ANY) types_write(types_a & types_b, joined);
        for (size_t i = 0; i < G_N_ELEMENTS(object_keywords); i++)
            if (schema_get(a, object_keywords[i]) || schema_get(b, object_keywords[i]))
                properties_join(a, b, joined);
    } else {
        g_clear_pointer(&joined, json_object_unref);
    }
    *ret = joined;
    return r;
}

int schema_merge(SchemaWriter *writer, GPtrArray *parts, const char *path, JsonObject **ret) {
    JsonObject *all = json_object_ref(parts->pdata[0]);
    int r = 0;
    for (guint i = 1; r == 0 && all && i < parts->len; i++) {
        JsonObject *joined = NULL;
        r = join(writer, all, parts->pdata[i], path, &joined);
        json_object_unref(all);
        all = joined;
    }
    *ret = all;
    return r;
}

/* ---- What cannot hold together ---- */

static JsonObject *object_of(SchemaWriter *writer, JsonNode *schema) {
    for (unsigned i = 0; i < 16; i++) {
        if (!JSON_NODE_HOLDS_OBJECT(schema)) return NULL;
        JsonObject *object = json_node_get_object(schema);
        JsonNode *ref = schema_get(object, "$ref"), *target = NULL;
        if (!ref) return object;
        if (schema_resolve(writer, ref, "", &target) < 0) return NULL;
        schema = target;
    }
    return NULL;
}

static bool values_disjoint(JsonObject *a, JsonObject *b) {
    g_autoptr(JsonArray) x = schema_values(a), y = schema_values(b);
    if (!x || !y) return false;
    g_autoptr(JsonArray) common = values_common(x, y);
    return json_array_get_length(common) == 0;
}

static bool requires(JsonObject *schema, const char *name) {
    JsonNode *node = schema_get(schema, "required");
    if (!node || !JSON_NODE_HOLDS_ARRAY(node)) return false;
    JsonArray *names = json_node_get_array(node);
    for (guint i = 0; i < json_array_get_length(names); i++) {
        JsonNode *element = json_array_get_element(names, i);
        if (json_node_get_value_type(element) == G_TYPE_STRING &&
            strcmp(json_node_get_string(element), name) == 0)
            return true;
    }
    return false;
}

/* One of the properties that both need tells them apart. */
static bool objects_disjoint(SchemaWriter *writer, JsonObject *a, JsonObject *b) {
    JsonNode *node = schema_get(a, "properties");
    if (!node || !JSON_NODE_HOLDS_OBJECT(node)) return false;
    g_autoptr(GList) names = json_object_get_members(json_node_get_object(node));
    for (GList *l = names; l; l = l->next) {
        if (!requires(a, l->data) || !requires(b, l->data)) continue;
        g_autoptr(JsonNode) x = property_of(a, l->data), y = property_of(b, l->data);
        JsonObject *p = object_of(writer, x), *q = object_of(writer, y);
        unsigned types_p = TYPE_ANY, types_q = TYPE_ANY;
        if (!p || !q) continue;
        if (values_disjoint(p, q)) return true;
        if (schema_types(writer, p, "", &types_p) == 0 &&
            schema_types(writer, q, "", &types_q) == 0 && !(types_p & types_q))
            return true;
    }
    return false;
}

/* The types that a schema's values have; of an enum only those in it. */
static unsigned types_of(SchemaWriter *writer, JsonObject *schema) {
    g_autoptr(JsonArray) values = schema_values(schema);
    unsigned types = TYPE_ANY, found = 0;
    if (schema_types(writer, schema, "", &types) < 0) return TYPE_ANY;
    for (guint i = 0; values && i < json_array_get_length(values); i++)
        found |= schema_type_of(json_array_get_element(values, i));
    return values ? types & found : types;
}

bool schema_disjoint(SchemaWriter *writer, JsonNode *a, JsonNode *b) {
    Reason *why = writer->why, ignored;
    if (schema_is_false(a) || schema_is_false(b)) return true;
    writer->why = &ignored;
    JsonObject *x = object_of(writer, a), *y = object_of(writer, b);
    bool disjoint = false;
    if (x && y) {
        unsigned common = types_of(writer, x) & types_of(writer, y);
        disjoint = common == 0 || values_disjoint(x, y) ||
                   (common == TYPE_OBJECT && objects_disjoint(writer, x, y));
    }
    writer->why = why;
    return disjoint;
}
