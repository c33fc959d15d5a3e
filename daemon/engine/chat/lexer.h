/*
 * The words of a Jinja template, as jinja2 cuts them with trim_blocks and lstrip_blocks: text with
 * its white space already controlled, and between the delimiters names, literals and operators.
 */
#pragma once

#include "engine/chat/value.h"
#include "engine/reason.h"

enum LexemeKind {
    LEXEME_END, /* of the template */
    LEXEME_TEXT,
    LEXEME_OUTPUT_BEGIN, /* {{ */
    LEXEME_OUTPUT_END,
    LEXEME_BLOCK_BEGIN, /* {% */
    LEXEME_BLOCK_END,
    LEXEME_NAME,
    LEXEME_LITERAL, /* a string or a number */
    LEXEME_OPERATOR,
};

enum Operator {
    OPERATOR_FLOORDIV, /* the longer ones first: the first that fits is it */
    OPERATOR_POW,
    OPERATOR_EQ,
    OPERATOR_NE,
    OPERATOR_GE,
    OPERATOR_LE,
    OPERATOR_ADD,
    OPERATOR_SUB,
    OPERATOR_DIV,
    OPERATOR_MUL,
    OPERATOR_MOD,
    OPERATOR_CONCAT,
    OPERATOR_OPEN_BRACKET,
    OPERATOR_CLOSE_BRACKET,
    OPERATOR_OPEN_PAREN,
    OPERATOR_CLOSE_PAREN,
    OPERATOR_OPEN_BRACE,
    OPERATOR_CLOSE_BRACE,
    OPERATOR_GT,
    OPERATOR_LT,
    OPERATOR_ASSIGN,
    OPERATOR_DOT,
    OPERATOR_COLON,
    OPERATOR_PIPE,
    OPERATOR_COMMA,
    OPERATOR_SEMICOLON,
    OPERATOR_IN, /* made by the parser */
    OPERATOR_NOT_IN,
    N_OPERATORS,
};

struct Lexeme {
    enum LexemeKind kind;
    enum Operator operator;
    unsigned line; /* from 1 */
    Value value;   /* of text, names and literals */
};

/* All tokens of a source, the last of them LEXEME_END, in the arena with everything they point to.
 * -EINVAL names line and construct, -EFBIG a limit. */
int lexer_run(struct Arena *arena, const char *source, size_t size, struct Lexeme **ret,
              Reason *why);

/* "'//'", "'%}'", for messages. */
const char *operator_text(enum Operator operator);
