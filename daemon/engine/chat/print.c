#include "engine/chat/print.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/text/unicode.h"

/* ---- Numbers ---- */

/* The fewest digits that read back as the same number; they go to `digits`, returns the exponent
 * of the first. */
static int shortest_digits(double number, char digits[24]) {
    char text[40];
    for (int precision = 0; precision < 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, number);
        if (strtod(text, NULL) == number) break;
    }
    const char *exponent = strchr(text, 'e');
    size_t n = 0;
    for (const char *at = text; at < exponent; at++)
        if (*at >= '0' && *at <= '9') digits[n++] = *at;
    while (n > 1 && digits[n - 1] == '0') n--;
    digits[n] = '\0';
    return atoi(exponent + 1);
}

void print_float(double number, char *buffer) {
    char digits[24];
    if (isnan(number) || isinf(number)) {
        strcpy(buffer, isnan(number) ? "nan" : number < 0 ? "-inf" : "inf");
        return;
    }
    const char *sign = signbit(number) ? "-" : "";
    int exponent = shortest_digits(fabs(number), digits), n = (int)strlen(digits);
    if (exponent < -4 || exponent >= 16)
        snprintf(buffer, PRINT_FLOAT_SIZE, "%s%c%s%se%c%02d", sign, digits[0], n > 1 ? "." : "",
                 digits + 1, exponent < 0 ? '-' : '+', abs(exponent));
    else if (exponent < 0)
        snprintf(buffer, PRINT_FLOAT_SIZE, "%s0.%.*s%s", sign, -exponent - 1, "000", digits);
    else if (n > exponent + 1)
        snprintf(buffer, PRINT_FLOAT_SIZE, "%s%.*s.%s", sign, exponent + 1, digits,
                 digits + exponent + 1);
    else
        snprintf(buffer, PRINT_FLOAT_SIZE, "%s%s%.*s.0", sign, digits, exponent + 1 - n,
                 "0000000000000000");
}

static void print_number(struct TextBuilder *builder, Value value) {
    char text[PRINT_FLOAT_SIZE];
    if (value.kind == VALUE_FLOAT)
        print_float(value.number, text);
    else
        snprintf(text, sizeof text, "%" PRIi64, value.integer);
    builder_add_words(builder, text, !value.foreign);
}

/* ---- repr() ---- */

/* Of the characters that are no letters and no numbers, those that Python writes as escapes:
 * controls, formats, separators, private use. */
static bool is_printable(uint32_t c) {
    static const uint32_t NOT[][2] = {
        {0x0, 0x1f},      {0x7f, 0xa0},       {0xad, 0xad},        {0x600, 0x605},
        {0x61c, 0x61c},   {0x6dd, 0x6dd},     {0x70f, 0x70f},      {0x1680, 0x1680},
        {0x180e, 0x180e}, {0x2000, 0x200f},   {0x2028, 0x202f},    {0x205f, 0x206f},
        {0x3000, 0x3000}, {0xe000, 0xf8ff},   {0xfeff, 0xfeff},    {0xfff0, 0xfffb},
        {0xfffe, 0xffff}, {0xe0000, 0xe00ff}, {0xf0000, 0x10ffff},
    };
    for (size_t i = 0; i < sizeof NOT / sizeof NOT[0]; i++)
        if (c >= NOT[i][0] && c <= NOT[i][1]) return false;
    return true;
}

static void repr_character(struct TextBuilder *builder, uint32_t c, char quote, bool trusted) {
    char text[12];
    if (c == (uint32_t)quote || c == '\\')
        snprintf(text, sizeof text, "\\%c", (char)c);
    else if (c == '\n' || c == '\r' || c == '\t')
        snprintf(text, sizeof text, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
    else if (!is_printable(c))
        snprintf(text, sizeof text, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
    else {
        builder_add_character(builder, c, trusted);
        return;
    }
    builder_add_words(builder, text, trusted);
}

static void repr_text(struct TextBuilder *builder, const struct Text *text) {
    bool single = memchr(text->bytes, '\'', text->size),
         twice = memchr(text->bytes, '"', text->size);
    char quote = single && !twice ? '"' : '\'';
    uint32_t c;
    builder_add(builder, &quote, 1, false);
    for (size_t at = 0; at < text->size;) {
        unsigned n = utf8_decode(text->bytes + at, text->size - at, &c);
        if (c == UTF8_INVALID)
            builder_add_part(builder, text, at, n);
        else
            repr_character(builder, c, quote, text_trusted_at(text, at));
        at += n;
    }
    builder_add(builder, &quote, 1, false);
}

static void repr_list(struct Run *run, struct TextBuilder *builder, const struct List *list) {
    bool tuple = list->form == LIST_TUPLE;
    builder_add_words(builder, tuple ? "(" : "[", false);
    for (size_t i = 0; i < list->n && !run_stopped(run); i++) {
        if (i > 0) builder_add_words(builder, ", ", false);
        print_repr(run, builder, list->items[i]);
    }
    builder_add_words(builder, tuple ? list->n == 1 ? ",)" : ")" : "]", false);
}

static void repr_dict(struct Run *run, struct TextBuilder *builder, const struct Dict *dict) {
    builder_add_words(builder, "{", false);
    for (size_t i = 0; i < dict->n && !run_stopped(run); i++) {
        if (i > 0) builder_add_words(builder, ", ", false);
        print_repr(run, builder, dict->entries[i].key);
        builder_add_words(builder, ": ", false);
        print_repr(run, builder, dict->entries[i].value);
    }
    builder_add_words(builder, "}", false);
}

void print_repr(struct Run *run, struct TextBuilder *builder, Value value) {
    run_work(run, 0);
    switch (value.kind) {
    case VALUE_STRING:
        run_work(run, value.text->size);
        repr_text(builder, value.text);
        break;
    case VALUE_LIST:
        if (value.list->form >= LIST_RANGE)
            run_fail(run, "a range, a view of a dict or what a filter left can't be printed; "
                          "make it a list first");
        else
            repr_list(run, builder, value.list);
        break;
    case VALUE_DICT:
        repr_dict(run, builder, value.dict);
        break;
    case VALUE_UNDEFINED:
        builder_add_words(builder, "Undefined", false);
        break;
    default:
        print_value(run, builder, value);
        break;
    }
}

void print_value(struct Run *run, struct TextBuilder *builder, Value value) {
    switch (value.kind) {
    case VALUE_MISSING:
    case VALUE_UNDEFINED:
        break;
    case VALUE_NONE:
        builder_add_words(builder, "None", true);
        break;
    case VALUE_BOOL:
        builder_add_words(builder, value.truth ? "True" : "False", true);
        break;
    case VALUE_INT:
    case VALUE_FLOAT:
        print_number(builder, value);
        break;
    case VALUE_STRING:
        run_work(run, value.text->size);
        builder_add_text(builder, value.text);
        break;
    case VALUE_LIST:
    case VALUE_DICT:
        print_repr(run, builder, value);
        break;
    default:
        run_fail(run, "%s can't be printed", value_kind_name(value));
        break;
    }
}

const struct Text *value_to_text(struct Run *run, Value value) {
    struct TextBuilder builder = {.arena = run->arena};
    if (value.kind == VALUE_STRING) return value.text;
    print_value(run, &builder, value);
    return builder_finish(&builder);
}
