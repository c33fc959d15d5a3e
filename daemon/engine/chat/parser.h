/*
 * Jinja2's grammar, with the extensions that Hugging Face's chat templates may use: break and
 * continue, and generation blocks. What a chat template has no use for (include, extends, import,
 * block, recursive loops) is an error that names it.
 */
#pragma once

#include "engine/chat/ast.h"

/* The template's statements, in the arena; NULL for an empty one. -EINVAL names line and
 * construct, -EFBIG a limit of limits.h, -ENOMEM. */
int parser_run(struct Arena *arena, const char *source, size_t size, const struct Node **ret,
               Reason *why);
