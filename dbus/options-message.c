/* Options in D-Bus messages. */
#include <errno.h>

#include "dbus/names.h"
#include "dbus/option-row.h"

/* ---- Reading ---- */

static int error_range(sd_bus_error *error, const char *name) {
    char range[OPTIONS_RANGE_SIZE];
    return sd_bus_error_setf(error, ERROR_INVALID_ARGS, "Option %s must be %s.", name,
                             options_range(name, range, sizeof range));
}

static int text_take(const struct OptionRow *row, const char *text, struct GenerateOptions *options,
                     sd_bus_error *error) {
    int r = options_set_text(options, row->name, text);
    return r == -ERANGE ? error_range(error, row->name) : r;
}

static int array_read(sd_bus_message *message, const struct OptionRow *row,
                      struct GenerateOptions *options, sd_bus_error *error) {
    const char *text;
    int r = sd_bus_message_enter_container(message, 'a', "s");
    if (r < 0) return r;
    options->set |= option_row_bit(row); /* an empty one is given, too */
    while ((r = sd_bus_message_read_basic(message, 's', &text)) > 0) {
        r = text_take(row, text, options, error);
        if (r < 0) return r;
    }
    return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int biases_read(sd_bus_message *message, const struct OptionRow *row,
                       struct GenerateOptions *options, sd_bus_error *error) {
    int32_t token;
    double bias;
    int r = sd_bus_message_enter_container(message, 'a', "{id}");
    if (r < 0) return r;
    options->set |= option_row_bit(row);
    while ((r = sd_bus_message_read(message, "{id}", &token, &bias)) > 0) {
        r = options_add_bias(options, token, bias);
        if (r == -ERANGE) return error_range(error, row->name);
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
        const char *s;
    } value;
    int r = sd_bus_message_read_basic(message, row->type, &value);
    if (r < 0) return r;
    if (row->type == 's') return text_take(row, value.s, options, error);
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
    const struct OptionRow *row = option_row_find(name);
    const char *contents;
    if (!row) return sd_bus_error_setf(error, ERROR_INVALID_ARGS, "There is no option %s.", name);

    const char basic[] = {row->type, '\0'};
    const char *type = row->type == 'a' ? "as" : row->type == 'm' ? "a{id}" : basic;
    int r = sd_bus_message_peek_type(message, NULL, &contents);
    if (r < 0) return r;
    if (strcmp(contents, type) != 0)
        return sd_bus_error_setf(error, ERROR_INVALID_ARGS, "Option %s has type %s, not %s.", name,
                                 type, contents);
    r = sd_bus_message_enter_container(message, 'v', type);
    if (r < 0) return r;
    r = row->type == 'a'   ? array_read(message, row, options, error)
        : row->type == 'm' ? biases_read(message, row, options, error)
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

/* ---- Writing ---- */

static int array_append(sd_bus_message *message, char **array) {
    int r = sd_bus_message_open_container(message, 'v', "as");
    if (r >= 0) r = sd_bus_message_append_strv(message, array);
    return r < 0 ? r : sd_bus_message_close_container(message);
}

static int biases_append(sd_bus_message *message, const struct TokenBiases *biases) {
    int r = sd_bus_message_open_container(message, 'v', "a{id}");
    if (r >= 0) r = sd_bus_message_open_container(message, 'a', "{id}");
    for (size_t i = 0; r >= 0 && biases && i < biases->n; i++)
        r = sd_bus_message_append(message, "{id}", biases->biases[i].token, biases->biases[i].bias);
    if (r >= 0) r = sd_bus_message_close_container(message);
    return r < 0 ? r : sd_bus_message_close_container(message);
}

static int value_append(sd_bus_message *message, const struct OptionRow *row,
                        const struct GenerateOptions *options) {
    void *value = option_field(options, row);
    switch (row->type) {
    case 'u':
        return sd_bus_message_append(message, "v", "u", *(const uint32_t *)value);
    case 't':
        return sd_bus_message_append(message, "v", "t", *(const uint64_t *)value);
    case 'b':
        return sd_bus_message_append(message, "v", "b", (int)*(const bool *)value);
    case 'd':
        return sd_bus_message_append(message, "v", "d", *(const double *)value);
    case 'm':
        return biases_append(message, *(struct TokenBiases **)value);
    case 's':
        return sd_bus_message_append(message, "v", "s", *(char *const *)value);
    default:
        return array_append(message, *(char ***)value);
    }
}

int options_append(sd_bus_message *message, const struct GenerateOptions *options) {
    int r = sd_bus_message_open_container(message, 'a', "{sv}");
    for (size_t i = 0; r >= 0 && i < N_OPTION_ROWS; i++) {
        const struct OptionRow *row = &option_rows[i];
        if (!(options->set & option_row_bit(row))) continue;
        r = sd_bus_message_open_container(message, 'e', "sv");
        if (r >= 0) r = sd_bus_message_append_basic(message, 's', row->name);
        if (r >= 0) r = value_append(message, row, options);
        if (r >= 0) r = sd_bus_message_close_container(message);
    }
    return r < 0 ? r : sd_bus_message_close_container(message);
}
