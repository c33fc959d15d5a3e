/* Methods of strings that take them apart and put them together, and those of lists and dicts. */
#include <string.h>

#include "engine/chat/builtin.h"
#include "engine/chat/compare.h"
#include "engine/chat/methods.h"
#include "engine/text/unicode.h"

static void add_part(struct Run *run, struct List *list, const struct Text *text, size_t from,
                     size_t end) {
    list_append(run->arena, list, value_text(text_part(run->arena, text, from, end - from)));
    run_work(run, 0);
}

/* ---- split() and rsplit() ---- */

static void split_at(struct Run *run, struct List *list, const struct Text *text,
                     const struct Text *separator, int64_t n_max) {
    size_t from = 0, at;
    for (; n_max != 0 && !run_stopped(run); n_max--) {
        at = text_find(text, separator, from);
        if (at == TEXT_NOT_FOUND) break;
        add_part(run, list, text, from, at);
        from = at + separator->size;
    }
    add_part(run, list, text, from, text->size);
}

/* From the end; the list is in the wrong order. */
static void rsplit_at(struct Run *run, struct List *list, const struct Text *text,
                      const struct Text *separator, int64_t n_max) {
    size_t end = text->size, at;
    for (; n_max != 0 && end >= separator->size && !run_stopped(run); n_max--) {
        at = text_rfind(text, separator, end - separator->size);
        if (at == TEXT_NOT_FOUND) break;
        add_part(run, list, text, at + separator->size, end);
        end = at;
    }
    add_part(run, list, text, 0, end);
}

static void split_space(struct Run *run, struct List *list, const struct Text *text,
                        int64_t n_max) {
    size_t at = 0;
    uint32_t c;
    while (!run_stopped(run)) {
        const struct Text *rest = text_part(run->arena, text, at, text->size - at);
        rest = text_strip(run, rest, NULL, SIDE_LEFT);
        at = text->size - rest->size;
        if (rest->size == 0) return;
        if (n_max-- == 0) {
            list_append(run->arena, list, value_text(rest));
            return;
        }
        size_t end = at;
        while (end < text->size) {
            unsigned n = utf8_decode(text->bytes + end, text->size - end, &c);
            if (character_is_space(c)) break;
            end += n;
        }
        add_part(run, list, text, at, end);
        at = end;
    }
}

/* Where the word that ends at `end` begins. */
static size_t word_start(const struct Text *text, size_t end) {
    size_t start = end, at = 0;
    uint32_t c;
    for (bool inside = false; at < end;) {
        unsigned n = utf8_decode(text->bytes + at, text->size - at, &c);
        bool space = character_is_space(c);
        if (!space && !inside) start = at;
        inside = !space;
        at += n;
    }
    return start;
}

static void rsplit_space(struct Run *run, struct List *list, const struct Text *text,
                         int64_t n_max) {
    while (!run_stopped(run)) {
        text = text_strip(run, text, NULL, SIDE_RIGHT);
        if (text->size == 0) return;
        size_t start = n_max == 0 ? 0 : word_start(text, text->size);
        run_work(run, text->size);
        add_part(run, list, text, start, text->size);
        if (n_max-- == 0) return;
        text = text_part(run->arena, text, 0, start);
    }
}

static void reverse(struct List *list) {
    for (size_t i = 0; list && i < list->n / 2; i++) {
        Value first = list->items[i];
        list->items[i] = list->items[list->n - 1 - i];
        list->items[list->n - 1 - i] = first;
    }
}

static Value split(struct Run *run, Value self, const Value *a, bool from_end) {
    struct List *list = list_new(run->arena, LIST_PLAIN);
    int64_t n_max = argument_int(run, a[1], -1);
    bool at_space = a[0].kind == VALUE_MISSING || a[0].kind == VALUE_NONE;
    const struct Text *separator = at_space ? NULL : argument_text(run, a[0], "");
    run_work(run, self.text->size);
    if (separator && separator->size == 0)
        return run_fail(run, "split() needs a separator that is not empty");
    if (separator && from_end)
        rsplit_at(run, list, self.text, separator, n_max);
    else if (separator)
        split_at(run, list, self.text, separator, n_max);
    else if (from_end && n_max >= 0)
        rsplit_space(run, list, self.text, n_max);
    else
        split_space(run, list, self.text, n_max);
    if (from_end && (separator || n_max >= 0)) reverse(list);
    return value_list(list);
}

static Value method_split(struct Run *run, Value self, const Value *a,
                          const struct Arguments *all) {
    return split(run, self, a, false);
}

static Value method_rsplit(struct Run *run, Value self, const Value *a,
                           const struct Arguments *all) {
    return split(run, self, a, true);
}

/* ---- Lines ---- */

/* The size of the line's end at `at`, 0: none. */
static unsigned newline_size(const struct Text *text, size_t at) {
    uint32_t c;
    unsigned n = utf8_decode(text->bytes + at, text->size - at, &c);
    if (c == '\r' && at + 1 < text->size && text->bytes[at + 1] == '\n') return 2;
    bool ends = (c >= '\n' && c <= '\r') || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 ||
                c == 0x2029;
    return ends ? n : 0;
}

struct List *text_split_lines(struct Run *run, const struct Text *text, bool keep) {
    struct List *list = list_new(run->arena, LIST_PLAIN);
    size_t from = 0;
    run_work(run, text->size);
    for (size_t at = 0; at < text->size && !run_stopped(run);) {
        unsigned n = newline_size(text, at);
        if (n > 0) {
            add_part(run, list, text, from, keep ? at + n : at);
            from = at + n;
        }
        at += n ? n : 1;
    }
    if (from < text->size) add_part(run, list, text, from, text->size);
    return list;
}

static Value method_splitlines(struct Run *run, Value self, const Value *a,
                               const struct Arguments *all) {
    return value_list(text_split_lines(run, self.text, argument_truth(a[0], false)));
}

/* ---- In three ---- */

static Value partition(struct Run *run, Value self, const Value *a, bool last) {
    const struct Text *text = self.text, *separator = argument_text(run, a[0], "");
    struct List *list = list_new(run->arena, LIST_TUPLE);
    run_work(run, text->size);
    if (separator->size == 0) return run_fail(run, "partition() needs a separator");
    size_t at = last ? text_rfind(text, separator, text->size) : text_find(text, separator, 0);
    bool found = at != TEXT_NOT_FOUND;
    size_t cut = found ? at : last ? 0 : text->size;
    add_part(run, list, text, 0, cut);
    add_part(run, list, text, cut, found ? cut + separator->size : cut);
    add_part(run, list, text, found ? cut + separator->size : cut, text->size);
    return value_list(list);
}

static Value method_partition(struct Run *run, Value self, const Value *a,
                              const struct Arguments *all) {
    return partition(run, self, a, false);
}

static Value method_rpartition(struct Run *run, Value self, const Value *a,
                               const struct Arguments *all) {
    return partition(run, self, a, true);
}

static Value method_join(struct Run *run, Value self, const Value *a, const struct Arguments *all) {
    struct List *list = value_iterate(run, a[0]);
    struct TextBuilder builder = {.arena = run->arena};
    for (size_t i = 0; list && i < list->n && !run_stopped(run); i++) {
        if (list->items[i].kind != VALUE_STRING)
            return run_fail(run, "join() joins strings, not %s", value_kind_name(list->items[i]));
        if (i > 0) builder_add_text(&builder, self.text);
        builder_add_text(&builder, list->items[i].text);
        run_work(run, self.text->size + list->items[i].text->size);
    }
    return value_text(builder_finish(&builder));
}

const struct Builtin METHODS_THAT_SPLIT[] = {
    {"split", method_split, "sep maxsplit", 0},
    {"rsplit", method_rsplit, "sep maxsplit", 0},
    {"splitlines", method_splitlines, "keepends", 0},
    {"partition", method_partition, "sep", 1},
    {"rpartition", method_rpartition, "sep", 1},
    {"join", method_join, "iterable", 1},
    {NULL},
};

/* ---- Lists ---- */

static Value list_count(struct Run *run, Value self, const Value *a, const struct Arguments *all) {
    int64_t n = 0;
    run_work(run, self.list->n);
    for (size_t i = 0; i < self.list->n; i++) n += value_equals(self.list->items[i], a[0]);
    return value_int(n);
}

static Value list_index(struct Run *run, Value self, const Value *a, const struct Arguments *all) {
    run_work(run, self.list->n);
    for (size_t i = 0; i < self.list->n; i++)
        if (value_equals(self.list->items[i], a[0])) return value_int((int64_t)i);
    return run_fail(run, "index(): the value is not in the list");
}

static Value copy(struct Run *run, Value self, const Value *a, const struct Arguments *all) {
    return self; /* nothing can change it */
}

const struct Builtin METHODS_OF_LISTS[] = {
    {"count", list_count, "value", 1},
    {"index", list_index, "value", 1},
    {"copy", copy, "", 0},
    {NULL},
};

/* ---- Dicts ---- */

static Value pair_of(struct Run *run, const struct DictEntry *entry) {
    struct List *pair = list_new(run->arena, LIST_TUPLE);
    list_append(run->arena, pair, entry->key);
    list_append(run->arena, pair, entry->value);
    return value_list(pair);
}

static Value dict_items(struct Run *run, Value self, const Value *a, const struct Arguments *all) {
    struct List *list = list_new(run->arena, LIST_VIEW);
    run_work(run, self.dict->n * sizeof(Value));
    for (size_t i = 0; i < self.dict->n; i++)
        list_append(run->arena, list, pair_of(run, &self.dict->entries[i]));
    return value_list(list);
}

static Value dict_keys(struct Run *run, Value self, const Value *a, const struct Arguments *all) {
    struct List *list = list_new(run->arena, LIST_VIEW);
    run_work(run, self.dict->n * sizeof(Value));
    for (size_t i = 0; i < self.dict->n; i++)
        list_append(run->arena, list, self.dict->entries[i].key);
    return value_list(list);
}

static Value dict_values(struct Run *run, Value self, const Value *a, const struct Arguments *all) {
    struct List *list = list_new(run->arena, LIST_VIEW);
    run_work(run, self.dict->n * sizeof(Value));
    for (size_t i = 0; i < self.dict->n; i++)
        list_append(run->arena, list, self.dict->entries[i].value);
    return value_list(list);
}

static Value method_get(struct Run *run, Value self, const Value *a, const struct Arguments *all) {
    if (!value_is_hashable(a[0])) return run_fail(run, "%s can't be a key", value_kind_name(a[0]));
    const Value *found = dict_get(self.dict, a[0]);
    return found ? *found : argument_or(a[1], value_none());
}

const struct Builtin METHODS_OF_DICTS[] = {
    {"items", dict_items, "", 0},   {"keys", dict_keys, "", 0},
    {"values", dict_values, "", 0}, {"get", method_get, "key default", 1},
    {"copy", copy, "", 0},          {NULL},
};
