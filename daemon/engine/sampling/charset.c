#include "engine/sampling/charset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void charset_done(CharSet *set) {
    free(set->ranges);
    *set = (CharSet){0};
}

int charset_add(CharSet *set, uint32_t first, uint32_t last) {
    if (set->n == set->room) {
        size_t room = set->room ? 2 * set->room : 4;
        struct CharRange *grown = realloc(set->ranges, room * sizeof *grown);
        if (!grown) return -ENOMEM;
        set->ranges = grown;
        set->room = room;
    }
    set->ranges[set->n++] = (struct CharRange){first, last};
    return 0;
}

int charset_add_set(CharSet *set, const CharSet *other) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < other->n; i++)
        r = charset_add(set, other->ranges[i].first, other->ranges[i].last);
    return r;
}

static int compare(const void *a, const void *b) {
    uint32_t x = ((const struct CharRange *)a)->first, y = ((const struct CharRange *)b)->first;
    return (x > y) - (x < y);
}

void charset_normalise(CharSet *set) {
    size_t n = 0;
    if (set->n > 1) qsort(set->ranges, set->n, sizeof *set->ranges, compare);
    for (size_t i = 0; i < set->n; i++) {
        struct CharRange range = set->ranges[i];
        struct CharRange *last = n > 0 ? &set->ranges[n - 1] : NULL;
        if (last && range.first <= last->last + 1) {
            if (range.last > last->last) last->last = range.last;
        } else {
            set->ranges[n++] = range;
        }
    }
    set->n = n;
}

int charset_negate(CharSet *set) {
    CharSet rest = {0};
    uint32_t next = 0;
    int r = 0;
    for (size_t i = 0; r == 0 && i < set->n; i++) {
        if (set->ranges[i].first > next) r = charset_add(&rest, next, set->ranges[i].first - 1);
        next = set->ranges[i].last + 1;
    }
    if (r == 0 && next <= CODE_POINT_MAX) r = charset_add(&rest, next, CODE_POINT_MAX);
    if (r < 0) {
        charset_done(&rest);
        return r;
    }
    charset_done(set);
    *set = rest;
    return 0;
}

void charset_clip(CharSet *set, uint32_t first, uint32_t last) {
    size_t n = 0;
    for (size_t i = 0; i < set->n; i++) {
        struct CharRange range = set->ranges[i];
        if (range.last < first || range.first > last) continue;
        if (range.first < first) range.first = first;
        if (range.last > last) range.last = last;
        set->ranges[n++] = range;
    }
    set->n = n;
}

int charset_copy(const CharSet *set, CharSet *ret) {
    CharSet copy = {0};
    int r = charset_add_set(&copy, set);
    if (r < 0)
        charset_done(&copy);
    else
        *ret = copy;
    return r;
}

/* The first range that ends at or after `code_point`. */
static size_t range_find(const CharSet *set, uint32_t code_point) {
    size_t low = 0, high = set->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->ranges[middle].last < code_point)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool charset_has(const CharSet *set, uint32_t code_point) {
    size_t i = range_find(set, code_point);
    return i < set->n && set->ranges[i].first <= code_point;
}

enum CharsetCover charset_cover(const CharSet *set, uint32_t first, uint32_t last) {
    size_t i = range_find(set, first);
    if (i == set->n || set->ranges[i].first > last) return CHARSET_NONE;
    bool all = set->ranges[i].first <= first && set->ranges[i].last >= last;
    return all ? CHARSET_ALL : CHARSET_SOME;
}
