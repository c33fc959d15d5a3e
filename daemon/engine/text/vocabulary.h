/*
 * Token texts: an array of byte strings indexed by token id, and a way back from bytes to the id.
 * Immutable once built.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"

#define TOKEN_NONE (-1)

/* n strings behind one another; string i is bytes[offsets[i]] to bytes[offsets[i + 1]]. */
struct TokenTexts {
    char *bytes;
    uint32_t *offsets; /* n + 1 */
    uint32_t n;
};

/* Room for n strings of `size` bytes together; -ENOMEM. */
int token_texts_init(struct TokenTexts *texts, uint32_t n, size_t size);
void token_texts_done(struct TokenTexts *texts);
size_t token_texts_get(const struct TokenTexts *texts, Token token, const char **ret);
bool token_texts_is(const struct TokenTexts *texts, Token token, const char *text, size_t size);

/* Open addressing over some of the strings. */
struct TokenIndex {
    const struct TokenTexts *texts;
    Token *slots; /* n_slots, a power of two more than twice what is in */
    uint32_t n_slots;
    bool unique; /* no two of the strings are equal */
    bool (*wanted)(const void *userdata, Token token);
    const void *userdata;
};

/* Indexes the tokens for which `wanted` says so; of equal texts the last. `wanted` is asked as long
 * as the index lives. -E2BIG: the texts are made to collide (TOKENIZER_MAX_PROBES). */
int token_index_init(struct TokenIndex *index, const struct TokenTexts *texts,
                     bool (*wanted)(const void *userdata, Token token), const void *userdata);
void token_index_done(struct TokenIndex *index);
Token token_index_find(const struct TokenIndex *index, const char *text, size_t size);

bool token_index_has(const struct TokenIndex *index, Token token); /* is it one of the indexed? */

/* The byte that the text of a byte token names ("<0x1F>"), or -1. */
int byte_token_value(const char *text, size_t size);

/* Well mixed; for tables of this engine only. */
uint64_t token_hash(const void *data, size_t size);
