/*
 * Inside the parser: recursive descent over all tokens, statements in parser.c, expressions in
 * expression.c. The first error sticks and turns every token into the end of the template.
 */
#pragma once

#include "engine/chat/ast.h"

struct Parser {
    struct Arena *arena;
    Reason *why;
    int error;
    const struct Lexeme *tokens, *at;
    unsigned n_nodes, depth;
    unsigned uses; /* MACRO_* of the macro that is being parsed */
};

/* A list that is being built. */
struct NodeList {
    const struct Node *first;
    struct Node *last;
};

void parser_fail(struct Parser *parser, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "unexpected 'x', expected WHAT". */
void parser_fail_expected(struct Parser *parser, const char *what);
/* False, with the error set, when this nests too deep; parser_leave() otherwise. */
bool parser_enter(struct Parser *parser);
void parser_leave(struct Parser *parser);

/* Never NULL: after an error, a node that nobody reads. */
struct Node *node_new(struct Parser *parser, enum NodeKind kind);
void node_list_add(struct NodeList *list, struct Node *node);

bool parser_at(const struct Parser *parser, enum LexemeKind kind);
bool parser_at_name(const struct Parser *parser, const char *name);
bool parser_at_operator(const struct Parser *parser, enum Operator operator);
bool parser_skip_name(struct Parser *parser, const char *name);
bool parser_skip_operator(struct Parser *parser, enum Operator operator);
void parser_next(struct Parser *parser);
void parser_expect_operator(struct Parser *parser, enum Operator operator);
const struct Text *parser_expect_name(struct Parser *parser);

/* ---- expression.c ---- */

/* `conditional`: it may be an `a if b else c`. */
const struct Node *parse_expression(struct Parser *parser, bool conditional);
/* The same, or several with commas: a tuple. `stop`: a name that ends it. */
const struct Node *parse_tuple(struct Parser *parser, bool conditional, const char *stop);
/* A name, a.b, or a tuple of names. */
const struct Node *parse_target(struct Parser *parser, const char *stop);
/* `name(…) | name(…)`: filters behind `input`, which may be NULL. */
const struct Node *parse_filters(struct Parser *parser, const struct Node *input);
