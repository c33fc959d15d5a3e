/*
 * What a mistyped word was meant to be.
 */
#pragma once

#include <stddef.h>

/* Insertions, deletions, replacements and swaps of neighbours (Damerau-Levenshtein, optimal string
 * alignment) that turn one into the other, in bytes. Words of more than 63 bytes are far from
 * everything. */
unsigned suggest_distance(const char *a, const char *b);

/* The nearest of NULL-terminated `words`, if it is near enough to be meant; else NULL. */
const char *suggest(const char *word, const char *const *words);
