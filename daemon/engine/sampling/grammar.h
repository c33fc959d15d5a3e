/*
 * A grammar: which texts an answer may be. Written in GBNF (the notation is described in
 * grammar-parse.h), compiled once; what is generated under it is a Constraint (constraint.h).
 *
 * A Grammar is immutable: any thread may use it, and hold a reference.
 *
 * Left recursion, also through other rules or past what may be empty, is refused, as llama.cpp
 * does; so is a grammar whose root can never end. Ways that can never end are not taken.
 */
#pragma once

#include <stddef.h>

#include "engine/reason.h"

typedef struct Grammar Grammar;

/* `root` is the rule that the whole text must match, "root" by convention. -EINVAL with a reason
 * that names line and column; -E2BIG: past a limit (engine/limits.h). */
int grammar_new(const char *gbnf, size_t size, const char *root, Grammar **ret, Reason *why);
Grammar *grammar_ref(Grammar *grammar);
Grammar *grammar_unref(Grammar *grammar); /* accepts and returns NULL */
