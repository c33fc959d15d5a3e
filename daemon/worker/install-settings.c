#include "worker/install-settings.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <json-glib/json-glib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/limits.h"
#include "worker/requantise-word.h"

static const struct {
    const char *word, *name;
} kv_types[] = {{"f32", "F32"}, {"f16", "F16"}, {"i8", "I8"}};

/* NULL: no such word. */
static const char *kv_type_parse(const char *word) {
    for (gsize i = 0; i < G_N_ELEMENTS(kv_types); i++)
        if (g_str_equal(word, kv_types[i].word)) return kv_types[i].name;
    return NULL;
}

/* NULL with *r: 0, there is none. */
static char *text_read(const char *path, int *ret_r, Reason *why) {
    char buffer[SETTINGS_SIZE_MAX];
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    *ret_r = 0;
    if (fd < 0 && errno == ENOENT) return NULL;
    gssize n = fd < 0 || fstat(fd, &status) < 0 ? -1 : read(fd, buffer, sizeof buffer);
    *ret_r = n < 0 ? reason_set(why, errno, "%s: %s", path, g_strerror(errno)) : 0;
    if (n >= 0 && (!S_ISREG(status.st_mode) || n == sizeof buffer))
        *ret_r = reason_set(why, EBADMSG, "%s is not what an installation writes", path);
    if (fd >= 0) close(fd);
    return *ret_r == 0 ? g_strndup(buffer, (gsize)n) : NULL;
}

/* NULL: not there, or no text. */
static const char *member_text(JsonObject *object, const char *name) {
    JsonNode *node = json_object_get_member(object, name);
    bool text =
        node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING;
    return text ? json_node_get_string(node) : NULL;
}

static bool settings_read(JsonObject *object, struct InstallSettings *ret) {
    const char *weights = member_text(object, "weights");
    const char *kv_type = member_text(object, "kv_type");

    if (weights && !requantise_parse(weights, &ret->requantise)) return false;
    if (!kv_type) return true;
    ret->kv_type = kv_type_parse(kv_type);
    return ret->kv_type != NULL;
}

int install_settings_load(const char *path, struct InstallSettings *ret, Reason *why) {
    g_autofree char *file = g_build_filename(path, SETTINGS_FILE, NULL);
    g_autoptr(JsonParser) parser = json_parser_new();
    int r;

    *ret = (struct InstallSettings){REQUANTISE_NOTHING, NULL};
    if (!g_file_test(path, G_FILE_TEST_IS_DIR)) return 0;
    g_autofree char *text = text_read(file, &r, why);
    if (!text) return r;
    bool parsed = json_parser_load_from_data(parser, text, -1, NULL);
    JsonNode *root = parsed ? json_parser_get_root(parser) : NULL;
    if (root && JSON_NODE_HOLDS_OBJECT(root) && settings_read(json_node_get_object(root), ret))
        return 0;
    *ret = (struct InstallSettings){REQUANTISE_NOTHING, NULL};
    return reason_set(why, EBADMSG, "%s is not what an installation writes", file);
}
