/* Filters that ask each item: map, select, reject and their like. */
#include "engine/chat/builtin.h"
#include "engine/chat/compare.h"

/* Arguments without the first n. */
static struct Arguments rest_of(const struct Arguments *all, size_t n) {
    struct Arguments rest = *all;
    size_t skipped = n < rest.n ? n : rest.n;
    if (skipped > 0) rest.values += skipped;
    rest.n -= skipped;
    return rest;
}

static const Value *named_value(const struct Arguments *all, const char *name) {
    for (size_t i = 0; i < all->n_named; i++)
        if (text_is(all->named[i].name, name)) return &all->named[i].value;
    return NULL;
}

/* What there is to ask. Nothing at all is as good as an empty list here, even None. */
static struct List *items_of(struct Run *run, Value self) {
    return value_truth(self) ? value_iterate(run, self) : list_new(run->arena, LIST_PLAIN);
}

/* ---- map ---- */

static Value map_attribute(struct Run *run, struct List *list, const struct Arguments *all) {
    struct List *mapped = list_new(run->arena, LIST_GENERATOR);
    const Value *attribute = named_value(all, "attribute");
    const Value *otherwise = named_value(all, "default");
    for (size_t i = 0; i < list->n && !run_stopped(run); i++) {
        Value value = value_path(run, list->items[i], *attribute);
        run_work(run, 0);
        if (value.kind == VALUE_UNDEFINED && otherwise) value = *otherwise;
        list_append(run->arena, mapped, value);
    }
    return value_list(mapped);
}

static Value filter_map(struct Run *run, Value self, const Value *a, const struct Arguments *all) {
    struct List *list = items_of(run, self), *mapped = list_new(run->arena, LIST_GENERATOR);
    if (!list) return value_undefined(NULL);
    if (all->n == 0 && named_value(all, "attribute")) return map_attribute(run, list, all);
    if (all->n == 0 || all->values[0].kind != VALUE_STRING)
        return run_fail(run, "map needs attribute= or the name of a filter");
    const struct Text *name = all->values[0].text;
    const struct Builtin *filter = filter_find(name);
    if (!filter) return run_fail(run, "there is no filter '%.*s'", TEXT_SHOWN(name));
    struct Arguments rest = rest_of(all, 1);
    if (!run_enter(run)) return value_undefined(NULL);
    for (size_t i = 0; i < list->n && !run_stopped(run); i++) {
        run_work(run, 0);
        list_append(run->arena, mapped, builtin_call(run, filter, list->items[i], &rest));
    }
    run_leave(run);
    return value_list(mapped);
}

/* ---- select and reject ---- */

/* The test that all->values[at] names, or none: whether the value is true. */
static bool passes(struct Run *run, Value value, const struct Arguments *all, size_t at) {
    if (all->n <= at) return value_truth(value);
    if (all->values[at].kind != VALUE_STRING) {
        run_fail(run, "the name of a test must be a string");
        return false;
    }
    const struct Builtin *test = test_find(all->values[at].text);
    struct Arguments rest = rest_of(all, at + 1);
    if (!test) run_fail(run, "there is no test '%.*s'", TEXT_SHOWN(all->values[at].text));
    return test && value_truth(builtin_call(run, test, value, &rest));
}

static Value choose(struct Run *run, Value self, const struct Arguments *all, bool wanted,
                    bool by_attribute) {
    struct List *list = items_of(run, self), *chosen = list_new(run->arena, LIST_GENERATOR);
    if (by_attribute && all->n == 0) return run_fail(run, "an attribute's name is missing");
    for (size_t i = 0; list && i < list->n && !run_stopped(run); i++) {
        Value value = list->items[i];
        run_work(run, 0);
        if (by_attribute) value = value_path(run, value, all->values[0]);
        if (!run_stopped(run) && passes(run, value, all, by_attribute) == wanted)
            list_append(run->arena, chosen, list->items[i]);
    }
    return value_list(chosen);
}

static Value filter_select(struct Run *run, Value self, const Value *a,
                           const struct Arguments *all) {
    return choose(run, self, all, true, false);
}

static Value filter_reject(struct Run *run, Value self, const Value *a,
                           const struct Arguments *all) {
    return choose(run, self, all, false, false);
}

static Value filter_selectattr(struct Run *run, Value self, const Value *a,
                               const struct Arguments *all) {
    return choose(run, self, all, true, true);
}

static Value filter_rejectattr(struct Run *run, Value self, const Value *a,
                               const struct Arguments *all) {
    return choose(run, self, all, false, true);
}

const struct Builtin FILTERS_THAT_CHOOSE[] = {
    {"map", filter_map, NULL, 0},
    {"select", filter_select, NULL, 0},
    {"reject", filter_reject, NULL, 0},
    {"selectattr", filter_selectattr, NULL, 0},
    {"rejectattr", filter_rejectattr, NULL, 0},
    {NULL},
};
