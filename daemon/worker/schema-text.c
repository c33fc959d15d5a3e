/* Strings of a JSON schema: which characters, and how JSON writes them. */
#include <errno.h>
#include <string.h>

#include "worker/limits.h"
#include "worker/pattern.h"
#include "worker/schema-private.h"

#define SURROGATE_FIRST 0xd800u
#define SURROGATE_LAST 0xdfffu

/* ---- One character ---- */

static const struct {
    char letter;
    gunichar character;
} short_escapes[] = {{'"', '"'},  {'\\', '\\'}, {'/', '/'},  {'b', '\b'},
                     {'f', '\f'}, {'n', '\n'},  {'r', '\r'}, {'t', '\t'}};

static void alternative(GString *out, bool *any) {
    if (*any) g_string_append(out, " | ");
    *any = true;
}

static void class_append(GString *out, const CharSet *set) {
    g_string_append_c(out, '[');
    for (size_t i = 0; i < set->n; i++)
        g_string_append_printf(out, "\\U%08X-\\U%08X", set->ranges[i].first, set->ranges[i].last);
    g_string_append_c(out, ']');
}

/* What JSON writes as it is: not control characters, quote, backslash. Moves surrogates out too. */
static void plain_append(const CharSet *set, GString *out, bool *any) {
    static const struct CharRange plain[] = {{0x20, 0x21},
                                             {0x23, 0x5b},
                                             {0x5d, SURROGATE_FIRST - 1},
                                             {SURROGATE_LAST + 1, CODE_POINT_MAX}};
    CharSet all = {0};
    for (size_t i = 0; i < G_N_ELEMENTS(plain); i++) {
        CharSet part = {0};
        if (charset_copy(set, &part) < 0) g_error("out of memory");
        charset_clip(&part, plain[i].first, plain[i].last);
        if (charset_add_set(&all, &part) < 0) g_error("out of memory");
        charset_done(&part);
    }
    if (all.n > 0) {
        alternative(out, any);
        class_append(out, &all);
    }
    charset_done(&all);
}

static void units_append(GString *out, bool *any, const char *prefix, guint64 first, guint64 last) {
    if (first > last) return;
    alternative(out, any);
    g_string_append_printf(out, "\"\\\\u\" %s", prefix);
    schema_digits(out, 16, 4, first, last);
}

/* Characters above U+FFFF are two escapes: a range of the first with all of the second, and what is
 * left at both ends. */
static void pairs_append(GString *out, bool *any, guint32 first, guint32 last) {
    while (first <= last) {
        guint32 high = (first - 0x10000) >> 10, high_last = (last - 0x10000) >> 10;
        guint32 low = (first - 0x10000) & 0x3ff;
        guint32 end = high == high_last ? (last - 0x10000) & 0x3ff : 0x3ff;
        if (low == 0 && high < high_last) {
            high_last -= ((last - 0x10000) & 0x3ff) != 0x3ff;
            end = 0x3ff;
        } else {
            high_last = high;
        }
        units_append(out, any, "", 0xd800 + high, 0xd800 + high_last);
        g_string_append(out, " \"\\\\u\" ");
        schema_digits(out, 16, 4, 0xdc00 + low, 0xdc00 + end);
        first = 0x10000 + (high_last << 10) + end + 1;
    }
}

static void escapes_append(const CharSet *set, GString *out, bool *any) {
    for (size_t i = 0; i < G_N_ELEMENTS(short_escapes); i++) {
        if (!charset_has(set, short_escapes[i].character)) continue;
        alternative(out, any);
        g_string_append_printf(out, "\"\\\\%s%c\"",
                               strchr("\"\\", short_escapes[i].letter) ? "\\" : "",
                               short_escapes[i].letter);
    }
    for (size_t i = 0; i < set->n; i++) {
        guint32 first = set->ranges[i].first, last = set->ranges[i].last;
        units_append(out, any, "", first, MIN(last, SURROGATE_FIRST - 1));
        units_append(out, any, "", MAX(first, SURROGATE_LAST + 1), MIN(last, 0xffff));
        if (last > 0xffff) pairs_append(out, any, MAX(first, 0x10000), last);
    }
}

void schema_characters(const CharSet *set, GString *out) {
    bool any = false;
    g_string_append_c(out, '(');
    plain_append(set, out, &any);
    escapes_append(set, out, &any);
    g_string_append_c(out, ')');
}

const char *schema_characters_rule(SchemaWriter *writer, const CharSet *set) {
    g_autoptr(GString) expression = g_string_new(NULL);
    schema_characters(set, expression);
    return expression->len > 2 ? schema_text_rule(writer, expression->str) : NULL;
}

/* ---- Texts that the schema gives ---- */

void schema_literal(const char *text, GString *out) {
    g_string_append_c(out, '"');
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            g_string_append_printf(out, "\\%c", *c);
        else if ((unsigned char)*c < 0x20)
            g_string_append_printf(out, "\\x%02X", (unsigned)*c);
        else
            g_string_append_c(out, *c);
    }
    g_string_append_c(out, '"');
}

static const char *character_rule(SchemaWriter *writer, gunichar character) {
    CharSet set = {0};
    if (charset_add(&set, character, character) < 0) g_error("out of memory");
    const char *rule = schema_characters_rule(writer, &set);
    charset_done(&set);
    return rule;
}

static bool is_written_plainly(gunichar c) {
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void schema_text(SchemaWriter *writer, const char *text, GString *out) {
    g_string_append(out, "\"\\\"");
    for (const char *c = text; *c; c = g_utf8_next_char(c)) {
        gunichar character = g_utf8_get_char(c);
        if (is_written_plainly(character))
            g_string_append_c(out, *c);
        else
            g_string_append_printf(out, "\" %s \"", character_rule(writer, character));
    }
    g_string_append(out, "\\\"\"");
}

/* ---- Every other text ---- */

static int compare_names(gconstpointer a, gconstpointer b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The next character is none that a name has here. */
static void other_character(SchemaWriter *writer, char **names, guint n, GString *out) {
    CharSet set = {0};
    int r = 0;
    for (guint i = 0; i < n; i++)
        if (*names[i]) r |= charset_add(&set, g_utf8_get_char(names[i]), g_utf8_get_char(names[i]));
    charset_normalise(&set);
    if (r < 0 || charset_negate(&set) < 0) g_error("out of memory");
    g_string_append_printf(out, "%s char*", schema_characters_rule(writer, &set));
    charset_done(&set);
}

/* What follows in a text that began like all of `names`, which are sorted and without what was
 * read; as a rule. The names are the depth of the recursion: they are in the schema's text. */
static unsigned other_rest(SchemaWriter *writer, char **names, guint n) {
    unsigned rule = schema_next_rule(writer);
    g_autoptr(GString) out = g_string_new(NULL);
    guint first = 0;
    other_character(writer, names, n, out);
    if (*names[0])
        g_string_append(out, " | \"\"");
    else
        first = 1; /* the name itself */
    while (first < n) {
        gunichar character = g_utf8_get_char(names[first]);
        guint last = first;
        for (; last < n && g_utf8_get_char(names[last]) == character; last++)
            names[last] = g_utf8_next_char(names[last]);
        g_string_append_printf(out, " | %s s%u", character_rule(writer, character),
                               other_rest(writer, names + first, last - first));
        first = last;
    }
    g_string_append_printf(writer->gbnf, "s%u ::= %s\n", rule, out->str);
    return rule;
}

void schema_other_text(SchemaWriter *writer, GPtrArray *names, GString *out) {
    if (names->len == 0) {
        g_string_append(out, "string");
        return;
    }
    g_autofree char **sorted = g_memdup2(names->pdata, names->len * sizeof(char *));
    qsort(sorted, names->len, sizeof *sorted, compare_names);
    g_string_append_printf(out, "\"\\\"\" s%u \"\\\"\"", other_rest(writer, sorted, names->len));
}

/* ---- Formats ---- */

#define YEAR "([1-9] [0-9]{3} | \"0\" ([1-9] [0-9]{2} | \"0\" ([1-9] [0-9] | \"0\" [1-9])))"
#define MONTH_DAY                                                                                  \
    "(\"02-\" (\"0\" [1-9] | \"1\" [0-9] | \"2\" [0-8]) | (\"0\" [13578] | \"1\" [02]) \"-\" "     \
    "(\"0\" [1-9] | [12] [0-9] | \"3\" [01]) | (\"0\" [469] | \"11\") \"-\" (\"0\" [1-9] | [12] "  \
    "[0-9] | \"30\"))"
#define LEAP_YEAR                                                                                  \
    "([0-9] [0-9] (\"0\" [48] | [2468] [048] | [13579] [26]) | (\"0\" [48] | [2468] [048] | "      \
    "[13579] [26]) \"00\")"
#define DATE "(" YEAR " \"-\" " MONTH_DAY " | " LEAP_YEAR " \"-02-29\")"
#define HOUR_MINUTE "([01] [0-9] | \"2\" [0-3]) \":\" [0-5] [0-9]"
#define TIME HOUR_MINUTE " \":\" [0-5] [0-9] (\".\" [0-9]{1,9})? (\"Z\" | [+-] " HOUR_MINUTE ")"
#define HEX "[0-9a-fA-F]"

static const struct {
    const char *name, *expression;
} formats[] = {
    {"date", "\"\\\"\" " DATE " \"\\\"\""},
    {"time", "\"\\\"\" " TIME " \"\\\"\""},
    {"date-time", "\"\\\"\" " DATE " \"T\" " TIME " \"\\\"\""},
    {"uuid", "\"\\\"\" " HEX "{8} \"-\" (" HEX "{4} \"-\"){3} " HEX "{12} \"\\\"\""},
};

static int format_append(SchemaWriter *writer, JsonNode *node, const char *path, GString *out) {
    const char *name =
        json_node_get_value_type(node) == G_TYPE_STRING ? json_node_get_string(node) : "";
    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
        if (strcmp(formats[i].name, name) != 0) continue;
        g_string_append(out, formats[i].expression);
        return 0;
    }
    return schema_fail(writer, ENOTSUP, path,
                       ".format \"%.40s\" is not supported: there are date, time, date-time, uuid",
                       name);
}

/* ---- All together ---- */

static int pattern_append(SchemaWriter *writer, JsonNode *node, const char *path, GString *out) {
    Reason inner = {""};
    g_autoptr(GString) text = g_string_new(NULL);
    if (!JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_STRING)
        return schema_fail(writer, EINVAL, path, ".pattern must be a string");
    int r = pattern_to_grammar(writer, json_node_get_string(node), text, &inner);
    if (r < 0) return schema_fail(writer, -r, path, ".pattern: %s", inner.text);
    g_string_append_printf(out, "\"\\\"\" %s \"\\\"\"", text->str);
    return 0;
}

int schema_string(SchemaWriter *writer, JsonObject *schema, const char *path, GString *out) {
    JsonNode *pattern = schema_get(schema, "pattern"), *format = schema_get(schema, "format");
    guint64 least, most;
    int r = schema_count(writer, schema, "minLength", path, 0, &least);
    if (r == 0) r = schema_count(writer, schema, "maxLength", path, G_MAXUINT64, &most);
    if (r < 0) return r;
    bool counted = least > 0 || most < G_MAXUINT64;
    if ((pattern != NULL) + (format != NULL) + counted > 1)
        return schema_fail(writer, ENOTSUP, path,
                           ": only one of pattern, format and minLength with maxLength is "
                           "supported for a string");
    if (pattern) return pattern_append(writer, pattern, path, out);
    if (format) return format_append(writer, format, path, out);
    if (least > most)
        return schema_fail(writer, EINVAL, path, " allows no string: minLength is above maxLength");
    if (!counted)
        g_string_append(out, "string");
    else if (most == G_MAXUINT64)
        g_string_append_printf(out, "\"\\\"\" char{%" G_GUINT64_FORMAT ",} \"\\\"\"", least);
    else
        g_string_append_printf(
            out, "\"\\\"\" char{%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT "} \"\\\"\"", least,
            most);
    return 0;
}
