/* Functions that every template has: those of jinja2, and those that Hugging Face adds. */
#include <string.h>
#include <time.h>

#include "engine/chat/builtin.h"
#include "engine/chat/compare.h"
#include "engine/chat/print.h"
#include "engine/limits.h"

static Value global_range(struct Run *run, Value self, const Value *a,
                          const struct Arguments *all) {
    bool one = a[1].kind == VALUE_MISSING;
    int64_t from = one ? 0 : argument_int(run, a[0], 0);
    int64_t to = argument_int(run, one ? a[0] : a[1], 0), step = argument_int(run, a[2], 1);
    struct List *list = list_new(run->arena, LIST_RANGE);
    if (step == 0) return run_fail(run, "range() can't have a step of 0");
    for (int64_t n = from; step > 0 ? n < to : n > to;) {
        if (!list || run_stopped(run)) break;
        if (list->n == TEMPLATE_MAX_RANGE)
            return run_fail(run, "a range has more than %u numbers", TEMPLATE_MAX_RANGE);
        list_append(run->arena, list, value_int(n));
        run_work(run, 0);
        if (__builtin_add_overflow(n, step, &n)) break;
    }
    return value_list(list);
}

/* From pairs, another dict, and named values. */
static struct Dict *dict_from(struct Run *run, const struct Arguments *all) {
    struct Dict *dict = dict_new(run->arena);
    if (all->n > 1) run_fail(run, "this takes one dict, and named values");
    if (all->n == 1 && all->values[0].kind == VALUE_DICT) {
        const struct Dict *other = all->values[0].dict;
        for (size_t i = 0; i < other->n; i++)
            dict_set(run->arena, dict, other->entries[i].key, other->entries[i].value);
    } else if (all->n == 1) {
        struct List *pairs = value_iterate(run, all->values[0]);
        for (size_t i = 0; pairs && i < pairs->n && !run_stopped(run); i++) {
            struct List *pair = value_iterate(run, pairs->items[i]);
            if (pair && pair->n == 2 && value_is_hashable(pair->items[0]))
                dict_set(run->arena, dict, pair->items[0], pair->items[1]);
            else
                run_fail(run, "a dict is made of pairs");
        }
    }
    for (size_t i = 0; i < all->n_named; i++)
        dict_set(run->arena, dict, value_text(all->named[i].name), all->named[i].value);
    return dict;
}

static Value global_dict(struct Run *run, Value self, const Value *a, const struct Arguments *all) {
    return value_dict(dict_from(run, all));
}

static Value global_namespace(struct Run *run, Value self, const Value *a,
                              const struct Arguments *all) {
    struct Dict *dict = dict_from(run, all);
    return dict ? (Value){.kind = VALUE_NAMESPACE, .dict = dict} : value_undefined(NULL);
}

static Value global_raise(struct Run *run, Value self, const Value *a,
                          const struct Arguments *all) {
    const struct Text *words = value_to_text(run, a[0]);
    int size = words->size < 160 ? (int)words->size : 160;
    return run_fail(run, "%.*s", size, words->bytes);
}

static Value global_strftime(struct Run *run, Value self, const Value *a,
                             const struct Arguments *all) {
    char format[256], text[1024];
    const struct Text *given = argument_text(run, a[0], "");
    if (given->size >= sizeof format || memchr(given->bytes, 0, given->size))
        return run_fail(run, "strftime_now() can't use this format");
    memcpy(format, given->bytes, given->size);
    format[given->size] = '\0';
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    size_t size = strftime(text, sizeof text, format, run->now);
#pragma GCC diagnostic pop
    return value_string(run->arena, text, size, true);
}

const struct Builtin GLOBALS[] = {
    {"range", global_range, "start stop step", 1},  {"dict", global_dict, NULL, 0},
    {"namespace", global_namespace, NULL, 0},       {"raise_exception", global_raise, "message", 1},
    {"strftime_now", global_strftime, "format", 1}, {NULL},
};
