/*
 * Sequence breakers of DRY: texts across which a repetition does not count, as the sequences of
 * tokens that a vocabulary may write them with. A token that contains the text is one by itself; a
 * token that ends with the beginning of the text is one together with the tokens of the rest (as
 * koboldcpp and llama.cpp have it). Immutable once they are made.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "engine/engine.h"
#include "engine/sampling/history.h"

struct Breakers;

/* `texts` is NULL-terminated, or NULL: none; empty texts are none. Looks through the whole
 * vocabulary for each text. -ENOMEM. */
int breakers_new(const Tokenizer *tokenizer, char *const *texts, struct Breakers **ret);
struct Breakers *breakers_free(struct Breakers *breakers); /* returns NULL */

/* For tests, and used by breakers_new(): adds one sequence of `n` tokens, 1 to BREAKER_TOKENS_MAX.
 * Call breakers_sort() after the last one. */
int breakers_make(uint32_t n_vocab, struct Breakers **ret);
int breakers_add(struct Breakers *breakers, const Token *tokens, size_t n);
void breakers_sort(struct Breakers *breakers);

#define BREAKER_TOKENS_MAX 21

/* The token is a breaker by itself. */
bool breakers_has(const struct Breakers *breakers, Token token);
/* How many tokens follow the i-th from the end in the longest sequence that begins with it and is
 * all there; -1: none does. */
int breakers_match(const struct Breakers *breakers, const struct History *history, uint32_t i);
