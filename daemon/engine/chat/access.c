/* compare.h: what is in a value */
#include <string.h>

#include "engine/chat/builtin.h"
#include "engine/chat/compare.h"
#include "engine/chat/literal.h"
#include "engine/chat/loop.h"
#include "engine/text/unicode.h"

/* ---- All of it ---- */

static struct List *characters_of(struct Run *run, const struct Text *text) {
    struct List *list = list_new(run->arena, LIST_PLAIN);
    uint32_t c;
    for (size_t at = 0; at < text->size && !run_stopped(run);) {
        unsigned n = utf8_decode(text->bytes + at, text->size - at, &c);
        list_append(run->arena, list, value_text(text_part(run->arena, text, at, n)));
        run_work(run, 0);
        at += n;
    }
    return list;
}

static struct List *keys_of(struct Run *run, const struct Dict *dict) {
    struct List *list = list_new(run->arena, LIST_PLAIN);
    run_work(run, dict->n);
    for (size_t i = 0; i < dict->n; i++) list_append(run->arena, list, dict->entries[i].key);
    return list;
}

static struct List *read_generator(struct Run *run, struct List *generator) {
    struct List *list = list_new(run->arena, LIST_PLAIN);
    if (!list) return NULL;
    list->items = generator->items;
    list->n = list->room = generator->n;
    list->depth = generator->depth;
    *generator = (struct List){.form = LIST_GENERATOR, .depth = 1};
    return list;
}

struct List *value_iterate(struct Run *run, Value value) {
    switch (value.kind) {
    case VALUE_UNDEFINED:
        return list_new(run->arena, LIST_PLAIN);
    case VALUE_STRING:
        return characters_of(run, value.text);
    case VALUE_LIST:
        return value.list->form == LIST_GENERATOR ? read_generator(run, value.list) : value.list;
    case VALUE_DICT:
        return keys_of(run, value.dict);
    default:
        run_fail(run, "%s has no items to go through", value_kind_name(value));
        return NULL;
    }
}

size_t value_length(struct Run *run, Value value) {
    switch (value.kind) {
    case VALUE_UNDEFINED:
        return 0;
    case VALUE_STRING:
        run_work(run, value.text->size);
        return text_length(value.text);
    case VALUE_DICT:
        return value.dict->n;
    case VALUE_LIST:
        if (value.list->form != LIST_GENERATOR) return value.list->n;
        run_fail(run, "what a filter left has no length; make it a list first");
        return 0;
    default:
        run_fail(run, "%s has no length", value_kind_name(value));
        return 0;
    }
}

/* ---- One of it ---- */

static Value undefined_in(struct Run *run, Value object, const struct Text *name) {
    if (object.kind == VALUE_UNDEFINED && object.text)
        return run_fail(run, "'%.*s' is undefined, and has no '%.*s'", TEXT_SHOWN(object.text),
                        TEXT_SHOWN(name));
    return run_fail(run, "undefined has no '%.*s'", TEXT_SHOWN(name));
}

static Value bound_method(struct Run *run, Value self, const struct Text *name) {
    const struct Builtin *builtin = method_find(self, name);
    struct Callable *callable = builtin ? arena_alloc(run->arena, sizeof *callable) : NULL;
    if (!callable) return value_undefined(name);
    *callable = (struct Callable){.builtin = builtin, .self = self};
    return (Value){.kind = VALUE_CALLABLE, .callable = callable};
}

static Value member_of(const struct Dict *dict, const struct Text *name) {
    const Value *value = dict_get(dict, value_text(name));
    return value ? *value : value_undefined(name);
}

static Value macro_attribute(Value macro, const struct Text *name) {
    const struct Node *node = macro.callable->macro;
    if (node && node->name && text_is(name, "name")) return value_text(node->name);
    return value_undefined(name);
}

Value value_attribute(struct Run *run, Value object, const struct Text *name) {
    switch (object.kind) {
    case VALUE_UNDEFINED:
        return undefined_in(run, object, name);
    case VALUE_LOOP:
        return loop_attribute(run, object.loop, name);
    case VALUE_NAMESPACE:
        return member_of(object.dict, name);
    case VALUE_CALLABLE:
        return macro_attribute(object, name);
    default:
        break;
    }
    Value method = bound_method(run, object, name);
    if (method.kind == VALUE_UNDEFINED && object.kind == VALUE_DICT)
        return member_of(object.dict, name);
    return method;
}

/* -1 is the last; false when there is no such item. */
static bool index_of(int64_t index, size_t n, size_t *ret) {
    if (index < 0) index += (int64_t)n;
    *ret = (size_t)index;
    return index >= 0 && index < (int64_t)n;
}

static Value character_at(struct Run *run, const struct Text *text, int64_t index) {
    size_t at;
    uint32_t c;
    run_work(run, text->size);
    if (!index_of(index, text_length(text), &at)) return value_undefined(NULL);
    at = text_offset(text, at);
    unsigned n = utf8_decode(text->bytes + at, text->size - at, &c);
    return value_text(text_part(run->arena, text, at, n));
}

static Value item_at(struct Run *run, Value object, int64_t index) {
    size_t at;
    if (object.kind == VALUE_STRING) return character_at(run, object.text, index);
    if (object.kind != VALUE_LIST || object.list->form > LIST_RANGE ||
        !index_of(index, object.list->n, &at))
        return value_undefined(NULL);
    return object.list->items[at];
}

Value value_item(struct Run *run, Value object, Value key) {
    if (object.kind == VALUE_UNDEFINED)
        return undefined_in(run, object, key.kind == VALUE_STRING ? key.text : &TEXT_EMPTY);
    if (object.kind == VALUE_DICT && value_is_hashable(key)) {
        const Value *found = dict_get(object.dict, key);
        if (found) return *found;
    }
    if (key.kind == VALUE_STRING) {
        if (object.kind == VALUE_DICT) return bound_method(run, object, key.text);
        return value_attribute(run, object, key.text);
    }
    if (key.kind == VALUE_INT || key.kind == VALUE_BOOL)
        return item_at(run, object, value_as_int(key));
    return value_undefined(NULL);
}

Value value_path(struct Run *run, Value object, Value attribute) {
    if (attribute.kind != VALUE_STRING) return value_item(run, object, attribute);
    const struct Text *path = attribute.text;
    for (size_t from = 0; from <= path->size && !run_stopped(run);) {
        const char *dot = memchr(path->bytes + from, '.', path->size - from);
        size_t end = dot ? (size_t)(dot - path->bytes) : path->size;
        const struct Text *part = text_part(run->arena, path, from, end - from);
        int64_t index;
        bool digits = part->size > 0 && strspn(part->bytes, "0123456789") >= part->size;
        Value key = value_text(part);
        if (digits && literal_parse_int(part, 10, &index)) key = value_int(index);
        object = value_item(run, object, key);
        from = end + 1;
    }
    return object;
}

/* ---- A part of it ---- */

struct Slice {
    int64_t from, to, step;
};

static int64_t clamp(int64_t bound, int64_t n, int64_t low, int64_t high) {
    if (bound < 0) bound += n;
    return bound < low ? low : bound > high ? high : bound;
}

/* Python's slice.indices(n). */
static bool slice_bounds(struct Run *run, Value from, Value to, Value step, int64_t n,
                         struct Slice *ret) {
    const Value all[] = {from, to, step};
    for (unsigned i = 0; i < 3; i++)
        if (all[i].kind != VALUE_NONE && all[i].kind != VALUE_INT && all[i].kind != VALUE_BOOL) {
            run_fail(run, "a slice needs integers, not %s", value_kind_name(all[i]));
            return false;
        }
    ret->step = step.kind == VALUE_NONE ? 1 : value_as_int(step);
    if (ret->step == 0) {
        run_fail(run, "a slice can't have a step of 0");
        return false;
    }
    bool back = ret->step < 0;
    int64_t low = back ? -1 : 0, high = back ? n - 1 : n;
    ret->from =
        from.kind == VALUE_NONE ? back ? high : low : clamp(value_as_int(from), n, low, high);
    ret->to = to.kind == VALUE_NONE ? back ? low : high : clamp(value_as_int(to), n, low, high);
    return true;
}

static bool slice_goes_on(const struct Slice *slice) {
    return slice->step > 0 ? slice->from < slice->to : slice->from > slice->to;
}

static bool slice_next(struct Slice *slice) {
    return !__builtin_add_overflow(slice->from, slice->step, &slice->from);
}

static Value slice_text(struct Run *run, const struct Text *text, struct Slice slice) {
    if (slice.step == 1) {
        size_t from = text_offset(text, (size_t)slice.from);
        size_t to = slice.to > slice.from ? text_offset(text, (size_t)slice.to) : from;
        return value_text(text_part(run->arena, text, from, to - from));
    }
    struct List *characters = characters_of(run, text);
    struct TextBuilder builder = {.arena = run->arena};
    for (bool more = characters; more && slice_goes_on(&slice) && !run_stopped(run);
         more = slice_next(&slice))
        builder_add_text(&builder, characters->items[slice.from].text);
    return value_text(builder_finish(&builder));
}

static Value slice_list(struct Run *run, const struct List *list, struct Slice slice) {
    struct List *part = list_new(run->arena, list->form);
    for (bool more = true; more && slice_goes_on(&slice) && !run_stopped(run);
         more = slice_next(&slice)) {
        run_work(run, 0);
        list_append(run->arena, part, list->items[slice.from]);
    }
    return value_list(part);
}

Value value_slice(struct Run *run, Value object, Value from, Value to, Value step) {
    struct Slice slice;
    bool is_text = object.kind == VALUE_STRING;
    if (object.kind == VALUE_UNDEFINED) return undefined_in(run, object, &TEXT_EMPTY);
    if (!is_text && (object.kind != VALUE_LIST || object.list->form > LIST_RANGE))
        return run_fail(run, "%s can't be sliced", value_kind_name(object));
    if (!slice_bounds(run, from, to, step, (int64_t)value_length(run, object), &slice))
        return value_undefined(NULL);
    return is_text ? slice_text(run, object.text, slice) : slice_list(run, object.list, slice);
}
