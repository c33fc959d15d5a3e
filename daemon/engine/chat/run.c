#include "engine/chat/run.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/limits.h"

/* Bytes that are copied or looked at as fast as one node is evaluated. */
#define BYTES_PER_WORK 32

Value run_fail(struct Run *run, const char *format, ...) {
    char words[200];
    va_list arguments;
    if (run_stopped(run)) return value_undefined(NULL);
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    run->error = reason_set(run->why, EINVAL, "line %u of the chat template: %s", run->line, words);
    return value_undefined(NULL);
}

bool run_stopped(const struct Run *run) {
    return run->error || run->arena->error;
}

void run_work(struct Run *run, size_t bytes) {
    uint64_t work = bytes / BYTES_PER_WORK + 1;
    if (work <= run->work_left) {
        run->work_left -= work;
        return;
    }
    run->work_left = 0;
    run_fail(run, "the template computes for too long");
}

bool run_enter(struct Run *run) {
    if (run->depth == TEMPLATE_MAX_DEPTH) {
        run_fail(run, "the template nests too deep (macros that call themselves?)");
        return false;
    }
    run->depth++;
    return true;
}

void run_leave(struct Run *run) {
    run->depth--;
}

/* ---- Scopes ---- */

struct Scope *scope_new(struct Run *run, struct Scope *parent) {
    struct Scope *scope = arena_alloc(run->arena, sizeof *scope);
    if (scope) scope->parent = parent;
    return scope;
}

static struct Variable *variable_find(const struct Scope *scope, const struct Text *name) {
    struct Variable *variable = scope->variables;
    while (variable && !text_equals(variable->name, name)) variable = variable->next;
    return variable;
}

void scope_set(struct Run *run, struct Scope *scope, const struct Text *name, Value value) {
    if (!scope) return;
    struct Variable *variable = variable_find(scope, name);
    if (!variable) {
        variable = arena_alloc(run->arena, sizeof *variable);
        if (!variable) return;
        *variable = (struct Variable){.name = name, .next = scope->variables};
        scope->variables = variable;
    }
    variable->value = value;
}

void scope_set_word(struct Run *run, struct Scope *scope, const char *name, Value value) {
    scope_set(run, scope, text_borrow(run->arena, name, strlen(name), true), value);
}

const Value *scope_find(const struct Scope *scope, const struct Text *name) {
    for (; scope; scope = scope->parent) {
        const struct Variable *variable = variable_find(scope, name);
        if (variable) return &variable->value;
    }
    return NULL;
}
