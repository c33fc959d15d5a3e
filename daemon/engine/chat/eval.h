/* Running the tree: expressions (eval.c), calls (call.c), statements (exec.c). */
#pragma once

#include "engine/chat/builtin.h"

Value eval(struct Run *run, const struct Node *node);
/* To a name, a namespace's attribute, or a tuple of such; in the current scope. */
void assign(struct Run *run, const struct Node *target, Value value);
/* Statements, into run->output. */
void exec(struct Run *run, const struct Node *first);
/* The same, in a scope of their own, into a text. */
const struct Text *exec_to_text(struct Run *run, const struct Node *first, struct Scope *scope);

/* ---- call.c ---- */

Value eval_call(struct Run *run, const struct Node *node);
/* `input`: what is filtered. */
Value eval_filter(struct Run *run, const struct Node *node, Value input);
Value eval_test(struct Run *run, const struct Node *node);
/* {% call %}: the macro that node->a calls, with the block as its caller(). */
Value eval_call_block(struct Run *run, const struct Node *node);
/* The macro of a NODE_MACRO or NODE_CALL_BLOCK, as a value. */
Value macro_value(struct Run *run, const struct Node *node);
