#include "engine/chat/value.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "engine/limits.h"

/* Up to here a search through the entries beats hashing. */
#define DICT_FEW 8

Value value_undefined(const struct Text *name) {
    return (Value){.kind = VALUE_UNDEFINED, .text = name};
}

Value value_none(void) {
    return (Value){.kind = VALUE_NONE};
}

Value value_bool(bool truth) {
    return (Value){.kind = VALUE_BOOL, .truth = truth};
}

Value value_int(int64_t integer) {
    return (Value){.kind = VALUE_INT, .integer = integer};
}

Value value_float(double number) {
    return (Value){.kind = VALUE_FLOAT, .number = number};
}

Value value_text(const struct Text *text) {
    return (Value){.kind = VALUE_STRING, .text = text};
}

Value value_string(struct Arena *arena, const char *bytes, size_t size, bool trusted) {
    return value_text(text_new(arena, bytes, size, trusted));
}

Value value_list(struct List *list) {
    return list ? (Value){.kind = VALUE_LIST, .list = list} : value_undefined(NULL);
}

Value value_dict(struct Dict *dict) {
    return dict ? (Value){.kind = VALUE_DICT, .dict = dict} : value_undefined(NULL);
}

/* ---- Containers ---- */

static unsigned depth_of(Value value) {
    if (value.kind == VALUE_LIST) return value.list->depth;
    return value.kind == VALUE_DICT ? value.dict->depth : 0;
}

/* Everything that walks through values may recurse as deep as this. */
static bool depth_add(struct Arena *arena, unsigned *depth, Value child) {
    unsigned inner = depth_of(child);
    if (inner >= TEMPLATE_MAX_VALUE_DEPTH) {
        if (!arena->error) arena->error = -ELOOP;
        return false;
    }
    if (*depth < inner + 1) *depth = inner + 1;
    return true;
}

struct List *list_new(struct Arena *arena, enum ListForm form) {
    struct List *list = arena_alloc(arena, sizeof *list);
    if (list) *list = (struct List){.form = form, .depth = 1};
    return list;
}

void list_append(struct Arena *arena, struct List *list, Value value) {
    if (!list || arena->error || !depth_add(arena, &list->depth, value)) return;
    if (list->n == list->room) {
        size_t room = list->room ? 2 * list->room : 4;
        Value *items =
            arena_grow(arena, list->items, list->n * sizeof *items, room * sizeof *items);
        if (!items) return;
        list->items = items;
        list->room = room;
    }
    list->items[list->n++] = value;
}

struct Dict *dict_new(struct Arena *arena) {
    struct Dict *dict = arena_alloc(arena, sizeof *dict);
    if (dict) dict->depth = 1;
    return dict;
}

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size) {
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++) hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 29;
}

static uint64_t hash_value(uint64_t hash, Value value) {
    if (value.kind == VALUE_STRING) return hash_bytes(hash, value.text->bytes, value.text->size);
    if (value_is_number(value)) {
        double number = value_as_double(value) + 0.0; /* -0 is 0 */
        return hash_bytes(hash, &number, sizeof number);
    }
    for (size_t i = 0; value.kind == VALUE_LIST && i < value.list->n; i++)
        hash = hash_value(hash * 31 + 1, value.list->items[i]);
    return hash;
}

/* The slot of the key, or the empty one where it would be. */
static uint32_t *slot_find(const struct Dict *dict, Value key) {
    size_t at = hash_value(UINT64_C(0xcbf29ce484222325), key) & (dict->n_slots - 1);
    while (dict->slots[at] && !value_equals(dict->entries[dict->slots[at] - 1].key, key))
        at = (at + 1) & (dict->n_slots - 1);
    return &dict->slots[at];
}

static bool slots_rebuild(struct Arena *arena, struct Dict *dict) {
    size_t n_slots = 4 * dict->room;
    uint32_t *slots = arena_alloc(arena, n_slots * sizeof *slots);
    if (!slots) return false;
    dict->slots = slots;
    dict->n_slots = n_slots;
    for (size_t i = 0; i < dict->n; i++) *slot_find(dict, dict->entries[i].key) = (uint32_t)i + 1;
    return true;
}

static struct DictEntry *entry_find(const struct Dict *dict, Value key) {
    if (dict->slots) {
        uint32_t slot = *slot_find(dict, key);
        return slot ? &dict->entries[slot - 1] : NULL;
    }
    for (size_t i = 0; i < dict->n; i++)
        if (value_equals(dict->entries[i].key, key)) return &dict->entries[i];
    return NULL;
}

static bool dict_reserve(struct Arena *arena, struct Dict *dict) {
    if (dict->n < dict->room) return true;
    size_t room = dict->room ? 2 * dict->room : 4;
    struct DictEntry *entries =
        arena_grow(arena, dict->entries, dict->n * sizeof *entries, room * sizeof *entries);
    if (!entries) return false;
    dict->entries = entries;
    dict->room = room;
    return room <= DICT_FEW || slots_rebuild(arena, dict);
}

void dict_set(struct Arena *arena, struct Dict *dict, Value key, Value value) {
    if (!dict || arena->error || !depth_add(arena, &dict->depth, key) ||
        !depth_add(arena, &dict->depth, value))
        return;
    struct DictEntry *entry = entry_find(dict, key);
    if (entry) {
        entry->value = value;
        return;
    }
    if (!dict_reserve(arena, dict)) return;
    dict->entries[dict->n++] = (struct DictEntry){key, value};
    if (dict->slots) *slot_find(dict, key) = (uint32_t)dict->n;
}

void dict_set_member(struct Arena *arena, struct Dict *dict, const char *name, Value value) {
    dict_set(arena, dict, value_text(text_borrow(arena, name, strlen(name), true)), value);
}

const Value *dict_get(const struct Dict *dict, Value key) {
    const struct DictEntry *entry = dict ? entry_find(dict, key) : NULL;
    return entry ? &entry->value : NULL;
}

/* ---- Looking ---- */

bool value_is_hashable(Value value) {
    if (value.kind == VALUE_DICT || value.kind == VALUE_NAMESPACE) return false;
    if (value.kind != VALUE_LIST) return true;
    if (value.list->form != LIST_TUPLE) return false;
    for (size_t i = 0; i < value.list->n; i++)
        if (!value_is_hashable(value.list->items[i])) return false;
    return true;
}

bool value_is_number(Value value) {
    return value.kind == VALUE_INT || value.kind == VALUE_FLOAT || value.kind == VALUE_BOOL;
}

int64_t value_as_int(Value value) {
    return value.kind == VALUE_BOOL ? value.truth : value.integer;
}

double value_as_double(Value value) {
    return value.kind == VALUE_FLOAT ? value.number : (double)value_as_int(value);
}

bool value_truth(Value value) {
    switch (value.kind) {
    case VALUE_MISSING:
    case VALUE_UNDEFINED:
    case VALUE_NONE:
        return false;
    case VALUE_BOOL:
        return value.truth;
    case VALUE_INT:
        return value.integer != 0;
    case VALUE_FLOAT:
        return value.number != 0;
    case VALUE_STRING:
        return value.text->size > 0;
    case VALUE_LIST:
        return value.list->form == LIST_GENERATOR || value.list->n > 0;
    case VALUE_DICT:
        return value.dict->n > 0;
    default:
        return true;
    }
}

static bool lists_equal(const struct List *a, const struct List *b) {
    if (a == b) return true;
    if (a->form != b->form || a->form == LIST_GENERATOR || a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++)
        if (!value_equals(a->items[i], b->items[i])) return false;
    return true;
}

static bool dicts_equal(const struct Dict *a, const struct Dict *b) {
    if (a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++) {
        const Value *other = dict_get(b, a->entries[i].key);
        if (!other || !value_equals(a->entries[i].value, *other)) return false;
    }
    return true;
}

bool value_equals(Value a, Value b) {
    if (value_is_number(a) && value_is_number(b)) {
        if (a.kind != VALUE_FLOAT && b.kind != VALUE_FLOAT)
            return value_as_int(a) == value_as_int(b);
        return value_as_double(a) == value_as_double(b);
    }
    if (a.kind != b.kind) return false;
    switch (a.kind) {
    case VALUE_STRING:
        return text_equals(a.text, b.text);
    case VALUE_LIST:
        return lists_equal(a.list, b.list);
    case VALUE_DICT:
        return dicts_equal(a.dict, b.dict);
    case VALUE_NAMESPACE:
    case VALUE_CALLABLE:
    case VALUE_LOOP:
        return a.dict == b.dict;
    default:
        return true;
    }
}

const char *value_kind_name(Value value) {
    static const char *const NAMES[N_VALUE_KINDS] = {
        [VALUE_MISSING] = "nothing",     [VALUE_UNDEFINED] = "undefined",
        [VALUE_NONE] = "None",           [VALUE_BOOL] = "a boolean",
        [VALUE_INT] = "an integer",      [VALUE_FLOAT] = "a float",
        [VALUE_STRING] = "a string",     [VALUE_LIST] = "a list",
        [VALUE_DICT] = "a dict",         [VALUE_NAMESPACE] = "a namespace",
        [VALUE_CALLABLE] = "a function", [VALUE_LOOP] = "a loop",
    };
    return NAMES[value.kind];
}
