/*
 * A set of Unicode code points, as ranges in ascending order. A value of its owner: starts zeroed,
 * charset_done() frees. Sets are built by adding and used once charset_normalise() has sorted them;
 * the functions below keep a normalised set normalised.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CODE_POINT_MAX 0x10ffffU

struct CharRange {
    uint32_t first, last; /* both in */
};

typedef struct CharSet {
    struct CharRange *ranges;
    size_t n, room;
} CharSet;

void charset_done(CharSet *set);
/* first <= last <= CODE_POINT_MAX; -ENOMEM. */
int charset_add(CharSet *set, uint32_t first, uint32_t last);
int charset_add_set(CharSet *set, const CharSet *other);
/* Sorts, and joins what overlaps or touches. */
void charset_normalise(CharSet *set);
/* All code points that are not in it. */
int charset_negate(CharSet *set);
/* Only what is in first..last. */
void charset_clip(CharSet *set, uint32_t first, uint32_t last);
int charset_copy(const CharSet *set, CharSet *ret);
bool charset_has(const CharSet *set, uint32_t code_point);

enum CharsetCover { CHARSET_NONE, CHARSET_SOME, CHARSET_ALL };
/* How much of first..last is in. */
enum CharsetCover charset_cover(const CharSet *set, uint32_t first, uint32_t last);
