#include "client/properties.h"

#include <glib/gi18n.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/output.h"
#include "client/printable.h"

static const void *field(const struct Property *row, const void *object) {
    return (const char *)object + row->offset;
}

static const char *string_of(const struct Property *row, const void *object) {
    const char *string = *(char *const *)field(row, object);
    return string ?: "";
}

static uint64_t number_of(const struct Property *row, const void *object) {
    if (row->type == 't') return *(const uint64_t *)field(row, object);
    return *(const uint32_t *)field(row, object);
}

static void field_store(const struct Property *row, sd_bus_message *message, void *object) {
    void *to = (char *)object + row->offset;
    const char *string = NULL;
    int flag = 0;
    switch (row->type) {
    case 's':
        sd_bus_message_read_basic(message, 's', &string);
        g_free(*(char **)to);
        *(char **)to = g_strdup(string);
        break;
    case 'b':
        sd_bus_message_read_basic(message, 'b', &flag);
        *(bool *)to = flag;
        break;
    default:
        sd_bus_message_read_basic(message, row->type, to);
    }
}

static const struct Property *row_find(const struct Property *rows, size_t n_rows,
                                       const char *name) {
    for (size_t i = 0; i < n_rows; i++)
        if (g_str_equal(rows[i].name, name)) return &rows[i];
    return NULL;
}

/* Read position: the variant of the property `row` (NULL: unknown). */
static int value_read(sd_bus_message *message, const struct Property *row, void *object) {
    const char *contents;
    int r = sd_bus_message_peek_type(message, NULL, &contents);
    if (r < 0) return r;
    const char type[] = {row ? row->type : '\0', '\0'};
    if (!row || !g_str_equal(contents, type)) return sd_bus_message_skip(message, "v");

    r = sd_bus_message_enter_container(message, 'v', type);
    if (r < 0) return r;
    field_store(row, message, object);
    return sd_bus_message_exit_container(message);
}

static int reply_read(sd_bus_message *reply, const struct Property *rows, size_t n_rows,
                      void *object) {
    const char *name;
    int r = sd_bus_message_enter_container(reply, 'a', "{sv}");
    while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
        r = sd_bus_message_read_basic(reply, 's', &name);
        if (r >= 0) r = value_read(reply, row_find(rows, n_rows, name), object);
        if (r >= 0) r = sd_bus_message_exit_container(reply);
    }
    return r;
}

int properties_read(Connection *connection, const char *path, const char *interface,
                    const struct Property *rows, size_t n_rows, sd_bus_error *ret_error,
                    void *ret) {
    sd_bus_message *reply = NULL;
    sd_bus_message *call =
        connection_method(connection, path, "org.freedesktop.DBus.Properties", "GetAll");
    sd_bus_message_append(call, "s", interface);
    int r = connection_try(connection, call, ret_error, &reply);
    if (r >= 0) r = reply_read(reply, rows, n_rows, ret);
    if (r < 0) sd_bus_error_set_errno(ret_error, r); /* keeps what is set already */
    sd_bus_message_unref(reply);
    return r;
}

void properties_done(const struct Property *rows, size_t n_rows, void *object) {
    for (size_t i = 0; i < n_rows; i++)
        if (rows[i].type == 's')
            g_clear_pointer((char **)((char *)object + rows[i].offset), g_free);
}

char *property_format(const struct Property *row, const void *object) {
    if (row->type == 's') return g_strdup(string_of(row, object));
    if (row->type == 'b') return g_strdup(*(const bool *)field(row, object) ? _("yes") : _("no"));
    uint64_t number = number_of(row, object);
    if (row->unit == UNIT_BYTES) return output_bytes(number);
    if (row->unit == UNIT_COUNT) return output_count(number);
    return g_strdup_printf("%" G_GUINT64_FORMAT, number);
}

void properties_json(const struct Property *rows, size_t n_rows, const void *object,
                     JsonBuilder *builder) {
    for (size_t i = 0; i < n_rows; i++) {
        json_builder_set_member_name(builder, rows[i].key);
        if (rows[i].type == 's')
            json_builder_add_string_value(builder, string_of(&rows[i], object));
        else if (rows[i].type == 'b')
            json_builder_add_boolean_value(builder, *(const bool *)field(&rows[i], object));
        else
            json_builder_add_int_value(builder, (gint64)number_of(&rows[i], object));
    }
}

void properties_print(const struct Property *rows, size_t n_rows, const void *object) {
    glong widest = 0;
    for (size_t i = 0; i < n_rows; i++)
        if (rows[i].label) widest = MAX(widest, g_utf8_strlen(_(rows[i].label), -1));
    for (size_t i = 0; i < n_rows; i++) {
        if (!rows[i].label || (rows[i].type == 's' && !*string_of(&rows[i], object))) continue;
        const char *label = _(rows[i].label);
        g_autofree char *value = property_format(&rows[i], object);
        g_autofree char *clean = printable_line(value);
        printf("%s%s%s%*s  %s\n", output_style(stdout, STYLE_STRONG), label,
               output_style(stdout, STYLE_PLAIN), (int)(widest - g_utf8_strlen(label, -1)), "",
               clean);
    }
}
