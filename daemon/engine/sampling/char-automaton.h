/*
 * Reads one character of a class, byte by byte, as UTF-8: a deterministic automaton for all classes
 * of a grammar. A class is a state to start in; every byte leads to another one, to CHAR_DONE when
 * the character is complete, or to CHAR_DEAD when no character of the class begins so. Overlong
 * forms and surrogates are no characters.
 *
 * Built by its owner, sealed, then immutable. Bytes that no class tells apart are of one kind
 * (`byte_kinds`), so that tables over bytes are as short as they can be.
 */
#pragma once

#include <stdint.h>

#include "engine/reason.h"
#include "engine/sampling/charset.h"

enum { CHAR_DEAD, CHAR_DONE, CHAR_FIRST_STATE };

struct CharClass;

typedef struct CharAutomaton {
    uint16_t *next; /* [n_states][n_kinds] once sealed, [n_states][256] before */
    uint32_t n_states, room, n_kinds;
    uint8_t byte_kinds[256];
    struct CharClass *classes; /* those added, to find equal ones; gone once sealed */
    uint32_t n_classes, classes_room;
    uint16_t bytes[256]; /* states of single bytes, or 0 */
} CharAutomaton;

int char_automaton_init(CharAutomaton *automaton);
void char_automaton_done(CharAutomaton *automaton);
/* The state that reads a character of a normalised set; equal sets share it. -E2BIG with a reason:
 * past GRAMMAR_MAX_CHAR_STATES. */
int char_automaton_add(CharAutomaton *automaton, const CharSet *set, uint16_t *ret, Reason *why);
/* The same for one byte, of whatever character it is part. */
int char_automaton_add_byte(CharAutomaton *automaton, uint8_t byte, uint16_t *ret, Reason *why);
int char_automaton_seal(CharAutomaton *automaton);

static inline uint16_t char_automaton_next(const CharAutomaton *automaton, uint16_t state,
                                           uint8_t kind) {
    return automaton->next[(uint32_t)state * automaton->n_kinds + kind];
}
