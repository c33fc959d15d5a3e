#include "client/name.h"

#include <glib.h>
#include <string.h>

#include "client/model-file.h"

static bool is_name_character(char c) {
    return g_ascii_isalnum(c) || (c && strchr("._-", c));
}

bool name_is_valid(const char *name) {
    size_t length = strlen(name);
    if (length == 0 || length > NAME_LENGTH_MAX || !g_ascii_isalnum(*name)) return false;
    for (const char *p = name; *p; p++)
        if (!is_name_character(*p)) return false;
    return true;
}

char *name_from_file(const char *path) {
    g_autofree char *base = g_path_get_basename(path);
    g_autoptr(GString) name = g_string_new(NULL);
    size_t length = strlen(base);
    size_t stem;
    if (model_file_count(base, &stem) > 0)
        base[stem] = '\0';
    else if (length >= 5 && g_ascii_strcasecmp(base + length - 5, ".gguf") == 0)
        base[length - 5] = '\0';

    for (const char *p = base; *p && name->len < NAME_LENGTH_MAX; p++) {
        char c = is_name_character(*p) ? g_ascii_tolower(*p) : '-';
        if (name->len == 0 && !g_ascii_isalnum(c)) continue;
        /* A run of characters that cannot be in a name is one "-". */
        if (c == '-' && name->len && name->str[name->len - 1] == '-') continue;
        g_string_append_c(name, c);
    }
    while (name->len && !g_ascii_isalnum(name->str[name->len - 1]))
        g_string_truncate(name, name->len - 1);
    return name->len ? g_strdup(name->str) : NULL;
}
