/*
 * One rendering: its limits, its first error, its output, its scopes.
 *
 * Errors stick. Whoever finds one calls run_fail() and returns what it gives; everything
 * else goes on until it asks run_stopped(), with values that are sound and mean nothing. Each
 * evaluation asks, so nothing goes on for long.
 */
#pragma once

#include <time.h>

#include "engine/chat/ast.h"
#include "engine/reason.h"

struct Variable {
    const struct Text *name;
    Value value;
    struct Variable *next;
};

struct Scope {
    struct Scope *parent;
    struct Variable *variables;
};

/* A macro, a bound method or a global function. */
struct Callable {
    const struct Builtin *builtin;
    Value self;               /* of a method */
    const struct Node *macro; /* NODE_MACRO or NODE_CALL_BLOCK, where builtin is NULL */
    struct Scope *scope;      /* where the macro stands */
};

enum Flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE };

struct Run {
    struct Arena *arena;
    struct TextBuilder *output;
    struct Scope *scope;
    enum Flow flow;
    const struct tm *now; /* local time */
    uint64_t work_left;
    unsigned depth, line;
    int error;
    Reason *why;
};

/* "line N of the chat template: …"; undefined. */
Value run_fail(struct Run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool run_stopped(const struct Run *run);
/* Counts work that grows with the size of texts or lists, so that a template can't compute
 * forever. */
void run_work(struct Run *run, size_t bytes);
/* Recursion: false with the error set when it is too deep, run_leave() otherwise. */
bool run_enter(struct Run *run);
void run_leave(struct Run *run);

/* ---- Scopes: a template's names ---- */

/* A scope within `parent`; NULL without memory. */
struct Scope *scope_new(struct Run *run, struct Scope *parent);
void scope_set(struct Run *run, struct Scope *scope, const struct Text *name, Value value);
void scope_set_word(struct Run *run, struct Scope *scope, const char *name, Value value);
/* The innermost of this name; NULL. */
const Value *scope_find(const struct Scope *scope, const struct Text *name);
