#include "engine/chat/compare.h"

#include <string.h>

static int order_of_doubles(double a, double b) {
    return a < b ? -1 : a > b;
}

static int compare_lists(struct Run *run, const struct List *a, const struct List *b) {
    size_t n = a->n < b->n ? a->n : b->n;
    for (size_t i = 0; i < n && !run_stopped(run); i++)
        if (!value_equals(a->items[i], b->items[i]))
            return compare_values(run, a->items[i], b->items[i]);
    return a->n < b->n ? -1 : a->n > b->n;
}

int compare_values(struct Run *run, Value a, Value b) {
    run_work(run, a.kind == VALUE_STRING ? a.text->size : 0);
    if (value_is_number(a) && value_is_number(b)) {
        if (a.kind == VALUE_FLOAT || b.kind == VALUE_FLOAT)
            return order_of_doubles(value_as_double(a), value_as_double(b));
        int64_t x = value_as_int(a), y = value_as_int(b);
        return x < y ? -1 : x > y;
    }
    if (a.kind == VALUE_STRING && b.kind == VALUE_STRING) return text_compare(a.text, b.text);
    if (a.kind == VALUE_LIST && b.kind == VALUE_LIST && a.list->form == b.list->form &&
        a.list->form <= LIST_TUPLE)
        return compare_lists(run, a.list, b.list);
    run_fail(run, "%s and %s have no order", value_kind_name(a), value_kind_name(b));
    return 0;
}

bool value_contains(struct Run *run, Value haystack, Value needle) {
    if (haystack.kind == VALUE_STRING) {
        run_work(run, haystack.text->size);
        if (needle.kind == VALUE_STRING)
            return text_find(haystack.text, needle.text, 0) != TEXT_NOT_FOUND;
        run_fail(run, "only a string can be in a string, not %s", value_kind_name(needle));
        return false;
    }
    if (haystack.kind == VALUE_DICT) {
        if (value_is_hashable(needle)) return dict_get(haystack.dict, needle);
        run_fail(run, "%s can't be a key", value_kind_name(needle));
        return false;
    }
    struct List *list = value_iterate(run, haystack);
    for (size_t i = 0; list && i < list->n; i++) {
        run_work(run, 0);
        if (value_equals(list->items[i], needle)) return true;
    }
    return false;
}

/* ---- Sorting: by merging, which is stable ---- */

struct Sorter {
    struct Run *run;
    Value *items, *keys, *items_aside, *keys_aside;
    bool reverse;
};

static void move(const struct Sorter *sorter, Value *items, Value *keys, size_t to, size_t from) {
    items[to] = sorter->items[from];
    if (keys) keys[to] = sorter->keys[from];
}

static bool goes_first(const struct Sorter *sorter, size_t left, size_t right) {
    const Value *keys = sorter->keys ? sorter->keys : sorter->items;
    int order = compare_values(sorter->run, keys[left], keys[right]);
    return sorter->reverse ? order >= 0 : order <= 0;
}

static void sort_range(const struct Sorter *sorter, size_t from, size_t end) {
    if (end - from < 2 || run_stopped(sorter->run)) return;
    size_t middle = from + (end - from) / 2, left = from, right = middle;
    sort_range(sorter, from, middle);
    sort_range(sorter, middle, end);
    for (size_t to = from; to < end; to++) {
        bool take_left = left < middle && (right == end || goes_first(sorter, left, right));
        move(sorter, sorter->items_aside, sorter->keys_aside, to, take_left ? left++ : right++);
    }
    memcpy(sorter->items + from, sorter->items_aside + from, (end - from) * sizeof(Value));
    if (sorter->keys)
        memcpy(sorter->keys + from, sorter->keys_aside + from, (end - from) * sizeof(Value));
}

void sort_values(struct Run *run, Value *items, Value *keys, size_t n, bool reverse) {
    struct Sorter sorter = {.run = run, .items = items, .keys = keys, .reverse = reverse};
    sorter.items_aside = arena_alloc(run->arena, n * sizeof(Value));
    sorter.keys_aside = keys ? arena_alloc(run->arena, n * sizeof(Value)) : NULL;
    if (!run_stopped(run)) sort_range(&sorter, 0, n);
}
