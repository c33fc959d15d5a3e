#include "dbus/options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/names.h"

/* One row is one option: its D-Bus type, its place in the struct, its range. */
struct OptionRow {
    const char *name;
    char type; /* SD_BUS_TYPE_*; 'a' is an array of strings */
    size_t offset;
    double minimum, maximum;
};

#define FIELD(name) offsetof(struct GenerateOptions, name)

static const struct OptionRow rows[] = {
    {"max_tokens", 'u', FIELD(max_tokens), 1, UINT32_MAX},
    {"temperature", 'd', FIELD(temperature), 0, 2},
    {"top_k", 'u', FIELD(top_k), 0, UINT32_MAX},
    {"top_p", 'd', FIELD(top_p), 0, 1},
    {"min_p", 'd', FIELD(min_p), 0, 1},
    {"repeat_penalty", 'd', FIELD(repeat_penalty), 0.5, 2},
    {"presence_penalty", 'd', FIELD(presence_penalty), -2, 2},
    {"frequency_penalty", 'd', FIELD(frequency_penalty), -2, 2},
    {"repeat_last_n", 'u', FIELD(repeat_last_n), 0, 1 << 20},
    {"seed", 't', FIELD(seed), 0, 0x1p64},
    {"stop", 'a', FIELD(stop), 0, 0},
    {"progress", 'b', FIELD(progress), 0, 1},
    {"ignore_eos", 'b', FIELD(ignore_eos), 0, 1},
};
#define N_ROWS (sizeof rows / sizeof rows[0])

static const struct OptionRow *row_find(const char *name) {
    for (size_t i = 0; i < N_ROWS; i++)
        if (strcmp(rows[i].name, name) == 0) return &rows[i];
    return NULL;
}

static uint64_t row_bit(const struct OptionRow *row) {
    return UINT64_C(1) << (row - rows);
}

static void *field(struct GenerateOptions *options, const struct OptionRow *row) {
    return (char *)options + row->offset;
}

void options_init(struct GenerateOptions *options) {
    *options = (struct GenerateOptions){
        .temperature = 0.8,
        .top_p = 0.95,
        .min_p = 0.05,
        .repeat_penalty = 1,
        .max_tokens = 512,
        .top_k = 40,
        .repeat_last_n = 64,
    };
}

static void strings_free(char **strings) {
    for (char **s = strings; s && *s; s++) free(*s);
    free(strings);
}

void options_done(struct GenerateOptions *options) {
    strings_free(options->stop);
    options->stop = NULL;
}

int options_copy(const struct GenerateOptions *from, struct GenerateOptions *ret) {
    struct GenerateOptions copy = *from;
    copy.stop = NULL;
    copy.set &= ~row_bit(row_find("stop"));
    for (char **s = from->stop; s && *s; s++) {
        int r = options_set_text(&copy, "stop", *s);
        if (r < 0) {
            options_done(&copy);
            return r;
        }
    }
    *ret = copy;
    return 0;
}

bool options_is_set(const struct GenerateOptions *options, const char *name) {
    const struct OptionRow *row = row_find(name);
    return row && (options->set & row_bit(row));
}

const char *options_range(const char *name, char *buffer, size_t size) {
    const struct OptionRow *row = row_find(name);
    if (!row) return NULL;
    switch (row->type) {
    case 'a':
        snprintf(buffer, size, "up to %u texts of 1 to %u bytes", STOP_MAX, STOP_LENGTH_MAX);
        break;
    case 'b':
        snprintf(buffer, size, "true or false");
        break;
    case 'd':
        snprintf(buffer, size, "a number from %g to %g", row->minimum, row->maximum);
        break;
    default:
        snprintf(buffer, size, "a whole number from %.0f to %.0f", row->minimum,
                 row->type == 't' ? 0x1p64 - 1 : row->maximum);
        break;
    }
    return buffer;
}

static int stop_add(struct GenerateOptions *options, const char *text) {
    size_t n = 0, length = strlen(text);
    while (options->stop && options->stop[n]) n++;
    if (length == 0 || length > STOP_LENGTH_MAX || n == STOP_MAX) return -ERANGE;

    char **grown = realloc(options->stop, (n + 2) * sizeof *grown);
    if (!grown) return -ENOMEM;
    options->stop = grown;
    grown[n] = strdup(text);
    grown[n + 1] = NULL;
    return grown[n] ? 0 : -ENOMEM;
}

/* `value` is known to be in the row's range. */
static void field_store(struct GenerateOptions *options, const struct OptionRow *row,
                        double value) {
    switch (row->type) {
    case 'u':
        *(uint32_t *)field(options, row) = (uint32_t)value;
        break;
    case 't':
        *(uint64_t *)field(options, row) = (uint64_t)value;
        break;
    case 'b':
        *(bool *)field(options, row) = value != 0;
        break;
    default:
        *(double *)field(options, row) = value;
        break;
    }
    options->set |= row_bit(row);
}

int options_set_number(struct GenerateOptions *options, const char *name, double value) {
    const struct OptionRow *row = row_find(name);
    if (!row) return -ENOENT;
    if (row->type == 'a' || !(value >= row->minimum && value <= row->maximum)) return -ERANGE;
    if (row->type != 'd' && value != floor(value)) return -ERANGE;
    if (row->type == 't' && value >= row->maximum) return -ERANGE;
    field_store(options, row, value);
    return 0;
}

void options_set_seed(struct GenerateOptions *options, uint64_t seed) {
    options->seed = seed;
    options->set |= row_bit(row_find("seed"));
}

static int seed_parse(struct GenerateOptions *options, const char *text) {
    char *end;
    errno = 0;
    unsigned long long seed = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-') return -ERANGE;
    options_set_seed(options, seed);
    return 0;
}

int options_set_text(struct GenerateOptions *options, const char *name, const char *value) {
    const struct OptionRow *row = row_find(name);
    char *end;
    if (!row) return -ENOENT;
    if (row->type == 't') return seed_parse(options, value);
    if (row->type == 'a') {
        int r = stop_add(options, value);
        if (r == 0) options->set |= row_bit(row);
        return r;
    }
    if (row->type == 'b' && (!strcmp(value, "true") || !strcmp(value, "false")))
        return options_set_number(options, name, *value == 't');
    double number = strtod(value, &end);
    if (end == value || *end) return -ERANGE;
    return options_set_number(options, name, number);
}

static int error_range(sd_bus_error *error, const char *name) {
    char range[96];
    return sd_bus_error_setf(error, ERROR_INVALID_ARGS, "Option %s must be %s.", name,
                             options_range(name, range, sizeof range));
}

static int stop_read(sd_bus_message *message, struct GenerateOptions *options,
                     sd_bus_error *error) {
    const char *text;
    int r = sd_bus_message_enter_container(message, 'a', "s");
    if (r < 0) return r;
    while ((r = sd_bus_message_read_basic(message, 's', &text)) > 0) {
        r = options_set_text(options, "stop", text);
        if (r == -ERANGE) return error_range(error, "stop");
        if (r < 0) return r;
    }
    return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int basic_read(sd_bus_message *message, const struct OptionRow *row,
                      struct GenerateOptions *options, sd_bus_error *error) {
    union {
        uint32_t u;
        uint64_t t;
        double d;
        int b;
    } value;
    int r = sd_bus_message_read_basic(message, row->type, &value);
    if (r < 0) return r;
    if (row->type == 't') {
        options_set_seed(options, value.t);
        return 0;
    }
    double number = row->type == 'u' ? value.u : row->type == 'b' ? value.b : value.d;
    return options_set_number(options, row->name, number) < 0 ? error_range(error, row->name) : 0;
}

/* Read position: the variant of the entry `name`. */
static int value_read(sd_bus_message *message, const char *name, struct GenerateOptions *options,
                      sd_bus_error *error) {
    const struct OptionRow *row = row_find(name);
    const char *contents;
    if (!row) return sd_bus_error_setf(error, ERROR_INVALID_ARGS, "There is no option %s.", name);

    const char type[] = {row->type, row->type == 'a' ? 's' : '\0', '\0'};
    int r = sd_bus_message_peek_type(message, NULL, &contents);
    if (r < 0) return r;
    if (strcmp(contents, type) != 0)
        return sd_bus_error_setf(error, ERROR_INVALID_ARGS, "Option %s has type %s, not %s.", name,
                                 type, contents);
    r = sd_bus_message_enter_container(message, 'v', type);
    if (r < 0) return r;
    r = row->type == 'a' ? stop_read(message, options, error)
                         : basic_read(message, row, options, error);
    return r < 0 ? r : sd_bus_message_exit_container(message);
}

int options_read(sd_bus_message *message, struct GenerateOptions *options, sd_bus_error *error) {
    const char *name;
    int r = sd_bus_message_enter_container(message, 'a', "{sv}");
    if (r < 0) return r;
    while ((r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
        r = sd_bus_message_read_basic(message, 's', &name);
        if (r < 0) return r;
        r = value_read(message, name, options, error);
        if (r < 0) return r;
        r = sd_bus_message_exit_container(message);
        if (r < 0) return r;
    }
    return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int value_append(sd_bus_message *message, const struct OptionRow *row,
                        const struct GenerateOptions *options) {
    const void *value = (const char *)options + row->offset;
    switch (row->type) {
    case 'u':
        return sd_bus_message_append(message, "v", "u", *(const uint32_t *)value);
    case 't':
        return sd_bus_message_append(message, "v", "t", *(const uint64_t *)value);
    case 'b':
        return sd_bus_message_append(message, "v", "b", (int)*(const bool *)value);
    case 'd':
        return sd_bus_message_append(message, "v", "d", *(const double *)value);
    default:
        break;
    }
    int r = sd_bus_message_open_container(message, 'v', "as");
    if (r < 0) return r;
    r = sd_bus_message_append_strv(message, options->stop);
    return r < 0 ? r : sd_bus_message_close_container(message);
}

int options_append(sd_bus_message *message, const struct GenerateOptions *options) {
    int r = sd_bus_message_open_container(message, 'a', "{sv}");
    for (size_t i = 0; r >= 0 && i < N_ROWS; i++) {
        if (!(options->set & row_bit(&rows[i]))) continue;
        r = sd_bus_message_open_container(message, 'e', "sv");
        if (r >= 0) r = sd_bus_message_append_basic(message, 's', rows[i].name);
        if (r >= 0) r = value_append(message, &rows[i], options);
        if (r >= 0) r = sd_bus_message_close_container(message);
    }
    return r < 0 ? r : sd_bus_message_close_container(message);
}
