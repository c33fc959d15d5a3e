/*
 * A `for` that is running. What it goes through is known from the start, but its condition is
 * asked one item ahead at most, as jinja2 does it: a body may change what the condition looks at.
 */
#pragma once

#include "engine/chat/run.h"

struct Loop {
    const struct Node *node; /* NODE_FOR */
    struct Scope *scope;     /* around the loop: the condition's names */
    const struct List *source;
    size_t next;    /* of the source, not yet looked at */
    size_t n_taken; /* items that the body has got */
    Value previous, current, following;
    bool has_following;
};

/* The next item to `current`; false at the end or after an error. */
bool loop_advance(struct Run *run, struct Loop *loop);
/* loop.index and so on. */
Value loop_attribute(struct Run *run, struct Loop *loop, const struct Text *name);
