/*
 * The longest of some texts that another text starts with.
 *
 * The texts are sorted, and each knows the longest one that it starts with, its stem. Whatever the
 * other text starts with sorts at or before it, and everything between the two starts with it, too:
 * so it is the last text that isn't behind the other, or a stem of it. Eight bytes a text, however
 * long they are.
 *
 * Immutable once built.
 */
#pragma once

#include "engine/text/vocabulary.h"

#define PREFIX_NONE UINT32_MAX

struct PrefixIndex {
    const struct TokenTexts *texts;
    Token *tokens;   /* sorted by their texts, then by number */
    uint32_t *stems; /* of the token at this place: a place, or PREFIX_NONE */
    /* tokens with the first byte b are tokens[starts[b]] to tokens[starts[b + 1]] */
    uint32_t starts[257];
};

/* Indexes the tokens for which `wanted` says so and whose text isn't empty. -ENOMEM; must be passed
 * to prefix_index_done() then, too. */
int prefix_index_init(struct PrefixIndex *index, const struct TokenTexts *texts,
                      bool (*wanted)(const void *userdata, Token token), const void *userdata);
void prefix_index_done(struct PrefixIndex *index);

/* The place in `tokens` of the longest text that `text` (size >= 1) starts with, of equal texts the
 * last; or PREFIX_NONE. Shorter ones are its stem, the stem of that, and so on. */
uint32_t prefix_index_find(const struct PrefixIndex *index, const char *text, size_t size);
