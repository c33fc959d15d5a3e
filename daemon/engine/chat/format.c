#include "engine/chat/format.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/chat/literal.h"
#include "engine/chat/print.h"

/* No template pads further. */
#define WIDTH_MAX 200

/* ---- With percent signs ---- */

struct Conversion {
    char flags[8];
    int width, precision; /* -1: none */
    char kind;
};

/* From behind the percent sign; the size, 0: malformed. */
static size_t read_conversion(const char *at, const char *end, struct Conversion *ret) {
    const char *start = at;
    *ret = (struct Conversion){.width = -1, .precision = -1};
    size_t n_flags = 0;
    while (at < end && n_flags < 6 && *at && strchr("-+ 0#", *at)) ret->flags[n_flags++] = *at++;
    for (; at < end && isdigit((unsigned char)*at) && ret->width <= WIDTH_MAX; at++)
        ret->width = (ret->width < 0 ? 0 : ret->width) * 10 + (*at - '0');
    if (at < end && *at == '.') {
        ret->precision = 0;
        for (at++; at < end && isdigit((unsigned char)*at) && ret->precision <= WIDTH_MAX; at++)
            ret->precision = ret->precision * 10 + (*at - '0');
    }
    if (at >= end || ret->width > WIDTH_MAX || ret->precision > WIDTH_MAX) return 0;
    ret->kind = *at;
    return (size_t)(at + 1 - start);
}

static void add_padded(struct TextBuilder *builder, const struct Text *text,
                       const struct Conversion *conversion) {
    size_t n = text_length(text), width = conversion->width > 0 ? (size_t)conversion->width : 0;
    size_t padding = width > n ? width - n : 0;
    bool left = strchr(conversion->flags, '-');
    for (size_t i = 0; !left && i < padding; i++) builder_add(builder, " ", 1, true);
    builder_add_text(builder, text);
    for (size_t i = 0; left && i < padding; i++) builder_add(builder, " ", 1, true);
}

static void add_words_of(struct Run *run, struct TextBuilder *builder, Value value,
                         const struct Conversion *conversion) {
    struct TextBuilder words = {.arena = run->arena};
    if (conversion->kind == 'r')
        print_repr(run, &words, value);
    else
        print_value(run, &words, value);
    const struct Text *text = builder_finish(&words);
    if (conversion->precision >= 0)
        text = text_part(run->arena, text, 0, text_offset(text, (size_t)conversion->precision));
    add_padded(builder, text, conversion);
}

static void add_number(struct Run *run, struct TextBuilder *builder, Value value,
                       const struct Conversion *conversion) {
    char format[40], text[700];
    bool whole = strchr("dixXo", conversion->kind);
    if (!value_is_number(value) || (whole && value.kind == VALUE_FLOAT &&
                                    !(value.number > -0x1p63 && value.number < 0x1p63))) {
        run_fail(run, "%%%c needs a number, not %s", conversion->kind, value_kind_name(value));
        return;
    }
    char width[12] = "", precision[12] = "";
    if (conversion->width >= 0) snprintf(width, sizeof width, "%d", conversion->width);
    if (conversion->precision >= 0)
        snprintf(precision, sizeof precision, ".%d", conversion->precision);
    snprintf(format, sizeof format, "%%%s%s%s%s%c", conversion->flags, width, precision,
             whole ? "j" : "", conversion->kind == 'i' ? 'd' : conversion->kind);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    if (whole)
        snprintf(
            text, sizeof text, format,
            (intmax_t)(value.kind == VALUE_FLOAT ? (int64_t)value.number : value_as_int(value)));
    else
        snprintf(text, sizeof text, format, value_as_double(value));
#pragma GCC diagnostic pop
    builder_add_words(builder, text, !value.foreign);
}

static void add_converted(struct Run *run, struct TextBuilder *builder, Value value,
                          const struct Conversion *conversion) {
    if (conversion->kind && strchr("srac", conversion->kind))
        add_words_of(run, builder, value, conversion);
    else if (conversion->kind && strchr("dixXofFeEgG", conversion->kind))
        add_number(run, builder, value, conversion);
    else
        run_fail(run, "a format has the unknown conversion %%%c", conversion->kind);
}

Value format_percent(struct Run *run, const struct Text *format, Value values) {
    struct TextBuilder builder = {.arena = run->arena};
    const char *end = format->bytes + format->size;
    bool tuple = values.kind == VALUE_LIST && values.list->form == LIST_TUPLE;
    size_t n = tuple ? values.list->n : 1, used = 0;
    run_work(run, format->size);
    for (size_t at = 0; at < format->size && !run_stopped(run);) {
        const char *percent = memchr(format->bytes + at, '%', format->size - at);
        size_t stop = percent ? (size_t)(percent - format->bytes) : format->size;
        builder_add_part(&builder, format, at, stop - at);
        at = stop;
        if (!percent) break;
        struct Conversion conversion;
        size_t size = read_conversion(percent + 1, end, &conversion);
        if (size == 0) return run_fail(run, "a format has a conversion that can't be read");
        at += 1 + size;
        if (conversion.kind == '%')
            builder_add_part(&builder, format, stop, 1);
        else if (used == n)
            return run_fail(run, "a format has more conversions than values");
        else
            add_converted(run, &builder, tuple ? values.list->items[used++] : (used++, values),
                          &conversion);
    }
    if (used < n && values.kind != VALUE_DICT && values.kind != VALUE_UNDEFINED &&
        !(values.kind == VALUE_LIST && !tuple))
        return run_fail(run, "a format has fewer conversions than values");
    return value_text(builder_finish(&builder));
}

/* ---- With braces ---- */

static Value field_value(struct Run *run, const struct Text *field, const struct Arguments *all,
                         size_t *next) {
    int64_t index = (int64_t)*next;
    if (field->size == 0) (*next)++;
    if (field->size == 0 || literal_parse_int(field, 10, &index)) {
        if (index >= 0 && (size_t)index < all->n) return all->values[index];
        return run_fail(run, "format() has no value for '{%.*s}'", TEXT_SHOWN(field));
    }
    for (size_t i = 0; i < all->n_named; i++)
        if (text_equals(all->named[i].name, field)) return all->named[i].value;
    return run_fail(run, "format() can't fill in '{%.*s}'", TEXT_SHOWN(field));
}

Value format_braces(struct Run *run, const struct Text *format, const struct Arguments *all) {
    struct TextBuilder builder = {.arena = run->arena};
    size_t next = 0;
    run_work(run, format->size);
    for (size_t at = 0; at < format->size && !run_stopped(run);) {
        char c = format->bytes[at];
        bool doubled = at + 1 < format->size && format->bytes[at + 1] == c;
        if ((c == '{' || c == '}') && doubled) {
            builder_add_part(&builder, format, at, 1);
            at += 2;
        } else if (c == '{') {
            const char *close = memchr(format->bytes + at, '}', format->size - at);
            if (!close) return run_fail(run, "a format has a '{' without its '}'");
            size_t end = (size_t)(close - format->bytes);
            const struct Text *field = text_part(run->arena, format, at + 1, end - at - 1);
            print_value(run, &builder, field_value(run, field, all, &next));
            at = end + 1;
        } else if (c == '}') {
            return run_fail(run, "a format has a '}' without its '{'");
        } else {
            builder_add_part(&builder, format, at++, 1);
        }
    }
    return value_text(builder_finish(&builder));
}
