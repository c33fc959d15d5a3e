/* print.h: json.dumps() */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/chat/compare.h"
#include "engine/chat/print.h"
#include "engine/text/unicode.h"

struct Json {
    struct Run *run;
    struct TextBuilder *builder;
    const struct JsonStyle *style;
    unsigned level;
};

static void print_node(struct Json *json, Value value);

/* ---- Strings ---- */

static const char *short_escape(uint32_t c) {
    static const struct {
        char c;
        const char *text;
    } SHORT[] = {{'"', "\\\""}, {'\\', "\\\\"}, {'\n', "\\n"}, {'\r', "\\r"},
                 {'\t', "\\t"}, {'\f', "\\f"},  {'\b', "\\b"}};
    for (size_t i = 0; i < sizeof SHORT / sizeof SHORT[0]; i++)
        if (c == (uint32_t)SHORT[i].c) return SHORT[i].text;
    return NULL;
}

static void print_escape(struct TextBuilder *builder, uint32_t c, bool trusted) {
    char text[16];
    const char *escape = short_escape(c);
    if (escape)
        snprintf(text, sizeof text, "%s", escape);
    else if (c < 0x10000)
        snprintf(text, sizeof text, "\\u%04x", c);
    else
        snprintf(text, sizeof text, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
                 0xdc00 + ((c - 0x10000) & 0x3ff));
    builder_add_words(builder, text, trusted);
}

static void print_string(struct Json *json, const struct Text *text) {
    size_t plain = 0; /* where what needs no escape begins */
    uint32_t c;
    run_work(json->run, text->size);
    builder_add_words(json->builder, "\"", false);
    for (size_t at = 0; at < text->size;) {
        unsigned n = utf8_decode(text->bytes + at, text->size - at, &c);
        bool escaped = c < 0x20 || c == '"' || c == '\\' ||
                       (json->style->ensure_ascii && c >= 0x80 && c != UTF8_INVALID);
        if (escaped) {
            builder_add_part(json->builder, text, plain, at - plain);
            print_escape(json->builder, c, text_trusted_at(text, at));
            plain = at + n;
        }
        at += n;
    }
    builder_add_part(json->builder, text, plain, text->size - plain);
    builder_add_words(json->builder, "\"", false);
}

/* ---- Containers ---- */

static void print_newline(struct Json *json) {
    if (!json->style->indent) return;
    builder_add_words(json->builder, "\n", false);
    for (unsigned i = 0; i < json->level; i++)
        builder_add_part(json->builder, json->style->indent, 0, json->style->indent->size);
}

static void print_list(struct Json *json, const struct List *list) {
    if (list->form > LIST_TUPLE) {
        run_fail(json->run, "tojson takes lists, not a range, a view or what a filter left");
        return;
    }
    builder_add_words(json->builder, "[", false);
    json->level++;
    for (size_t i = 0; i < list->n && !run_stopped(json->run); i++) {
        if (i > 0) builder_add_text(json->builder, json->style->item_separator);
        print_newline(json);
        print_node(json, list->items[i]);
    }
    json->level--;
    if (list->n > 0) print_newline(json);
    builder_add_words(json->builder, "]", false);
}

static void print_key(struct Json *json, Value key) {
    if (key.kind == VALUE_STRING) {
        print_string(json, key.text);
    } else if (value_is_number(key) || key.kind == VALUE_NONE) {
        builder_add_words(json->builder, "\"", false);
        print_node(json, key);
        builder_add_words(json->builder, "\"", false);
    } else {
        run_fail(json->run, "tojson can't write a key that is %s", value_kind_name(key));
    }
}

static void print_dict(struct Json *json, const struct Dict *dict) {
    struct List keys = {.items = arena_alloc(json->run->arena, dict->n * sizeof(Value)),
                        .n = dict->n};
    if (!keys.items) return;
    for (size_t i = 0; i < dict->n; i++) keys.items[i] = dict->entries[i].key;
    if (json->style->sort_keys) sort_values(json->run, keys.items, NULL, keys.n, false);
    builder_add_words(json->builder, "{", false);
    json->level++;
    for (size_t i = 0; i < keys.n && !run_stopped(json->run); i++) {
        if (i > 0) builder_add_text(json->builder, json->style->item_separator);
        print_newline(json);
        print_key(json, keys.items[i]);
        builder_add_text(json->builder, json->style->key_separator);
        print_node(json, *dict_get(dict, keys.items[i]));
    }
    json->level--;
    if (dict->n > 0) print_newline(json);
    builder_add_words(json->builder, "}", false);
}

/* ---- The rest ---- */

static void print_float_node(struct Json *json, Value value) {
    char text[PRINT_FLOAT_SIZE];
    print_float(value.number, text);
    const char *words = !strcmp(text, "nan")    ? "NaN"
                        : !strcmp(text, "inf")  ? "Infinity"
                        : !strcmp(text, "-inf") ? "-Infinity"
                                                : text;
    builder_add_words(json->builder, words, !value.foreign);
}

static void print_node(struct Json *json, Value value) {
    run_work(json->run, 0);
    switch (value.kind) {
    case VALUE_NONE:
        builder_add_words(json->builder, "null", false);
        break;
    case VALUE_BOOL:
        builder_add_words(json->builder, value.truth ? "true" : "false", false);
        break;
    case VALUE_INT:
        print_value(json->run, json->builder, value);
        break;
    case VALUE_FLOAT:
        print_float_node(json, value);
        break;
    case VALUE_STRING:
        print_string(json, value.text);
        break;
    case VALUE_LIST:
        print_list(json, value.list);
        break;
    case VALUE_DICT:
        print_dict(json, value.dict);
        break;
    default:
        run_fail(json->run, "tojson can't write %s", value_kind_name(value));
        break;
    }
}

void print_json(struct Run *run, struct TextBuilder *builder, Value value,
                const struct JsonStyle *style) {
    struct Json json = {.run = run, .builder = builder, .style = style};
    print_node(&json, value);
}
