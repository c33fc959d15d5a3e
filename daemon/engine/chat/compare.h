/* Order among values, and looking into them. */
#pragma once

#include "engine/chat/run.h"

/* Python's <, ==, > of two values: negative, 0, positive. What has no order is an error (0). */
int compare_values(struct Run *run, Value a, Value b);
/* `needle in haystack` */
bool value_contains(struct Run *run, Value haystack, Value needle);

/* Sorts `items` in place by `keys` (moved along; NULL: the items are their own keys). Equal ones
 * keep their order, also in reverse. */
void sort_values(struct Run *run, Value *items, Value *keys, size_t n, bool reverse);

/* What `for` goes through: the items of a list, the keys of a dict, the characters of a string,
 * nothing for undefined. Empties a generator. An error, and NULL, for what can't be. */
struct List *value_iterate(struct Run *run, Value value);
/* len(); an error for what has none. */
size_t value_length(struct Run *run, Value value);

/* a.name and a[key] as jinja2 does them: undefined where there is nothing. */
Value value_attribute(struct Run *run, Value object, const struct Text *name);
Value value_item(struct Run *run, Value object, Value key);
/* a[from:to:step]; VALUE_NONE where left out. */
Value value_slice(struct Run *run, Value object, Value from, Value to, Value step);
/* The values that `attribute` ("a.b.0" or a number) leads to, from each filter's point of view. */
Value value_path(struct Run *run, Value object, Value attribute);
