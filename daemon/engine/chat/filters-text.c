/* Filters whose result is a string. */
#include <string.h>

#include "engine/chat/builtin.h"
#include "engine/chat/case.h"
#include "engine/chat/compare.h"
#include "engine/chat/format.h"
#include "engine/chat/methods.h"
#include "engine/chat/print.h"
#include "engine/text/unicode.h"

static Value filter_string(struct Run *run, Value self, const Value *a,
                           const struct Arguments *all) {
    return value_text(value_to_text(run, self));
}

static Value filter_trim(struct Run *run, Value self, const Value *a, const struct Arguments *all) {
    bool given = a[0].kind != VALUE_MISSING && a[0].kind != VALUE_NONE;
    const struct Text *set = given ? argument_text(run, a[0], "") : NULL;
    return value_text(text_strip(run, value_to_text(run, self), set, SIDE_BOTH));
}

static Value filter_upper(struct Run *run, Value self, const Value *a,
                          const struct Arguments *all) {
    return value_text(text_cased(run, value_to_text(run, self), true));
}

static Value filter_lower(struct Run *run, Value self, const Value *a,
                          const struct Arguments *all) {
    return value_text(text_cased(run, value_to_text(run, self), false));
}

static Value filter_capitalize(struct Run *run, Value self, const Value *a,
                               const struct Arguments *all) {
    return value_text(text_capitalized(run, value_to_text(run, self)));
}

/* Unlike the method: words begin after white space, hyphens and opening brackets. */
static Value filter_title(struct Run *run, Value self, const Value *a,
                          const struct Arguments *all) {
    const struct Text *text = value_to_text(run, self);
    struct TextBuilder builder = {.arena = run->arena};
    bool inside = false;
    uint32_t c;
    run_work(run, text->size);
    for (size_t at = 0; at < text->size;) {
        unsigned n = utf8_decode(text->bytes + at, text->size - at, &c);
        builder_add_cased(&builder, text, at, n, inside ? CASE_LOWER : CASE_UPPER);
        inside = !character_is_space(c) && !(c > 0 && c < 0x80 && strchr("-({[<", (int)c));
        at += n;
    }
    return value_text(builder_finish(&builder));
}

static Value filter_replace(struct Run *run, Value self, const Value *a,
                            const struct Arguments *all) {
    bool counted = a[2].kind != VALUE_MISSING && a[2].kind != VALUE_NONE;
    return value_text(text_replace(run, value_to_text(run, self), value_to_text(run, a[0]),
                                   value_to_text(run, a[1]),
                                   counted ? argument_int(run, a[2], -1) : -1));
}

/* Nothing here escapes by itself, so nothing has to be told that it is safe. */
static Value filter_safe(struct Run *run, Value self, const Value *a, const struct Arguments *all) {
    return value_text(value_to_text(run, self));
}

static Value filter_escape(struct Run *run, Value self, const Value *a,
                           const struct Arguments *all) {
    static const struct {
        char c;
        const char *words;
    } ESCAPES[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'\'', "&#39;"}, {'"', "&#34;"}};
    const struct Text *text = value_to_text(run, self);
    struct TextBuilder builder = {.arena = run->arena};
    run_work(run, text->size);
    for (size_t at = 0; at < text->size; at++) {
        const char *words = NULL;
        for (size_t i = 0; i < sizeof ESCAPES / sizeof ESCAPES[0]; i++)
            if (ESCAPES[i].c == text->bytes[at]) words = ESCAPES[i].words;
        if (words)
            builder_add_words(&builder, words, text_trusted_at(text, at));
        else
            builder_add_part(&builder, text, at, 1);
    }
    return value_text(builder_finish(&builder));
}

/* So many spaces, or the text itself. */
static const struct Text *indentation(struct Run *run, Value width, int64_t otherwise,
                                      bool trusted) {
    struct TextBuilder builder = {.arena = run->arena};
    if (width.kind == VALUE_STRING) return width.text;
    for (int64_t n = argument_int(run, width, otherwise); n > 0 && !run_stopped(run); n--) {
        run_work(run, 0);
        builder_add(&builder, " ", 1, trusted);
    }
    return builder_finish(&builder);
}

static Value filter_indent(struct Run *run, Value self, const Value *a,
                           const struct Arguments *all) {
    const struct Text *indent = indentation(run, a[0], 4, true);
    bool first = argument_truth(a[1], false), blank = argument_truth(a[2], false);
    struct TextBuilder builder = {.arena = run->arena}, whole = {.arena = run->arena};
    if (self.kind != VALUE_STRING)
        return run_fail(run, "indent needs a string, not %s", value_kind_name(self));
    builder_add_text(&whole, self.text);
    builder_add_words(&whole, "\n", true);
    struct List *lines = text_split_lines(run, builder_finish(&whole), false);
    for (size_t i = 0; lines && i < lines->n && !run_stopped(run); i++) {
        const struct Text *line = lines->items[i].text;
        if (i > 0) builder_add_words(&builder, "\n", true);
        if (i == 0 ? first : blank || line->size > 0) builder_add_text(&builder, indent);
        builder_add_text(&builder, line);
        run_work(run, line->size + indent->size);
    }
    return value_text(builder_finish(&builder));
}

static Value filter_format(struct Run *run, Value self, const Value *a,
                           const struct Arguments *all) {
    struct List *values = list_new(run->arena, LIST_TUPLE);
    for (size_t i = 0; i < all->n; i++) list_append(run->arena, values, all->values[i]);
    if (all->n_named > 0) return run_fail(run, "format with named values is not supported");
    return format_percent(run, value_to_text(run, self), value_list(values));
}

static Value filter_wordcount(struct Run *run, Value self, const Value *a,
                              const struct Arguments *all) {
    const struct Text *text = value_to_text(run, self);
    int64_t n = 0;
    bool inside = false;
    uint32_t c;
    run_work(run, text->size);
    for (size_t at = 0; at < text->size;) {
        at += utf8_decode(text->bytes + at, text->size - at, &c);
        bool word = c != UTF8_INVALID && (c == '_' || unicode_class(c) == UNICODE_LETTER ||
                                          unicode_class(c) == UNICODE_NUMBER);
        n += word && !inside;
        inside = word;
    }
    return value_int(n);
}

static const struct Text *separator(struct Run *run, Value pair, size_t index,
                                    const char *otherwise) {
    bool given = pair.kind == VALUE_LIST && pair.list->n == 2;
    return given ? argument_text(run, pair.list->items[index], "")
                 : text_borrow(run->arena, otherwise, strlen(otherwise), false);
}

/* As Hugging Face's: json.dumps(), not the filter of jinja2 that escapes for HTML. */
static Value filter_tojson(struct Run *run, Value self, const Value *a,
                           const struct Arguments *all) {
    bool indented = a[1].kind != VALUE_MISSING && a[1].kind != VALUE_NONE;
    struct TextBuilder builder = {.arena = run->arena};
    struct JsonStyle style = {
        .indent = indented ? indentation(run, a[1], 0, false) : NULL,
        .item_separator = separator(run, a[2], 0, indented ? "," : ", "),
        .key_separator = separator(run, a[2], 1, ": "),
        .ensure_ascii = argument_truth(a[0], false),
        .sort_keys = argument_truth(a[3], false),
    };
    if (run_stopped(run)) return value_undefined(NULL);
    print_json(run, &builder, self, &style);
    return value_text(builder_finish(&builder));
}

const struct Builtin FILTERS_OF_TEXT[] = {
    {"string", filter_string, "", 0},
    {"trim", filter_trim, "chars", 0},
    {"upper", filter_upper, "", 0},
    {"lower", filter_lower, "", 0},
    {"capitalize", filter_capitalize, "", 0},
    {"title", filter_title, "", 0},
    {"replace", filter_replace, "old new count", 2},
    {"safe", filter_safe, "", 0},
    {"escape", filter_escape, "", 0},
    {"e", filter_escape, "", 0},
    {"forceescape", filter_escape, "", 0},
    {"indent", filter_indent, "width first blank", 0},
    {"format", filter_format, NULL, 0},
    {"wordcount", filter_wordcount, "", 0},
    {"tojson", filter_tojson, "ensure_ascii indent separators sort_keys", 0},
    {NULL},
};
