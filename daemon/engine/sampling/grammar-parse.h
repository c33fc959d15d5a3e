/*
 * Reads GBNF, the notation that llama.cpp defines (its grammars/README.md):
 *
 *     name ::= "text" [class] [^class] . other-name ( group ) <[id]> <text> !<text> | alternative
 *
 * with * + ? {m} {m,} {m,n} after an item, comments from # to the end of the line, and the escapes
 * \n \t \r \" \\ \[ \] \- \xNN \uNNNN \UNNNNNNNN in texts and classes. A line ends a rule, except
 * after ::= and |, and in parentheses. Of two rules with one name the last counts.
 */
#pragma once

#include <stdbool.h>

#include "engine/sampling/char-automaton.h"
#include "engine/sampling/grammar-code.h"

/* A token as the grammar names it. */
struct TokenReference {
    char *text; /* with its angle brackets, or NULL: `id` counts */
    uint32_t id;
    bool negated; /* any but this */
};

struct ParsedRule {
    char *name;       /* NULL: a group that is repeated */
    struct Code code; /* ends with OP_RETURN */
    bool defined;
    unsigned line, column; /* where it was seen first */
};

struct ParsedGrammar {
    struct ParsedRule *rules;
    uint32_t n_rules, rules_room;
    struct TokenReference *tokens;
    uint32_t n_tokens, tokens_room;
    CharAutomaton chars; /* not sealed */
    size_t budget;       /* see struct Code */
    uint32_t *index;     /* of rules by name: slots with a rule + 1, or 0 */
    uint32_t index_size;
};

/* Every rule that is mentioned is defined. -EINVAL, -E2BIG (past a limit): `why` names line and
 * column. parsed_grammar_done() what was read. */
int grammar_parse(const char *gbnf, size_t size, struct ParsedGrammar *ret, Reason *why);
void parsed_grammar_done(struct ParsedGrammar *grammar);
/* The rule of that name, or UINT32_MAX. */
uint32_t parsed_grammar_find(const struct ParsedGrammar *grammar, const char *name, size_t size);
