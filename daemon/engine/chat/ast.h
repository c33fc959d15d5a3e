/*
 * The syntax tree of a template. One kind of node for everything; its kind says which members mean
 * something. Nodes live in the arena of their template and are never changed after parsing.
 */
#pragma once

#include "engine/chat/lexer.h"

enum NodeKind {
    /* Expressions */
    NODE_LITERAL,   /* value */
    NODE_NAME,      /* name */
    NODE_LIST,      /* list: the items */
    NODE_TUPLE,     /* list */
    NODE_DICT,      /* list: NODE_PAIR */
    NODE_PAIR,      /* a: key, b: value */
    NODE_ATTRIBUTE, /* a.name */
    NODE_ITEM,      /* a[b] */
    NODE_SLICE,     /* only as the b of NODE_ITEM: [a:b:c], each may be NULL */
    NODE_NOT,       /* a */
    NODE_NEGATIVE,
    NODE_POSITIVE,
    NODE_AND, /* a, b */
    NODE_OR,
    NODE_ARITHMETIC,  /* a operator b */
    NODE_CONCAT,      /* list, joined with ~ */
    NODE_COMPARE,     /* a, list: NODE_OPERAND */
    NODE_OPERAND,     /* operator a */
    NODE_CONDITIONAL, /* b if a else c; c may be NULL */
    NODE_FILTER,      /* a | name(list, named); a is NULL in filter blocks */
    NODE_TEST,        /* a is name(list, named) */
    NODE_CALL,        /* a(list, named) */
    NODE_NAMED,       /* name = a: an argument or a parameter, then a may be NULL; without a
                         name: **a */
    NODE_SPREAD,      /* *a, only among arguments */
    /* Statements */
    NODE_TEXT,         /* value */
    NODE_OUTPUT,       /* a */
    NODE_IF,           /* a, list, otherwise */
    NODE_FOR,          /* for a in b if c: list, otherwise */
    NODE_SET,          /* a = b */
    NODE_SET_BLOCK,    /* a, list; b: a filter or NULL */
    NODE_MACRO,        /* name(named): list */
    NODE_CALL_BLOCK,   /* (named) a: list; a is a NODE_CALL */
    NODE_FILTER_BLOCK, /* a: NODE_FILTER, list */
    NODE_WITH,         /* named: NODE_PAIR; list */
    NODE_SCOPE,        /* list */
    NODE_BREAK,
    NODE_CONTINUE,
    N_NODE_KINDS,
};

/* What the body of a macro asks for, beside its parameters. */
enum {
    MACRO_CALLER = 1 << 0,
    MACRO_VARARGS = 1 << 1,
    MACRO_KWARGS = 1 << 2,
};

struct Node {
    enum NodeKind kind;
    enum Operator operator;
    unsigned line;
    unsigned uses; /* of macros: MACRO_* */
    Value value;
    const struct Text *name;
    const struct Builtin *builtin; /* of filters and tests; NULL: there is none of this name */
    const struct Node *a, *b, *c;
    const struct Node *list, *named, *otherwise; /* first of `next` */
    const struct Node *next;
};
