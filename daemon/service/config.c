#include "service/config.h"

#include <errno.h>
#include <glib.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "service/config-value.h"
#include "service/limits.h"

enum ValueType {
    VALUE_STRING,
    VALUE_STRINGS,
    VALUE_SUPERVISOR,
    VALUE_COUNT,
    VALUE_SIZE,
    VALUE_SPAN
};

/* One row is one option. */
struct ConfigRow {
    const char *section, *key;
    enum ValueType type;
    size_t offset;
    uint32_t minimum, maximum; /* VALUE_COUNT */
};

#define FIELD(name) offsetof(struct Config, name)

static const struct ConfigRow rows[] = {
    {"Service", "DefaultModel", VALUE_STRING, FIELD(default_model)},
    {"Service", "ModelDirectories", VALUE_STRINGS, FIELD(model_directories)},
    {"Service", "RuntimeDirectory", VALUE_STRING, FIELD(runtime_directory)},
    {"Service", "WorkerExecutable", VALUE_STRING, FIELD(worker)},
    {"Service", "Supervisor", VALUE_SUPERVISOR, FIELD(supervisor)},
    {"Limits", "MemoryBudget", VALUE_SIZE, FIELD(memory_budget)},
    {"Limits", "IdleTimeoutSec", VALUE_SPAN, FIELD(idle_timeout_usec)},
    {"Limits", "MaxQueuedRequests", VALUE_COUNT, FIELD(max_queued), 1, 100000},
    {"Limits", "MaxRequestsPerUser", VALUE_COUNT, FIELD(max_per_user), 1, 100000},
    {"Limits", "MaxSequences", VALUE_COUNT, FIELD(max_sequences), 1, MAX_SEQUENCES_MAX},
    {"Limits", "Threads", VALUE_COUNT, FIELD(threads), 0, 1024},
    {"Limits", "ContextLength", VALUE_COUNT, FIELD(context), 0, 1 << 24},
    {"HTTP", "ApiKeyFile", VALUE_STRING, FIELD(api_key_file)},
};

static const struct ConfigRow *row_find(const char *section, const char *key) {
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (!strcmp(rows[i].section, section) && !strcmp(rows[i].key, key)) return &rows[i];
    return NULL;
}

static void *field(struct Config *config, const struct ConfigRow *row) {
    return (char *)config + row->offset;
}

static void string_set(char **string, const char *value) {
    g_free(*string);
    *string = g_strdup(value);
}

static int store(struct Config *config, const struct ConfigRow *row, const char *value,
                 Problem *why) {
    uint64_t number;
    char **strings;

    switch (row->type) {
    case VALUE_SUPERVISOR:
        if (strcmp(value, "auto") && strcmp(value, "systemd") && strcmp(value, "spawn"))
            return problem_set(why, PROBLEM_INVALID_ARGUMENT,
                               "%s= must be auto, systemd or spawn, not \"%s\".", row->key, value);
        string_set(field(config, row), value);
        return 0;
    case VALUE_STRINGS:
        if (value_strings(value, &strings) < 0)
            return problem_set(why, PROBLEM_INVALID_ARGUMENT,
                               "%s= must be absolute paths with blanks between them.", row->key);
        g_strfreev(*(char ***)field(config, row));
        *(char ***)field(config, row) = strings;
        return 0;
    case VALUE_COUNT:
        if (value_count(value, row->minimum, row->maximum, &number) < 0)
            return problem_set(why, PROBLEM_INVALID_ARGUMENT,
                               "%s= must be a whole number from %u to %u, not \"%s\".", row->key,
                               row->minimum, row->maximum, value);
        *(uint32_t *)field(config, row) = (uint32_t)number;
        return 0;
    case VALUE_SIZE:
        if (value_size(value, &number) < 0)
            return problem_set(why, PROBLEM_INVALID_ARGUMENT,
                               "%s= must be bytes (with K, M, G or T) or a share of the memory "
                               "like 75%%, not \"%s\".",
                               row->key, value);
        *(uint64_t *)field(config, row) = number;
        return 0;
    case VALUE_SPAN:
        if (value_span(value, &number) < 0)
            return problem_set(why, PROBLEM_INVALID_ARGUMENT,
                               "%s= must be a time span like 5min or 300, not \"%s\".", row->key,
                               value);
        *(uint64_t *)field(config, row) = number;
        return 0;
    default:
        string_set(field(config, row), value);
        return 0;
    }
}

int config_assign(struct Config *config, const char *section, const char *key, const char *value,
                  Problem *why) {
    const struct ConfigRow *row = row_find(section, key);
    if (!row)
        return problem_set(why, PROBLEM_INVALID_ARGUMENT, "There is no option %s= in [%s].", key,
                           section);
    return store(config, row, value, why);
}

static char **directories(const char *first) {
    const char *list[] = {first, STATE_DIRECTORY "/models", DATA_DIRECTORY "/models", NULL};
    return g_strdupv((char **)(first ? list : list + 1));
}

void config_init(struct Config *config, bool user) {
    g_autofree char *models = g_build_filename(g_get_user_data_dir(), "ryzen-llm", "models", NULL);
    *config = (struct Config){
        .default_model = g_strdup(""),
        .model_directories = directories(user ? models : NULL),
        .runtime_directory = user ? g_build_filename(g_get_user_runtime_dir(), "ryzen-llm", NULL)
                                  : g_strdup("/run/ryzen-llm"),
        .worker = g_strdup(PROGRAM_DIRECTORY "/ryzen-llm-worker"),
        .supervisor = g_strdup(user ? "spawn" : "auto"),
        .idle_timeout_usec = 300 * UINT64_C(1000000),
        .max_queued = 64,
        .max_per_user = 16,
        .max_sequences = 8,
        .api_key_file = g_strdup(""),
    };
    if (value_size("75%", &config->memory_budget) < 0) config->memory_budget = UINT64_C(4) << 30;
}

void config_done(struct Config *config) {
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        void *value = field(config, &rows[i]);
        if (rows[i].type == VALUE_STRINGS)
            g_clear_pointer((char ***)value, g_strfreev);
        else if (rows[i].type == VALUE_STRING || rows[i].type == VALUE_SUPERVISOR)
            g_clear_pointer((char **)value, g_free);
    }
}

void config_copy(const struct Config *from, struct Config *ret) {
    *ret = *from;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        void *value = field(ret, &rows[i]);
        if (rows[i].type == VALUE_STRINGS)
            *(char ***)value = g_strdupv(*(char ***)value);
        else if (rows[i].type == VALUE_STRING || rows[i].type == VALUE_SUPERVISOR)
            *(char **)value = g_strdup(*(char **)value);
    }
}

uint64_t config_idle_sec(const struct Config *config) {
    uint64_t usec = config->idle_timeout_usec;
    return MIN(usec / G_USEC_PER_SEC + (usec % G_USEC_PER_SEC > 0), INT32_MAX);
}

/* One line: empty, a comment, a [Section] (kept in `section`) or an assignment. */
static int line_read(struct Config *config, char *line, char **section, Problem *why) {
    g_strstrip(line);
    size_t length = strlen(line);
    if (!length || *line == '#' || *line == ';') return 0;
    if (*line == '[' && line[length - 1] == ']') {
        g_free(*section);
        *section = g_strndup(line + 1, length - 2);
        return 0;
    }
    char *equals = strchr(line, '=');
    if (!equals)
        return problem_set(why, PROBLEM_INVALID_ARGUMENT, "Expected [Section] or Key=value.");
    if (!*section)
        return problem_set(why, PROBLEM_INVALID_ARGUMENT, "Expected a [Section] before Key=value.");
    *equals = '\0';
    return config_assign(config, *section, g_strchomp(line), g_strchug(equals + 1), why);
}

static int text_read(struct Config *config, const char *path, char *text, Problem *why) {
    g_autofree char *section = NULL;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (size_t i = 0; lines[i]; i++) {
        Problem problem = {0};
        if (line_read(config, lines[i], &section, &problem) < 0)
            return problem_set(why, problem.kind, "%s:%zu: %s", path, i + 1, problem.text);
    }
    return 0;
}

static int file_read(struct Config *config, const char *path, Problem *why) {
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    size_t length;
    if (!g_file_get_contents(path, &text, &length, &error)) {
        if (g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT)) return 0;
        return problem_set(why, PROBLEM_FAILED, "%s", error->message);
    }
    if (length > CONFIG_SIZE_MAX || strlen(text) != length)
        return problem_set(why, PROBLEM_INVALID_ARGUMENT, "%s is not a configuration file.", path);
    return text_read(config, path, text, why);
}

static int compare_strings(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of *.conf in a directory, sorted; free with g_ptr_array_unref(). */
static GPtrArray *drop_ins(const char *directory) {
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir)))
        if (g_str_has_suffix(name, ".conf") && *name != '.') g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, compare_strings);
    return names;
}

int config_load(struct Config *config, const char *path, Problem *why) {
    if (file_read(config, path, why) < 0) return -1;
    g_autofree char *directory = g_strconcat(path, ".d", NULL);
    g_autoptr(GPtrArray) names = drop_ins(directory);
    for (size_t i = 0; i < names->len; i++) {
        g_autofree char *file = g_build_filename(directory, names->pdata[i], NULL);
        if (file_read(config, file, why) < 0) return -1;
    }
    return 0;
}
