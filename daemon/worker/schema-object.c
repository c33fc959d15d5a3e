/* Objects and arrays of a JSON schema. */
#include <errno.h>
#include <string.h>

#include "worker/limits.h"
#include "worker/schema-private.h"

/* Names are read character by character where others may stand beside them. */
#define NAME_LENGTH_MAX 1024

struct Property {
    const char *name;
    JsonNode *schema;
    bool required;
};

struct Members {
    GArray *properties; /* struct Property, in order, without those that are forbidden */
    GPtrArray *names;   /* all that additional ones must differ from */
    JsonNode *others;   /* schema of additional ones; NULL: there are none */
};

/* ---- What the schema says ---- */

static JsonNode *any_schema(SchemaWriter *writer) {
    JsonNode *node = json_node_new(JSON_NODE_VALUE);
    json_node_set_boolean(node, TRUE);
    return schema_own(writer, node);
}

static int others_read(SchemaWriter *writer, JsonObject *schema, struct Members *members) {
    JsonNode *node = schema_get(schema, "additionalProperties");
    members->others = !node ? any_schema(writer) : schema_is_false(node) ? NULL : node;
    return 0;
}

static int name_check(SchemaWriter *writer, const struct Members *members, const char *name,
                      const char *path) {
    if (members->others && strlen(name) > NAME_LENGTH_MAX)
        return schema_fail(writer, E2BIG, path,
                           " has a property whose name is longer than %u bytes", NAME_LENGTH_MAX);
    return 0;
}

static int properties_read(SchemaWriter *writer, JsonObject *schema, const char *path,
                           struct Members *members) {
    JsonNode *node = schema_get(schema, "properties");
    if (!node) return 0;
    if (!JSON_NODE_HOLDS_OBJECT(node))
        return schema_fail(writer, EINVAL, path, ".properties must be an object");
    JsonObject *properties = json_node_get_object(node);
    g_autoptr(GList) names = json_object_get_members(properties);
    for (GList *l = names; l; l = l->next) {
        struct Property property = {l->data, json_object_get_member(properties, l->data), false};
        int r = name_check(writer, members, property.name, path);
        if (r < 0) return r;
        g_ptr_array_add(members->names, l->data);
        g_array_append_val(members->properties, property);
    }
    return 0;
}

static struct Property *property_find(const struct Members *members, const char *name) {
    for (guint i = 0; i < members->properties->len; i++) {
        struct Property *property = &g_array_index(members->properties, struct Property, i);
        if (strcmp(property->name, name) == 0) return property;
    }
    return NULL;
}

/* Of a name that is not among the properties. */
static int required_add(SchemaWriter *writer, const char *name, const char *path,
                        struct Members *members) {
    struct Property property = {name, members->others, true};
    if (!members->others)
        return schema_fail(writer, EINVAL, path,
                           " allows no object: %.60s is required, but no such property is allowed",
                           name);
    int r = name_check(writer, members, name, path);
    if (r < 0) return r;
    g_ptr_array_add(members->names, (char *)name);
    g_array_append_val(members->properties, property);
    return 0;
}

static int required_read(SchemaWriter *writer, JsonObject *schema, const char *path,
                         struct Members *members) {
    JsonNode *node = schema_get(schema, "required");
    if (!node) return 0;
    if (!JSON_NODE_HOLDS_ARRAY(node))
        return schema_fail(writer, EINVAL, path, ".required must be an array of names");
    JsonArray *names = json_node_get_array(node);
    int r = 0;
    for (guint i = 0; r == 0 && i < json_array_get_length(names); i++) {
        JsonNode *element = json_array_get_element(names, i);
        if (json_node_get_value_type(element) != G_TYPE_STRING)
            return schema_fail(writer, EINVAL, path, ".required must be an array of names");
        struct Property *property = property_find(members, json_node_get_string(element));
        if (property)
            property->required = true;
        else
            r = required_add(writer, json_node_get_string(element), path, members);
    }
    return r;
}

/* Properties that nothing fits are left out, unless they are required. */
static int forbidden_drop(SchemaWriter *writer, const char *path, struct Members *members) {
    for (guint i = members->properties->len; i-- > 0;) {
        struct Property *property = &g_array_index(members->properties, struct Property, i);
        if (!schema_is_false(property->schema)) continue;
        if (property->required)
            return schema_fail(writer, EINVAL, path,
                               " allows no object: %.60s is required, but nothing fits it",
                               property->name);
        g_array_remove_index(members->properties, i);
    }
    return 0;
}

/* ---- What is written ---- */

static int property_append(SchemaWriter *writer, const struct Property *property, const char *path,
                           GString *out) {
    g_autofree char *inner = g_strdup_printf("%s.properties.%s", path, property->name);
    unsigned rule;
    int r = schema_rule(writer, property->schema, inner, &rule);
    if (r < 0) return r;
    schema_text(writer, property->name, out);
    g_string_append_printf(out, " ws \":\" ws s%u", rule);
    return 0;
}

static int other_append(SchemaWriter *writer, const struct Members *members, const char *path,
                        GString *out) {
    g_autofree char *inner = g_strdup_printf("%s.additionalProperties", path);
    unsigned rule;
    int r = schema_rule(writer, members->others, inner, &rule);
    if (r < 0) return r;
    schema_other_text(writer, members->names, out);
    g_string_append_printf(out, " ws \":\" ws s%u", rule);
    return 0;
}

/* Property i and what can follow it, as two rules: -f<i> where none was written before, and -n<i>
 * where a comma has to come first. */
static int members_write(SchemaWriter *writer, const struct Members *members, const char *path,
                         unsigned rule) {
    GString *gbnf = writer->gbnf;
    guint n = members->properties->len;
    for (guint i = 0; i < n; i++) {
        const struct Property *property = &g_array_index(members->properties, struct Property, i);
        g_autoptr(GString) text = g_string_new(NULL);
        int r = property_append(writer, property, path, text);
        if (r < 0) return r;
        g_string_append_printf(gbnf, "s%u-p%u ::= %s ws s%u-n%u\n", rule, i, text->str, rule,
                               i + 1);
        g_string_append_printf(gbnf, "s%u-f%u ::= s%u-p%u", rule, i, rule, i);
        if (!property->required) g_string_append_printf(gbnf, " | s%u-f%u", rule, i + 1);
        g_string_append_printf(gbnf, "\ns%u-n%u ::= \",\" ws s%u-p%u", rule, i, rule, i);
        if (!property->required) g_string_append_printf(gbnf, " | s%u-n%u", rule, i + 1);
        g_string_append_c(gbnf, '\n');
    }
    if (!members->others) {
        g_string_append_printf(gbnf, "s%u-f%u ::= \"\"\ns%u-n%u ::= \"\"\n", rule, n, rule, n);
        return 0;
    }
    g_autoptr(GString) other = g_string_new(NULL);
    int r = other_append(writer, members, path, other);
    g_string_append_printf(gbnf, "s%u-o ::= %s ws\n", rule, other->str);
    g_string_append_printf(gbnf, "s%u-f%u ::= (s%u-o (\",\" ws s%u-o)*)?\n", rule, n, rule, rule);
    g_string_append_printf(gbnf, "s%u-n%u ::= (\",\" ws s%u-o)*\n", rule, n, rule);
    return r;
}

int schema_object(SchemaWriter *writer, JsonObject *schema, const char *path, GString *out) {
    struct Members members = {.properties = g_array_new(FALSE, FALSE, sizeof(struct Property)),
                              .names = g_ptr_array_new()};
    unsigned rule = schema_next_rule(writer);
    int r = others_read(writer, schema, &members);
    if (r == 0) r = properties_read(writer, schema, path, &members);
    if (r == 0) r = required_read(writer, schema, path, &members);
    if (r == 0) r = forbidden_drop(writer, path, &members);
    if (r == 0) r = members_write(writer, &members, path, rule);
    g_string_append_printf(out, "\"{\" ws s%u-f0 \"}\"", rule);
    g_array_free(members.properties, TRUE);
    g_ptr_array_free(members.names, TRUE);
    return r;
}

/* ---- Arrays ---- */

struct Elements {
    JsonArray *first; /* prefixItems, or NULL */
    guint n_first;
    JsonNode *others; /* items */
    guint64 least, most;
};

static int elements_read(SchemaWriter *writer, JsonObject *schema, const char *path,
                         struct Elements *ret) {
    JsonNode *first = schema_get(schema, "prefixItems"), *items = schema_get(schema, "items");
    if (first && !JSON_NODE_HOLDS_ARRAY(first))
        return schema_fail(writer, EINVAL, path, ".prefixItems must be an array of schemas");
    if (items && JSON_NODE_HOLDS_ARRAY(items))
        return schema_fail(writer, ENOTSUP, path,
                           ".items as an array is not supported: it is called prefixItems now");
    ret->first = first ? json_node_get_array(first) : NULL;
    ret->n_first = first ? json_array_get_length(ret->first) : 0;
    ret->others = items ? items : any_schema(writer);
    int r = schema_count(writer, schema, "minItems", path, 0, &ret->least);
    if (r == 0) r = schema_count(writer, schema, "maxItems", path, G_MAXUINT64, &ret->most);
    if (r < 0) return r;
    if (schema_is_false(ret->others)) ret->most = MIN(ret->most, ret->n_first);
    for (guint i = 0; i < ret->n_first; i++)
        if (schema_is_false(json_array_get_element(ret->first, i))) ret->most = MIN(ret->most, i);
    if (ret->least > ret->most)
        return schema_fail(writer, EINVAL, path,
                           " allows no array: it needs %" G_GUINT64_FORMAT
                           " items, but at most %" G_GUINT64_FORMAT " are allowed",
                           ret->least, ret->most);
    return 0;
}

static void repeat(GString *out, guint64 least, guint64 most) {
    g_string_append_printf(out, "{%" G_GUINT64_FORMAT ",", least);
    if (most != G_MAXUINT64) g_string_append_printf(out, "%" G_GUINT64_FORMAT, most);
    g_string_append_c(out, '}');
}

/* Elements after the `done` first ones. */
static int others_append(SchemaWriter *writer, const struct Elements *elements, guint64 done,
                         const char *path, GString *out) {
    g_autofree char *inner = g_strdup_printf("%s.items", path);
    guint64 least = elements->least > done ? elements->least - done : 0;
    guint64 most = elements->most == G_MAXUINT64 ? G_MAXUINT64 : elements->most - done;
    unsigned rule;
    if (most == 0) {
        g_string_append(out, "\"\"");
        return 0;
    }
    int r = schema_rule(writer, elements->others, inner, &rule);
    if (r < 0) return r;
    if (done > 0) {
        g_string_append_printf(out, "(\",\" ws s%u ws)", rule);
        repeat(out, least, most);
        return 0;
    }
    g_string_append_printf(out, "(s%u ws (\",\" ws s%u ws)", rule, rule);
    repeat(out, least > 0 ? least - 1 : 0, most == G_MAXUINT64 ? most : most - 1);
    g_string_append(out, least > 0 ? ")" : ")?");
    return 0;
}

/* One rule for each of the first elements, with all that follow it: -e<i>. */
static int first_write(SchemaWriter *writer, const struct Elements *elements, guint i,
                       unsigned rule, const char *path) {
    g_autofree char *inner = g_strdup_printf("%s.prefixItems[%u]", path, i);
    bool needed = i < elements->least;
    unsigned element;
    int r = schema_rule(writer, json_array_get_element(elements->first, i), inner, &element);
    if (r < 0) return r;
    g_string_append_printf(writer->gbnf, "s%u-e%u ::= (%ss%u ws s%u-e%u)%s\n", rule, i,
                           i > 0 ? "\",\" ws " : "", element, rule, i + 1, needed ? "" : "?");
    return 0;
}

int schema_array(SchemaWriter *writer, JsonObject *schema, const char *path, GString *out) {
    struct Elements elements;
    g_autoptr(GString) others = g_string_new(NULL);
    unsigned rule = schema_next_rule(writer);
    int r = elements_read(writer, schema, path, &elements);
    guint n = r == 0 ? (guint)MIN(elements.n_first, elements.most) : 0;
    for (guint i = 0; r == 0 && i < n; i++) r = first_write(writer, &elements, i, rule, path);
    if (r == 0) r = others_append(writer, &elements, n, path, others);
    if (r < 0) return r;
    g_string_append_printf(writer->gbnf, "s%u-e%u ::= %s\n", rule, n, others->str);
    g_string_append_printf(out, "\"[\" ws s%u-e0 \"]\"", rule);
    return 0;
}
