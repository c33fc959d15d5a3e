#include "api/json-body.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "api/limits.h"

/* What may come next. */
enum Expect {
    VALUE,
    VALUE_OR_END, /* behind [ */
    NAME,
    NAME_OR_END, /* behind { */
    COLON,
    COMMA_OR_END,
    NOTHING,
};

/* One pass without recursion. */
struct Scan {
    const char *data;
    size_t size, at;
    enum Expect expect;
    unsigned depth;
    uint64_t objects; /* bit i: the bracket at depth i is a brace */
    size_t n_values;
};

G_STATIC_ASSERT(JSON_DEPTH_MAX <= 64);

static int fail(const struct Scan *scan, Problem *why, const char *what) {
    size_t line = 1, column = 1;
    for (size_t i = 0; i < scan->at && i < scan->size; i++) {
        column = scan->data[i] == '\n' ? 1 : column + 1;
        line += scan->data[i] == '\n';
    }
    return problem_set(why, PROBLEM_INVALID_ARGUMENT,
                       "The body is not acceptable JSON: line %zu, column %zu: %s.", line, column,
                       what);
}

static char peek(const struct Scan *scan) {
    return scan->at < scan->size ? scan->data[scan->at] : '\0';
}

/* ---- Text ---- */

/* The four digits behind \u, or -1. */
static int32_t scan_hex(struct Scan *scan) {
    int32_t code = 0;
    for (unsigned i = 0; i < 4; i++, scan->at++) {
        int digit = g_ascii_xdigit_value(peek(scan));
        if (digit < 0) return -1;
        code = code * 16 + digit;
    }
    return code;
}

static bool scan_unicode_escape(struct Scan *scan) {
    int32_t code = scan_hex(scan);
    if (code < 0xd800 || code > 0xdfff) return code > 0;
    if (code > 0xdbff || peek(scan) != '\\') return false;
    scan->at++;
    if (peek(scan) != 'u') return false;
    scan->at++;
    int32_t low = scan_hex(scan);
    return low >= 0xdc00 && low <= 0xdfff;
}

/* At a quote; ends behind the closing one. */
static int scan_string(struct Scan *scan, Problem *why) {
    for (scan->at++; scan->at < scan->size;) {
        unsigned char c = (unsigned char)scan->data[scan->at++];
        if (c == '"') return 0;
        if (c < 0x20) return fail(scan, why, "a control character in a string must be escaped");
        if (c != '\\') continue;
        char escape = peek(scan);
        scan->at++;
        if (escape == 'u' ? !scan_unicode_escape(scan)
                          : escape == '\0' || !strchr("\"\\/bfnrt", escape))
            return fail(scan, why, "this escape stands for no character");
    }
    return fail(scan, why, "a string does not end");
}

/* ---- Numbers and words ---- */

static bool scan_digits(struct Scan *scan) {
    size_t start = scan->at;
    while (g_ascii_isdigit(peek(scan))) scan->at++;
    return scan->at > start;
}

static int scan_number(struct Scan *scan, Problem *why) {
    bool good;
    if (peek(scan) == '-') scan->at++;
    if (peek(scan) == '0') {
        scan->at++;
        good = !g_ascii_isdigit(peek(scan));
    } else {
        good = scan_digits(scan);
    }
    if (good && peek(scan) == '.') {
        scan->at++;
        good = scan_digits(scan);
    }
    if (good && (peek(scan) == 'e' || peek(scan) == 'E')) {
        scan->at++;
        if (peek(scan) == '+' || peek(scan) == '-') scan->at++;
        good = scan_digits(scan);
    }
    return good ? 0 : fail(scan, why, "this is not a number");
}

static int scan_word(struct Scan *scan, Problem *why) {
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        size_t length = strlen(words[i]);
        if (scan->size - scan->at < length || memcmp(scan->data + scan->at, words[i], length) != 0)
            continue;
        scan->at += length;
        return 0;
    }
    return fail(scan, why, "a value is expected");
}

/* ---- Structure ---- */

static bool in_object(const struct Scan *scan) {
    return scan->objects >> (scan->depth - 1) & 1;
}

static void after_value(struct Scan *scan) {
    scan->expect = scan->depth ? COMMA_OR_END : NOTHING;
}

static int scan_open(struct Scan *scan, bool object, Problem *why) {
    if (scan->depth == JSON_DEPTH_MAX) return fail(scan, why, "it is nested too deeply");
    uint64_t bit = UINT64_C(1) << scan->depth++;
    scan->objects = object ? scan->objects | bit : scan->objects & ~bit;
    scan->expect = object ? NAME_OR_END : VALUE_OR_END;
    scan->at++;
    return 0;
}

static int scan_close(struct Scan *scan) {
    scan->at++;
    scan->depth--;
    after_value(scan);
    return 0;
}

static int scan_value(struct Scan *scan, char c, Problem *why) {
    if (++scan->n_values > JSON_VALUES_MAX) return fail(scan, why, "it has too many values");
    if (c == '{' || c == '[') return scan_open(scan, c == '{', why);
    int r = c == '"'                         ? scan_string(scan, why)
            : c == '-' || g_ascii_isdigit(c) ? scan_number(scan, why)
                                             : scan_word(scan, why);
    after_value(scan);
    return r;
}

static int scan_name(struct Scan *scan, char c, Problem *why) {
    if (c != '"') return fail(scan, why, "a name in double quotes is expected");
    scan->expect = COLON;
    return scan_string(scan, why);
}

static int scan_comma(struct Scan *scan, char c, Problem *why) {
    if (c != ',') return fail(scan, why, "a comma or the closing bracket is expected");
    scan->expect = in_object(scan) ? NAME : VALUE;
    scan->at++;
    return 0;
}

static int scan_next(struct Scan *scan, Problem *why) {
    char c = peek(scan);
    bool may_end =
        scan->expect == VALUE_OR_END || scan->expect == NAME_OR_END || scan->expect == COMMA_OR_END;
    if (may_end && c == (in_object(scan) ? '}' : ']')) return scan_close(scan);
    switch (scan->expect) {
    case VALUE:
    case VALUE_OR_END:
        return scan_value(scan, c, why);
    case NAME:
    case NAME_OR_END:
        return scan_name(scan, c, why);
    case COLON:
        if (c != ':') return fail(scan, why, "a colon is expected");
        scan->expect = VALUE;
        scan->at++;
        return 0;
    case COMMA_OR_END:
        return scan_comma(scan, c, why);
    case NOTHING:
        break;
    }
    return fail(scan, why, "something follows the end");
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int scan_check(struct Scan *scan, Problem *why) {
    const char *end;
    if (!g_utf8_validate_len(scan->data, scan->size, &end)) {
        scan->at = (size_t)(end - scan->data);
        return fail(scan, why, "this is not UTF-8");
    }
    for (;;) {
        while (is_space(peek(scan))) scan->at++;
        if (scan->at == scan->size) break;
        int r = scan_next(scan, why);
        if (r < 0) return r;
    }
    return scan->expect == NOTHING ? 0 : fail(scan, why, "it ends early");
}

JsonNode *json_body_parse(const char *data, size_t size, Problem *why) {
    struct Scan scan = {.data = data, .size = size, .expect = VALUE};
    if (scan_check(&scan, why) < 0) return NULL;

    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    g_autoptr(GError) error = NULL;
    if (!json_parser_load_from_data(parser, data, (gssize)size, &error)) {
        problem_set(why, PROBLEM_INVALID_ARGUMENT, "The body is not JSON: %s.", error->message);
        return NULL;
    }
    return json_parser_steal_root(parser);
}
