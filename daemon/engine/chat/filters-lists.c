/* Filters of lists and dicts as wholes: parts, order, joining. */
#include <string.h>

#include "engine/chat/builtin.h"
#include "engine/chat/compare.h"
#include "engine/chat/methods.h"
#include "engine/chat/print.h"

static bool is_given(Value argument) {
    return argument.kind != VALUE_MISSING && argument.kind != VALUE_NONE;
}

static Value filter_default(struct Run *run, Value self, const Value *a,
                            const struct Arguments *all) {
    bool replaced =
        self.kind == VALUE_UNDEFINED || (argument_truth(a[1], false) && !value_truth(self));
    return replaced ? argument_or(a[0], value_text(&TEXT_EMPTY)) : self;
}

static Value filter_first(struct Run *run, Value self, const Value *a,
                          const struct Arguments *all) {
    struct List *list = value_iterate(run, self);
    return list && list->n > 0 ? list->items[0] : value_undefined(NULL);
}

static Value filter_last(struct Run *run, Value self, const Value *a, const struct Arguments *all) {
    if (self.kind == VALUE_LIST && self.list->form == LIST_GENERATOR)
        return run_fail(run, "what a filter left has no last item; make it a list first");
    struct List *list = value_iterate(run, self);
    return list && list->n > 0 ? list->items[list->n - 1] : value_undefined(NULL);
}

static struct List *copy_list(struct Run *run, Value self, enum ListForm form) {
    struct List *list = value_iterate(run, self), *copy = list_new(run->arena, form);
    for (size_t i = 0; list && i < list->n && !run_stopped(run); i++) {
        list_append(run->arena, copy, list->items[i]);
        run_work(run, 0);
    }
    return copy;
}

static Value filter_list(struct Run *run, Value self, const Value *a, const struct Arguments *all) {
    return value_list(copy_list(run, self, LIST_PLAIN));
}

static Value filter_join(struct Run *run, Value self, const Value *a, const struct Arguments *all) {
    struct List *list = value_iterate(run, self);
    struct TextBuilder builder = {.arena = run->arena};
    const struct Text *between =
        a[0].kind == VALUE_MISSING ? &TEXT_EMPTY : value_to_text(run, a[0]);
    for (size_t i = 0; list && i < list->n && !run_stopped(run); i++) {
        Value item = list->items[i];
        if (is_given(a[1])) item = value_path(run, item, a[1]);
        if (i > 0) builder_add_text(&builder, between);
        run_work(run, between->size);
        print_value(run, &builder, item);
    }
    return value_text(builder_finish(&builder));
}

static Value filter_reverse(struct Run *run, Value self, const Value *a,
                            const struct Arguments *all) {
    if (self.kind == VALUE_LIST && self.list->form == LIST_GENERATOR)
        return run_fail(run, "what a filter left can't be reversed; make it a list first");
    bool is_text = self.kind == VALUE_STRING;
    struct List *list = copy_list(run, self, LIST_GENERATOR);
    struct TextBuilder builder = {.arena = run->arena};
    for (size_t i = 0; list && !is_text && i < list->n / 2; i++) {
        Value first = list->items[i];
        list->items[i] = list->items[list->n - 1 - i];
        list->items[list->n - 1 - i] = first;
    }
    for (size_t i = list ? list->n : 0; is_text && i-- > 0;)
        builder_add_text(&builder, list->items[i].text);
    return is_text ? value_text(builder_finish(&builder)) : value_list(list);
}

/* ---- Order ---- */

/* One part of a key: strings without regard to case, unless it is asked for. */
static Value key_part(struct Run *run, Value item, bool case_sensitive) {
    if (item.kind == VALUE_STRING && !case_sensitive)
        return value_text(text_cased(run, item.text, false));
    return item;
}

/* What an item is sorted by: itself, or what "a,b" leads to. */
static Value key_of(struct Run *run, Value item, Value attribute, bool case_sensitive) {
    if (!is_given(attribute)) return key_part(run, item, case_sensitive);
    if (attribute.kind != VALUE_STRING || !memchr(attribute.text->bytes, ',', attribute.text->size))
        return key_part(run, value_path(run, item, attribute), case_sensitive);
    struct List *key = list_new(run->arena, LIST_TUPLE);
    const struct Text *path = attribute.text;
    for (size_t from = 0; from <= path->size && !run_stopped(run);) {
        const char *comma = memchr(path->bytes + from, ',', path->size - from);
        size_t end = comma ? (size_t)(comma - path->bytes) : path->size;
        Value part = value_text(text_part(run->arena, path, from, end - from));
        list_append(run->arena, key, key_part(run, value_path(run, item, part), case_sensitive));
        from = end + 1;
    }
    return value_list(key);
}

static void sort_by(struct Run *run, struct List *list, Value attribute, bool case_sensitive,
                    bool reverse) {
    Value *keys = list ? arena_alloc(run->arena, (list->n + 1) * sizeof *keys) : NULL;
    for (size_t i = 0; keys && i < list->n && !run_stopped(run); i++)
        keys[i] = key_of(run, list->items[i], attribute, case_sensitive);
    if (keys && !run_stopped(run)) sort_values(run, list->items, keys, list->n, reverse);
}

static Value filter_sort(struct Run *run, Value self, const Value *a, const struct Arguments *all) {
    struct List *list = copy_list(run, self, LIST_PLAIN);
    sort_by(run, list, a[2], argument_truth(a[1], false), argument_truth(a[0], false));
    return value_list(list);
}

static Value filter_unique(struct Run *run, Value self, const Value *a,
                           const struct Arguments *all) {
    struct List *list = value_iterate(run, self), *left = list_new(run->arena, LIST_GENERATOR);
    struct Dict *seen = dict_new(run->arena);
    for (size_t i = 0; list && i < list->n && !run_stopped(run); i++) {
        Value key = key_of(run, list->items[i], a[1], argument_truth(a[0], false));
        run_work(run, 0);
        if (!value_is_hashable(key))
            return run_fail(run, "unique can't compare %s", value_kind_name(key));
        if (run_stopped(run) || dict_get(seen, key)) continue;
        dict_set(run->arena, seen, key, value_none());
        list_append(run->arena, left, list->items[i]);
    }
    return value_list(left);
}

/* ---- Dicts ---- */

static Value pair(struct Run *run, Value first, Value second) {
    struct List *list = list_new(run->arena, LIST_TUPLE);
    list_append(run->arena, list, first);
    list_append(run->arena, list, second);
    return value_list(list);
}

static struct List *pairs_of(struct Run *run, const struct Dict *dict, enum ListForm form) {
    struct List *list = list_new(run->arena, form);
    for (size_t i = 0; i < dict->n && !run_stopped(run); i++) {
        list_append(run->arena, list, pair(run, dict->entries[i].key, dict->entries[i].value));
        run_work(run, 0);
    }
    return list;
}

static Value filter_items(struct Run *run, Value self, const Value *a,
                          const struct Arguments *all) {
    if (self.kind == VALUE_UNDEFINED) return value_list(list_new(run->arena, LIST_GENERATOR));
    if (self.kind != VALUE_DICT)
        return run_fail(run, "items needs a dict, not %s", value_kind_name(self));
    return value_list(pairs_of(run, self.dict, LIST_GENERATOR));
}

static Value filter_dictsort(struct Run *run, Value self, const Value *a,
                             const struct Arguments *all) {
    const struct Text *by = argument_text(run, a[1], "key");
    if (self.kind != VALUE_DICT)
        return run_fail(run, "dictsort needs a dict, not %s", value_kind_name(self));
    if (!text_is(by, "key") && !text_is(by, "value"))
        return run_fail(run, "dictsort sorts by 'key' or by 'value'");
    struct List *list = pairs_of(run, self.dict, LIST_PLAIN);
    sort_by(run, list, value_int(text_is(by, "value")), argument_truth(a[0], false),
            argument_truth(a[2], false));
    return value_list(list);
}

/* ---- Groups ---- */

static Value filter_batch(struct Run *run, Value self, const Value *a,
                          const struct Arguments *all) {
    struct List *list = value_iterate(run, self), *batches = list_new(run->arena, LIST_GENERATOR);
    struct List *batch = NULL;
    int64_t size = argument_int(run, a[0], 1);
    if (size < 1) return run_fail(run, "batch needs a size of at least 1");
    for (size_t i = 0; list && i < list->n && !run_stopped(run); i++) {
        if (i % (uint64_t)size == 0) batch = list_new(run->arena, LIST_PLAIN);
        list_append(run->arena, batch, list->items[i]);
        run_work(run, 0);
        bool last = i + 1 == list->n;
        while (last && batch && is_given(a[1]) && batch->n < (uint64_t)size && !run_stopped(run)) {
            list_append(run->arena, batch, a[1]);
            run_work(run, 0);
        }
        if (last || (i + 1) % (uint64_t)size == 0)
            list_append(run->arena, batches, value_list(batch));
    }
    return value_list(batches);
}

/* The items from `from` on that share a key, as (key, [items]); `*ret_end`: behind them. */
static Value group_from(struct Run *run, const struct List *list, size_t from, const Value *a,
                        size_t *ret_end) {
    struct List *group = list_new(run->arena, LIST_PLAIN);
    bool case_sensitive = argument_truth(a[2], false);
    Value name = value_path(run, list->items[from], a[0]);
    Value key = key_of(run, list->items[from], a[0], case_sensitive);
    size_t at = from;
    for (; at < list->n && !run_stopped(run); at++) {
        if (!value_equals(key_of(run, list->items[at], a[0], case_sensitive), key)) break;
        list_append(run->arena, group, list->items[at]);
    }
    *ret_end = at;
    if (name.kind == VALUE_UNDEFINED) name = argument_or(a[1], name);
    return pair(run, name, value_list(group));
}

static Value filter_groupby(struct Run *run, Value self, const Value *a,
                            const struct Arguments *all) {
    struct List *list = copy_list(run, self, LIST_PLAIN),
                *groups = list_new(run->arena, LIST_PLAIN);
    sort_by(run, list, a[0], argument_truth(a[2], false), false);
    for (size_t at = 0; list && at < list->n && !run_stopped(run);)
        list_append(run->arena, groups, group_from(run, list, at, a, &at));
    return value_list(groups);
}

const struct Builtin FILTERS_OF_LISTS[] = {
    {"default", filter_default, "default_value boolean", 0},
    {"d", filter_default, "default_value boolean", 0},
    {"first", filter_first, "", 0},
    {"last", filter_last, "", 0},
    {"list", filter_list, "", 0},
    {"join", filter_join, "d attribute", 0},
    {"reverse", filter_reverse, "", 0},
    {"sort", filter_sort, "reverse case_sensitive attribute", 0},
    {"unique", filter_unique, "case_sensitive attribute", 0},
    {"items", filter_items, "", 0},
    {"dictsort", filter_dictsort, "case_sensitive by reverse", 0},
    {"batch", filter_batch, "linecount fill_with", 1},
    {"groupby", filter_groupby, "attribute default case_sensitive", 1},
    {NULL},
};
