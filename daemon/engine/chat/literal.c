#include "engine/chat/literal.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/text/unicode.h"

/* The longest number that is read; longer ones say nothing more. */
#define NUMBER_MAX 400

/* ---- Strings ---- */

struct Escape {
    char name, value;
};

static const struct Escape ESCAPES[] = {
    {'n', '\n'}, {'t', '\t'}, {'r', '\r'}, {'\\', '\\'}, {'\'', '\''},
    {'"', '"'},  {'a', '\a'}, {'b', '\b'}, {'f', '\f'},  {'v', '\v'},
};

static int digit_value(char c) {
    if (isdigit((unsigned char)c)) return c - '0';
    if (isalpha((unsigned char)c)) return tolower((unsigned char)c) - 'a' + 10;
    return 99;
}

/* A run of up to `n_max` digits. */
static size_t read_digits(const char *at, const char *end, int base, size_t n_max, uint32_t *ret) {
    size_t n = 0;
    *ret = 0;
    while (n < n_max && at + n < end && digit_value(at[n]) < base)
        *ret = *ret * (uint32_t)base + (uint32_t)digit_value(at[n++]);
    return n;
}

/* \xNN, \uNNNN, \UNNNNNNNN, \NNN: at the letter; the size without the backslash, 0: malformed. */
static size_t read_code(struct TextBuilder *builder, const char *at, const char *end) {
    size_t n_digits = *at == 'x' ? 2 : *at == 'u' ? 4 : *at == 'U' ? 8 : 0;
    uint32_t c;
    size_t n =
        n_digits ? read_digits(at + 1, end, 16, n_digits, &c) + 1 : read_digits(at, end, 8, 3, &c);
    if ((n_digits && n != n_digits + 1) || n == 0 || c > 0x10ffff) return 0;
    builder_add_character(builder, c, true);
    return n;
}

/* At the character after a backslash: returns its size, 0: malformed. */
static size_t read_escape(struct TextBuilder *builder, const char *at, const char *end) {
    for (size_t i = 0; i < sizeof ESCAPES / sizeof ESCAPES[0]; i++)
        if (ESCAPES[i].name == *at) {
            builder_add(builder, &ESCAPES[i].value, 1, true);
            return 1;
        }
    if (*at == '\n') return 1;
    if (*at == 'N') return 0;
    if (strchr("xuU01234567", *at) && *at) return read_code(builder, at, end);
    builder_add(builder, at - 1, 2, true);
    return 1;
}

static size_t read_string(struct Arena *arena, const char *source, size_t size, Value *ret,
                          const char **words) {
    struct TextBuilder builder = {.arena = arena, .trusted = true};
    const char *end = source + size, *at = source + 1;
    while (at < end && *at != *source) {
        size_t n = 1;
        if (*at != '\\') {
            builder_add(&builder, at, 1, true);
        } else {
            n = at + 1 < end ? 1 + read_escape(&builder, at + 1, end) : 1;
            if (n == 1) {
                *words = "a string has an escape that can't be read";
                return 0;
            }
        }
        at += n;
    }
    if (at >= end) {
        *words = "a string does not end";
        return 0;
    }
    *ret = value_text(builder_finish(&builder));
    return (size_t)(at + 1 - source);
}

/* ---- Numbers ---- */

/* Digits with single underscores between them. */
static size_t digits_size(const char *at, const char *end) {
    const char *start = at;
    while (at < end &&
           (isdigit((unsigned char)*at) || (*at == '_' && at > start && at + 1 < end &&
                                            at[-1] != '_' && isdigit((unsigned char)at[1]))))
        at++;
    return (size_t)(at - start);
}

/* The size of a float, 0: it is an integer. */
static size_t float_size(const char *source, const char *end) {
    const char *at = source + digits_size(source, end);
    bool is_float = false;
    if (at + 1 < end && *at == '.' && isdigit((unsigned char)at[1])) {
        at += 1 + digits_size(at + 1, end);
        is_float = true;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        const char *exponent = at + 1;
        if (exponent < end && (*exponent == '+' || *exponent == '-')) exponent++;
        size_t n = digits_size(exponent, end);
        if (n > 0) return (size_t)(exponent + n - source);
    }
    return is_float ? (size_t)(at - source) : 0;
}

static size_t integer_size(const char *source, const char *end) {
    if (end - source > 2 && *source == '0' && strchr("xXoObB", source[1])) {
        size_t n = 2;
        while (source + n < end && (isxdigit((unsigned char)source[n]) || source[n] == '_')) n++;
        return n;
    }
    return digits_size(source, end);
}

size_t literal_read(struct Arena *arena, const char *source, size_t size, bool after_dot,
                    Value *ret, const char **words) {
    if (!isdigit((unsigned char)*source)) return read_string(arena, source, size, ret, words);
    const char *end = source + size;
    size_t n = after_dot ? 0 : float_size(source, end);
    struct Text text = {.bytes = source, .size = n};
    if (n > 0) {
        ret->kind = VALUE_FLOAT;
        *words = "a number can't be read";
        *ret = value_float(0);
        return literal_parse_float(&text, &ret->number) ? n : 0;
    }
    text.size = n = integer_size(source, end);
    *words = "an integer can't be read, or has more than 64 bits";
    *ret = value_int(0);
    return literal_parse_int(&text, 0, &ret->integer) ? n : 0;
}

/* Without white space around it and without its underscores, NUL-terminated. */
static bool copy_number(const struct Text *text, char copy[NUMBER_MAX + 1]) {
    size_t n = 0, from = 0, end = text->size;
    while (from < end && isspace((unsigned char)text->bytes[from])) from++;
    while (end > from && isspace((unsigned char)text->bytes[end - 1])) end--;
    if (from == end || end - from > NUMBER_MAX) return false;
    for (size_t i = from; i < end; i++) {
        char c = text->bytes[i];
        bool between = i > from && i + 1 < end && isalnum((unsigned char)text->bytes[i - 1]) &&
                       isalnum((unsigned char)text->bytes[i + 1]);
        if (c == '_' && between) continue;
        if (c == '_' || c == '\0') return false;
        copy[n++] = c;
    }
    copy[n] = '\0';
    return true;
}

bool literal_parse_float(const struct Text *text, double *ret) {
    char copy[NUMBER_MAX + 1], *end;
    if (!copy_number(text, copy)) return false;
    const char *digits = copy + strspn(copy, "+-");
    bool word =
        !strcasecmp(digits, "inf") || !strcasecmp(digits, "infinity") || !strcasecmp(digits, "nan");
    if (!word && strspn(digits, "0123456789.eE+-") != strlen(digits)) return false;
    *ret = strtod(copy, &end);
    return *end == '\0';
}

bool literal_parse_int(const struct Text *text, unsigned base, int64_t *ret) {
    char copy[NUMBER_MAX + 1];
    if (!copy_number(text, copy)) return false;
    const char *at = copy + (*copy == '-' || *copy == '+');
    static const char PREFIXES[] = "xob";
    static const unsigned BASES[] = {16, 8, 2};
    for (unsigned i = 0; i < 3; i++)
        if (*at == '0' && tolower((unsigned char)at[1]) == PREFIXES[i] &&
            (base == 0 || base == BASES[i])) {
            base = BASES[i];
            at += 2;
        }
    if (base == 0 && *at == '0' && strspn(at, "0") != strlen(at)) return false; /* Python's rule */
    if (base == 0) base = 10;
    uint64_t number = 0;
    if (!*at) return false;
    for (; *at; at++) {
        unsigned digit = (unsigned)digit_value(*at);
        if (digit >= base || __builtin_mul_overflow(number, base, &number) ||
            __builtin_add_overflow(number, digit, &number) || number > INT64_MAX)
            return false;
    }
    *ret = *copy == '-' ? -(int64_t)number : (int64_t)number;
    return true;
}
