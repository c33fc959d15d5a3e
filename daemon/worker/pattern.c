#include "worker/pattern.h"

#include <errno.h>
#include <string.h>

#include "worker/limits.h"

struct Pattern {
    SchemaWriter *writer;
    const char *start, *at;
    unsigned nesting;
    Reason *why;
};

static int fail(struct Pattern *pattern, int error, const char *what) {
    return reason_set(pattern->why, error, "%s, at character %ld", what,
                      g_utf8_pointer_to_offset(pattern->start, pattern->at) + 1);
}

static void set_add(CharSet *set, gunichar first, gunichar last) {
    if (charset_add(set, first, last) < 0) g_error("out of memory");
}

static void set_negate(CharSet *set) {
    charset_normalise(set);
    if (charset_negate(set) < 0) g_error("out of memory");
}

/* ---- Classes that have a letter ---- */

static const struct CharRange digits[] = {{'0', '9'}};
static const struct CharRange word[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
static const struct CharRange space[] = {
    {0x09, 0x0d},     {' ', ' '},       {0xa0, 0xa0},     {0x1680, 0x1680}, {0x2000, 0x200a},
    {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000}, {0xfeff, 0xfeff}};
static const struct CharRange line_ends[] = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

static const struct {
    char letter;
    const struct CharRange *ranges;
    size_t n;
} letters[] = {{'d', digits, G_N_ELEMENTS(digits)},
               {'w', word, G_N_ELEMENTS(word)},
               {'s', space, G_N_ELEMENTS(space)}};

static void ranges_add(CharSet *set, const struct CharRange *ranges, size_t n, bool negated) {
    CharSet part = {0};
    for (size_t i = 0; i < n; i++) set_add(&part, ranges[i].first, ranges[i].last);
    if (negated) set_negate(&part);
    if (charset_add_set(set, &part) < 0) g_error("out of memory");
    charset_done(&part);
}

/* ---- Escapes ---- */

static int hex_read(struct Pattern *pattern, unsigned n, gunichar *ret) {
    gunichar value = 0;
    for (unsigned i = 0; i < n; i++, pattern->at++) {
        if (!g_ascii_isxdigit(*pattern->at))
            return fail(pattern, EINVAL, "an escape lacks hexadecimal digits");
        value = value << 4 | (gunichar)g_ascii_xdigit_value(*pattern->at);
    }
    *ret = value;
    return 0;
}

static int braced_read(struct Pattern *pattern, gunichar *ret) {
    gunichar value = 0;
    pattern->at++;
    if (*pattern->at == '}') return fail(pattern, EINVAL, "an escape lacks hexadecimal digits");
    for (; g_ascii_isxdigit(*pattern->at) && value <= CODE_POINT_MAX; pattern->at++)
        value = value << 4 | (gunichar)g_ascii_xdigit_value(*pattern->at);
    if (*pattern->at != '}' || value > CODE_POINT_MAX)
        return fail(pattern, EINVAL, "this escape is no character");
    pattern->at++;
    *ret = value;
    return 0;
}

/* \uD83D\uDE00 is one character. */
static int unit_read(struct Pattern *pattern, gunichar *ret) {
    gunichar low = 0;
    if (*pattern->at == '{') return braced_read(pattern, ret);
    int r = hex_read(pattern, 4, ret);
    if (r < 0 || *ret < 0xd800 || *ret > 0xdfff) return r;
    if (*ret > 0xdbff || strncmp(pattern->at, "\\u", 2) != 0)
        return fail(pattern, ENOTSUP, "half of a surrogate pair is not supported");
    pattern->at += 2;
    r = hex_read(pattern, 4, &low);
    if (r == 0 && (low < 0xdc00 || low > 0xdfff))
        r = fail(pattern, ENOTSUP, "half of a surrogate pair is not supported");
    if (r == 0) *ret = 0x10000 + ((*ret - 0xd800) << 10) + (low - 0xdc00);
    return r;
}

static int refuse_escape(struct Pattern *pattern) {
    if (g_ascii_isdigit(*pattern->at) || *pattern->at == 'k')
        return fail(pattern, ENOTSUP, "a back reference is not supported");
    if (*pattern->at == 'b' || *pattern->at == 'B')
        return fail(pattern, ENOTSUP, "\\b and \\B are not supported");
    if (*pattern->at == 'p' || *pattern->at == 'P')
        return fail(pattern, ENOTSUP, "\\p{...} is not supported");
    if (*pattern->at == '\0') return fail(pattern, EINVAL, "the pattern ends in an escape");
    return fail(pattern, ENOTSUP, "this escape is not supported");
}

static int character_escape(struct Pattern *pattern, CharSet *set, gunichar *ret) {
    static const char names[] = "tnrfv", meanings[] = "\t\n\r\f\v";
    const char *name = *pattern->at ? strchr(names, *pattern->at) : NULL;
    int r = 0;
    if (name) {
        *ret = (gunichar)meanings[name - names];
        pattern->at++;
    } else if (*pattern->at == '0' && !g_ascii_isdigit(pattern->at[1])) {
        *ret = 0;
        pattern->at++;
    } else if (*pattern->at == 'x' || *pattern->at == 'u') {
        r = *pattern->at++ == 'x' ? hex_read(pattern, 2, ret) : unit_read(pattern, ret);
    } else if (g_ascii_ispunct(*pattern->at)) {
        *ret = (gunichar)*pattern->at++;
    } else {
        r = refuse_escape(pattern);
    }
    if (r == 0) set_add(set, *ret, *ret);
    return r;
}

/* After the backslash. *ret: the one character, or UINT32_MAX for a class. */
static int escape_read(struct Pattern *pattern, bool in_class, CharSet *set, gunichar *ret) {
    *ret = G_MAXUINT32;
    for (size_t i = 0; i < G_N_ELEMENTS(letters); i++) {
        if (g_ascii_tolower(*pattern->at) != letters[i].letter) continue;
        ranges_add(set, letters[i].ranges, letters[i].n, g_ascii_isupper(*pattern->at));
        pattern->at++;
        return 0;
    }
    if (in_class && *pattern->at == 'b') {
        pattern->at++;
        *ret = '\b';
        set_add(set, *ret, *ret);
        return 0;
    }
    return character_escape(pattern, set, ret);
}

/* ---- Classes ---- */

static int class_item(struct Pattern *pattern, CharSet *set, gunichar *ret) {
    if (*pattern->at == '\\') {
        pattern->at++;
        return escape_read(pattern, true, set, ret);
    }
    *ret = g_utf8_get_char(pattern->at);
    pattern->at = g_utf8_next_char(pattern->at);
    set_add(set, *ret, *ret);
    return 0;
}

static int class_range(struct Pattern *pattern, CharSet *set) {
    gunichar first, last;
    int r = class_item(pattern, set, &first);
    if (r < 0 || pattern->at[0] != '-' || pattern->at[1] == ']' || pattern->at[1] == '\0') return r;
    pattern->at++;
    r = class_item(pattern, set, &last);
    if (r < 0) return r;
    if (first == G_MAXUINT32 || last == G_MAXUINT32)
        set_add(set, '-', '-');
    else if (last < first)
        return fail(pattern, EINVAL, "a range ends before it begins");
    else
        set_add(set, first, last);
    return 0;
}

static int class_read(struct Pattern *pattern, CharSet *set) {
    bool negated = *pattern->at == '^';
    int r = 0;
    if (negated) pattern->at++;
    while (r == 0 && *pattern->at && *pattern->at != ']') r = class_range(pattern, set);
    if (r < 0) return r;
    if (*pattern->at != ']') return fail(pattern, EINVAL, "a class has no closing bracket");
    pattern->at++;
    if (negated) set_negate(set);
    return 0;
}

/* ---- Atoms ---- */

static int alternatives_read(struct Pattern *pattern, GString *out);

static int group_read(struct Pattern *pattern, GString *out) {
    if (pattern->at[0] == '?') {
        const char *end = pattern->at[1] == '<' ? strchr(pattern->at, '>') : NULL;
        if (pattern->at[1] == ':')
            pattern->at += 2;
        else if (end && pattern->at[2] != '=' && pattern->at[2] != '!')
            pattern->at = end + 1;
        else
            return fail(pattern, ENOTSUP, "look-around is not supported");
    }
    if (++pattern->nesting > PATTERN_NESTING_MAX)
        return fail(pattern, E2BIG, "too many groups in one another");
    g_string_append_c(out, '(');
    int r = alternatives_read(pattern, out);
    pattern->nesting--;
    if (r < 0) return r;
    if (*pattern->at != ')') return fail(pattern, EINVAL, "a group has no closing parenthesis");
    pattern->at++;
    g_string_append_c(out, ')');
    return 0;
}

static int set_read(struct Pattern *pattern, CharSet *set) {
    gunichar character;
    switch (*pattern->at) {
    case '.':
        pattern->at++;
        ranges_add(set, line_ends, G_N_ELEMENTS(line_ends), true);
        return 0;
    case '[':
        pattern->at++;
        return class_read(pattern, set);
    case '\\':
        pattern->at++;
        return escape_read(pattern, false, set, &character);
    default:
        character = g_utf8_get_char(pattern->at);
        pattern->at = g_utf8_next_char(pattern->at);
        set_add(set, character, character);
        return 0;
    }
}

static int atom_read(struct Pattern *pattern, GString *out) {
    CharSet set = {0};
    if (*pattern->at == '(') {
        pattern->at++;
        return group_read(pattern, out);
    }
    if (*pattern->at == '^' || *pattern->at == '$')
        return fail(pattern, ENOTSUP,
                    "^ and $ are supported at the ends of the pattern or of its alternatives only");
    if (strchr("*+?{", *pattern->at)) return fail(pattern, EINVAL, "there is nothing to repeat");
    int r = set_read(pattern, &set);
    charset_normalise(&set);
    const char *rule = r == 0 ? schema_characters_rule(pattern->writer, &set) : NULL;
    charset_done(&set);
    if (r == 0 && !rule) return fail(pattern, EINVAL, "a class without characters");
    if (r == 0) g_string_append(out, rule);
    return r;
}

/* ---- Repetition ---- */

static int count_read(struct Pattern *pattern, guint64 *ret) {
    if (!g_ascii_isdigit(*pattern->at)) return fail(pattern, EINVAL, "a number is missing in {}");
    *ret = g_ascii_strtoull(pattern->at, (char **)&pattern->at, 10);
    return *ret > PATTERN_REPETITIONS_MAX ? fail(pattern, E2BIG, "too many repetitions") : 0;
}

static int braces_read(struct Pattern *pattern, GString *out) {
    guint64 least = 0, most = 0;
    pattern->at++;
    int r = count_read(pattern, &least);
    if (r < 0) return r;
    bool open = *pattern->at == ',';
    if (open) pattern->at++;
    bool bounded = open && *pattern->at != '}';
    if (bounded) r = count_read(pattern, &most);
    if (r < 0) return r;
    if (*pattern->at != '}') return fail(pattern, EINVAL, "} is missing");
    if (bounded && most < least) return fail(pattern, EINVAL, "a repetition from more to fewer");
    pattern->at++;
    g_string_append_printf(out, "{%u%s", (unsigned)least, open ? "," : "");
    if (bounded) g_string_append_printf(out, "%u", (unsigned)most);
    g_string_append_c(out, '}');
    return 0;
}

static int repetition_read(struct Pattern *pattern, GString *out) {
    int r = 0;
    if (*pattern->at == '{')
        r = braces_read(pattern, out);
    else if (*pattern->at && strchr("*+?", *pattern->at))
        g_string_append_c(out, *pattern->at++);
    else
        return 0;
    if (*pattern->at == '?') pattern->at++; /* lazy: the same texts */
    return r;
}

/* ---- Sequences ---- */

static bool is_at_end(const struct Pattern *pattern) {
    return *pattern->at == '\0' || *pattern->at == '|' ||
           (*pattern->at == ')' && pattern->nesting > 0);
}

static int sequence_read(struct Pattern *pattern, GString *out) {
    bool outermost = pattern->nesting == 0, begins = outermost && *pattern->at == '^', ends = false;
    int r = 0;
    if (begins) pattern->at++;
    if (outermost && !begins) g_string_append(out, "char* ");
    while (r == 0 && !is_at_end(pattern)) {
        ends =
            outermost && *pattern->at == '$' && (pattern->at[1] == '\0' || pattern->at[1] == '|');
        if (ends) {
            pattern->at++;
            break;
        }
        if (*pattern->at == ')') return fail(pattern, EINVAL, "there is no group to close");
        r = atom_read(pattern, out);
        if (r == 0) r = repetition_read(pattern, out);
        g_string_append_c(out, ' ');
    }
    if (r == 0 && outermost && !ends) g_string_append(out, "char* ");
    return r;
}

static int alternatives_read(struct Pattern *pattern, GString *out) {
    int r = sequence_read(pattern, out);
    while (r == 0 && *pattern->at == '|') {
        pattern->at++;
        g_string_append(out, "| ");
        r = sequence_read(pattern, out);
    }
    return r;
}

int pattern_to_grammar(SchemaWriter *writer, const char *text, GString *ret, Reason *why) {
    struct Pattern pattern = {.writer = writer, .start = text, .at = text, .why = why};
    g_string_append_c(ret, '(');
    int r = alternatives_read(&pattern, ret);
    g_string_append_c(ret, ')');
    return r;
}
