#include "service/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <json-glib/json-glib.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service/limits.h"

struct ManifestRow {
    const char *member;
    char type; /* 's', 't', 'u', 'b' as in D-Bus */
    bool required;
    size_t offset;
};

#define FIELD(name) offsetof(struct Manifest, name)

static const struct ManifestRow rows[] = {
    {"title", 's', false, FIELD(title)},
    {"architecture", 's', true, FIELD(architecture)},
    {"family", 's', true, FIELD(family)},
    {"weights", 's', false, FIELD(weights)},
    {"kv_type", 's', false, FIELD(kv_type)},
    {"draft", 's', false, FIELD(draft)},
    {"draft_weights", 's', false, FIELD(draft_weights)},
    {"digest", 's', false, FIELD(digest)},
    {"chat_template", 's', false, FIELD(chat_template)},
    {"parameters", 't', false, FIELD(parameters)},
    {"size", 't', true, FIELD(size)},
    {"weight_bytes", 't', true, FIELD(weight_bytes)},
    {"draft_weight_bytes", 't', false, FIELD(draft_weight_bytes)},
    {"context_length", 'u', true, FIELD(context_length)},
    {"vocabulary_size", 'u', true, FIELD(vocabulary_size)},
    {"files", 'u', false, FIELD(files)},
    {"can_chat", 'b', false, FIELD(can_chat)},
};

static void *field(struct Manifest *manifest, const struct ManifestRow *row) {
    return (char *)manifest + row->offset;
}

void manifest_done(struct Manifest *manifest) {
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].type == 's') g_clear_pointer((char **)field(manifest, &rows[i]), g_free);
    g_clear_pointer(&manifest->name, g_free);
    g_clear_pointer(&manifest->ternary_layouts, g_free);
}

/* The parser recurses with the nesting, so that is bounded first. */
static bool depth_is_sane(const char *text, size_t length) {
    unsigned depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > MANIFEST_DEPTH_MAX) return false;
        } else if ((c == '}' || c == ']') && depth) {
            depth--;
        }
    }
    return true;
}

static int member_bad(const struct ManifestRow *row, Problem *why) {
    problem_set(why, PROBLEM_BAD_MODEL,
                "The manifest's \"%s\" is missing or not what it should be.", row->member);
    return -EBADMSG;
}

static int member_read(JsonObject *object, const struct ManifestRow *row, struct Manifest *manifest,
                       Problem *why) {
    JsonNode *node = json_object_get_member(object, row->member);
    if (!node || JSON_NODE_HOLDS_NULL(node)) return row->required ? member_bad(row, why) : 0;
    if (!JSON_NODE_HOLDS_VALUE(node)) return member_bad(row, why);

    GType type = json_node_get_value_type(node);
    if (type != (row->type == 's'   ? G_TYPE_STRING
                 : row->type == 'b' ? G_TYPE_BOOLEAN
                                    : G_TYPE_INT64))
        return member_bad(row, why);
    if (row->type == 's') {
        *(char **)field(manifest, row) = json_node_dup_string(node);
        return 0;
    }
    if (row->type == 'b') {
        *(bool *)field(manifest, row) = json_node_get_boolean(node);
        return 0;
    }
    int64_t value = json_node_get_int(node);
    if (value < 0 || value > (row->type == 'u' ? (int64_t)UINT32_MAX : MANIFEST_NUMBER_MAX))
        return member_bad(row, why);
    if (row->type == 'u')
        *(uint32_t *)field(manifest, row) = (uint32_t)value;
    else
        *(uint64_t *)field(manifest, row) = (uint64_t)value;
    return 0;
}

/* Doors put these into messages that must be UTF-8 and may not hold NUL. */
static void strings_fill(struct Manifest *manifest, const char *name) {
    manifest->name = g_strdup(name);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (rows[i].type != 's') continue;
        char **string = field(manifest, &rows[i]);
        char *valid = g_utf8_make_valid(*string ? *string : "", -1);
        g_free(*string);
        *string = valid;
    }
    if (!*manifest->title) {
        g_free(manifest->title);
        manifest->title = g_strdup(name);
    }
}

/* ---- What packing tried ---- */

/* NULL where there is no such thing. */
static JsonNode *member_of(JsonNode *node, const char *name, JsonNodeType type) {
    if (!node || !JSON_NODE_HOLDS_OBJECT(node)) return NULL;
    JsonNode *member = json_object_get_member(json_node_get_object(node), name);
    return member && JSON_NODE_TYPE(member) == type ? member : NULL;
}

static void speed_add(JsonObject *speeds, const char *layout, JsonNode *speed, gpointer userdata) {
    GString *text = userdata;
    const char *before = text->str[text->len - 1] == '(' ? "" : ", ";
    if (JSON_NODE_HOLDS_VALUE(speed))
        g_string_append_printf(text, "%s%.8s %.2f", before, layout, json_node_get_double(speed));
}

/* "4096: t1.6 (t2 1.00, t1.6 1.17, lut 0.96)" */
static void trial_add(GString *text, JsonNode *trial) {
    JsonNode *n_cols = member_of(trial, "columns", JSON_NODE_VALUE);
    JsonNode *layout = member_of(trial, "layout", JSON_NODE_VALUE);
    JsonNode *speeds = member_of(trial, "speeds", JSON_NODE_OBJECT);
    if (!n_cols || !layout || !json_node_get_string(layout) || !speeds) return;
    g_string_append_printf(text, "%s%" PRId64 ": %.8s (", text->len ? "; " : "",
                           json_node_get_int(n_cols), json_node_get_string(layout));
    json_object_foreach_member(json_node_get_object(speeds), speed_add, text);
    g_string_append_c(text, ')');
}

static char *ternary_layouts(JsonNode *root) {
    JsonNode *packed = member_of(root, "packed", JSON_NODE_OBJECT);
    JsonNode *trials = member_of(packed, "ternary", JSON_NODE_ARRAY);
    JsonArray *array = trials ? json_node_get_array(trials) : NULL;
    GString *text = g_string_new(NULL);
    for (guint i = 0; array && i < MIN(json_array_get_length(array), MANIFEST_TRIALS_MAX); i++)
        trial_add(text, json_array_get_element(array, i));
    g_autofree char *bytes = g_string_free(text, FALSE);
    return g_utf8_make_valid(bytes, -1);
}

/* ---- All of it ---- */

int manifest_parse(const char *text, size_t length, const char *name, struct Manifest *ret,
                   Problem *why) {
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    struct Manifest manifest = {0};
    if (length > MANIFEST_SIZE_MAX || !depth_is_sane(text, length) ||
        !json_parser_load_from_data(parser, text, (gssize)length, NULL) ||
        !json_parser_get_root(parser) || !JSON_NODE_HOLDS_OBJECT(json_parser_get_root(parser))) {
        problem_set(why, PROBLEM_BAD_MODEL, "The manifest of %s is not a JSON object.", name);
        return -EBADMSG;
    }
    JsonObject *object = json_node_get_object(json_parser_get_root(parser));
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        int r = member_read(object, &rows[i], &manifest, why);
        if (r < 0) {
            manifest_done(&manifest);
            return r;
        }
    }
    strings_fill(&manifest, name);
    manifest.ternary_layouts = ternary_layouts(json_parser_get_root(parser));
    *ret = manifest;
    return 0;
}

/* A regular file of a sane size, whole; -errno. */
static int small_file_read(const char *path, size_t size_max, char **ret, size_t *ret_length,
                           int64_t *ret_mtime) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return -errno;
    int r = 0;
    g_autofree char *text = NULL;
    ssize_t length = 0;
    if (fstat(fd, &st) < 0) r = -errno;
    if (r == 0 && (!S_ISREG(st.st_mode) || st.st_size > (off_t)size_max)) r = -EBADMSG;
    if (r == 0) {
        text = g_malloc((size_t)st.st_size + 1);
        length = read(fd, text, (size_t)st.st_size);
        if (length < 0) r = -errno;
    }
    close(fd);
    if (r < 0) return r;
    *ret = g_steal_pointer(&text);
    *ret_length = (size_t)length;
    *ret_mtime = st.st_mtim.tv_sec;
    return 0;
}

int manifest_load(const char *path, const char *name, struct Manifest *ret, int64_t *ret_mtime,
                  Problem *why) {
    g_autofree char *text = NULL;
    size_t length = 0;
    int r = small_file_read(path, MANIFEST_SIZE_MAX, &text, &length, ret_mtime);
    if (r == -ENOENT) return r;
    if (r < 0) {
        problem_set(why, PROBLEM_BAD_MODEL, "The manifest of %s can't be read: %s.", name,
                    g_strerror(-r));
        return -EBADMSG;
    }
    return manifest_parse(text, length, name, ret, why);
}
