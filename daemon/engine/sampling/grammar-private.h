/*
 * A compiled grammar, as the reader of texts (reader.c) sees it: one program of all rules, and for
 * every place where reading can go on what may come next there.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "engine/sampling/char-automaton.h"
#include "engine/sampling/grammar-code.h"
#include "engine/sampling/grammar-parse.h"
#include "engine/sampling/grammar.h"

/* What can come next at a place of a rule, without reading anything before. */
struct Next {
    uint32_t first;    /* in `edges`: places of OP_CHAR and OP_TOKEN, then of OP_CALL */
    uint32_t n_leaves; /* the former */
    uint32_t n_calls;
    bool returns; /* the rule can end here */
};

struct Grammar {
    atomic_uint n_refs;
    CharAutomaton chars; /* sealed */
    struct TokenReference *tokens;
    uint32_t n_tokens;

    /* All rules one after the other. Rules are numbered so that where one begins with another, the
     * first has the lower number: there is no left recursion. */
    struct Instruction *code;
    uint32_t n_code, n_rules;
    uint32_t *entries;  /* [n_rules]: first place of a rule */
    bool *may_be_empty; /* [n_rules] */
    uint32_t root;

    uint32_t *next_of; /* [n_code]: row of `next`, for entries and what follows a leaf or a call */
    struct Next *next;
    uint32_t n_next;
    uint32_t *edges;
};

static inline const struct Next *grammar_next(const Grammar *grammar, uint32_t place) {
    return &grammar->next[grammar->next_of[place]];
}

/* How grammar_new() goes on from a parsed grammar: fills the lower half of `grammar`. */
int grammar_link(struct ParsedGrammar *parsed, Grammar *grammar, Reason *why);
