/*
 * Reads texts by a grammar, byte by byte. All ways to read what was there so far are a *state*; it
 * has a number, equal states have the same one, and a step from a state that was taken before is a
 * look into a table. What is open in a way (which rules are to be continued where) is a stack; the
 * stacks of a state are kept as sets that share what they have in common (a graph-structured stack,
 * as in Scott and Johnstone, "GLL Parsing", 2010), so that ambiguous grammars cost polynomial time.
 *
 * A Reader belongs to one thread. Numbers are valid until reader_collect().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"
#include "engine/sampling/grammar-private.h"

typedef uint32_t ReaderState;
/* Nothing can be read so. */
#define READER_DEAD 0U
#define READER_UNKNOWN UINT32_MAX

typedef struct Reader Reader;

/* Takes a reference. `tokens`: what the token references of the grammar stand for, copied. */
int reader_new(Grammar *grammar, const Token *tokens, Reader **ret);
Reader *reader_free(Reader *reader);

int reader_start(Reader *reader, ReaderState *ret, Reason *why);
/* -E2BIG with a reason: too many ways to read it (CONSTRAINT_MAX_READINGS), or too much work since
 * reader_rest(). */
int reader_step_slow(Reader *reader, ReaderState state, uint8_t byte, ReaderState *ret,
                     Reason *why);
/* After a token that the grammar names, where `bytes` is the state after its bytes. */
int reader_step_token(Reader *reader, ReaderState state, Token token, ReaderState bytes,
                      ReaderState *ret, Reason *why);
void reader_rest(Reader *reader);

/* The text may end here. */
bool reader_accepts(const Reader *reader, ReaderState state);
/* Nothing can follow. */
bool reader_is_final(const Reader *reader, ReaderState state);
/* The grammar names a token that may follow. */
bool reader_has_tokens(const Reader *reader, ReaderState state);
/* Calls for each of these. */
void reader_each_token(const Reader *reader, ReaderState state,
                       void (*call)(void *userdata, Token token, bool negated), void *userdata);

/* A number that its owner may attach to a state; 0 at first. */
uint32_t *reader_tag(Reader *reader, ReaderState state);

size_t reader_bytes(const Reader *reader);
/* Forgets all states but `roots`, which get their new numbers. */
int reader_collect(Reader *reader, ReaderState *const *roots, size_t n_roots);

/* What every Reader begins with, for reader_step(). */
struct ReaderTable {
    ReaderState *next; /* [n_states][n_kinds] */
    const uint8_t *byte_kinds;
    uint32_t n_kinds;
};

/* READER_UNKNOWN: the step was not made before. */
static inline ReaderState reader_known(const Reader *reader, ReaderState state, uint8_t byte) {
    const struct ReaderTable *table = (const struct ReaderTable *)reader;
    return table->next[(size_t)state * table->n_kinds + table->byte_kinds[byte]];
}

static inline int reader_step(Reader *reader, ReaderState state, uint8_t byte, ReaderState *ret,
                              Reason *why) {
    *ret = reader_known(reader, state, byte);
    return *ret == READER_UNKNOWN ? reader_step_slow(reader, state, byte, ret, why) : 0;
}
