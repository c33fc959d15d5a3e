/*
 * The values that a template works with, and that a caller builds for it: JSON's kinds, and what
 * only a rendering makes (undefined, functions, loops).
 *
 * Values are small and copied; strings, lists and dicts live in an arena and are not changed once
 * a template can see them. Failure to build shows in the arena's `error` (an undefined value or a
 * NULL container comes back, which every function here accepts).
 */
#pragma once

#include "engine/chat/text.h"

enum ValueKind {
    VALUE_MISSING, /* an argument that was not given */
    VALUE_UNDEFINED,
    VALUE_NONE,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_FLOAT,
    VALUE_STRING,
    VALUE_LIST, /* anything with items, see enum ListForm */
    VALUE_DICT,
    VALUE_NAMESPACE,
    VALUE_CALLABLE,
    VALUE_LOOP,
    N_VALUE_KINDS,
};

/* What Python would have, where it makes a difference. */
enum ListForm {
    LIST_PLAIN,
    LIST_TUPLE,
    LIST_RANGE,
    LIST_VIEW,      /* of a dict's keys, values or items: has a length, and no subscripts */
    LIST_GENERATOR, /* neither, is always true, and empty once it has been read */
};

typedef struct Value {
    enum ValueKind kind;
    bool foreign; /* numbers: the caller's */
    union {
        bool truth;
        int64_t integer;
        double number;
        const struct Text *text; /* also an undefined value's name, or NULL */
        struct List *list;
        struct Dict *dict; /* also a namespace's */
        struct Callable *callable;
        struct Loop *loop;
    };
} Value;

struct List {
    Value *items;
    size_t n, room;
    enum ListForm form;
    unsigned depth; /* of values in values: 1 where none is a container */
};

struct DictEntry {
    Value key, value;
};

/* Keeps the order of insertion. */
struct Dict {
    struct DictEntry *entries;
    size_t n, room;
    uint32_t *slots; /* entry + 1, by hash; NULL while there are few */
    size_t n_slots;
    unsigned depth;
};

/* ---- Building ---- */

Value value_undefined(const struct Text *name); /* name: may be NULL */
Value value_none(void);
Value value_bool(bool truth);
Value value_int(int64_t integer);
Value value_float(double number);
Value value_text(const struct Text *text);
/* Copies. `trusted`: its words may name control tokens; never say so of what a person wrote. */
Value value_string(struct Arena *arena, const char *bytes, size_t size, bool trusted);
Value value_list(struct List *list);
Value value_dict(struct Dict *dict);

struct List *list_new(struct Arena *arena, enum ListForm form);
void list_append(struct Arena *arena, struct List *list, Value value);
struct Dict *dict_new(struct Arena *arena);
/* Replaces what the key had. Keys are strings, numbers, booleans, None or tuples of these. */
void dict_set(struct Arena *arena, struct Dict *dict, Value key, Value value);
/* With a key of words that live as long as the arena, such as a literal. */
void dict_set_member(struct Arena *arena, struct Dict *dict, const char *name, Value value);

/* ---- Looking ---- */

const Value *dict_get(const struct Dict *dict, Value key); /* NULL: not there */
bool value_is_hashable(Value value);
bool value_truth(Value value);
bool value_equals(Value a, Value b); /* as Python: 1 == 1.0 == True */
bool value_is_number(Value value);   /* int, float, bool */
double value_as_double(Value value); /* of a number */
int64_t value_as_int(Value value);   /* of an int or a bool */
/* "a string", for messages. */
const char *value_kind_name(Value value);
