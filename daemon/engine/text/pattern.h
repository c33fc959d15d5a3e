/*
 * The regular expressions of pre-tokenizers, as they are published: compiled once, then matched
 * against an array of characters. A backtracking matcher for a subset, so that the alternative that
 * stands first wins, as it does in the engines that the models were trained with:
 *
 *     a  \r \n \t \.   one character, escaped where it would mean something else
 *     \p{L} \P{L}      a general category (L N P S M), what is not in it; \s \S white space
 *     [a-z\p{N}] [^x]  classes of these
 *     ? * + {n} {n,m}  how often, as often as possible; behind a group only ?
 *     (?:x|y)          a group
 *     (?=x) (?!x)      what follows (not)
 *     $                the end
 *
 * Patterns come from the engine's own table: a mistake in one is a bug, and an assertion. None may
 * match the empty string. Repeated is one class, never a group, and what has failed for a run of
 * characters is not tried again from the middle of it: the table's patterns take linear time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct Pattern;

/* A character: code point, enum UnicodeClass and size in bytes. */
typedef uint32_t PatternChar;

/*
 * The character at the start of `text` (size >= 1), as llama.cpp's patterns see it: white space
 * outside of ASCII is U+000B, which no range has, and what is no UTF-8 is U+FFFD.
 */
PatternChar pattern_char(const char *text, size_t size);
unsigned pattern_char_size(PatternChar character);

struct Pattern *pattern_new(const char *source); /* NULL: out of memory */
struct Pattern *pattern_free(struct Pattern *pattern);

/* What one search leaves to the next in the same stretch of characters. Starts zeroed. */
struct PatternMemo {
    uint32_t node, from, to; /* this loop fails wherever it starts, from ... to */
};

/* The leftmost match within chars[from] to chars[to], as if there were no other characters.
 * `memo` is for searches with the same `to`. */
bool pattern_find(const struct Pattern *pattern, const PatternChar *chars, uint32_t from,
                  uint32_t to, struct PatternMemo *memo, uint32_t *ret_start, uint32_t *ret_end);
