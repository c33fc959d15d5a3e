/*
 * Prompts to measure with: plain words, as many tokens as wanted, and never the same twice, so that
 * nothing of them has been computed before.
 */
#pragma once

#include "client/connection.h"

/* About `n_tokens` tokens of `model`: cutting text between tokens may change how it is tokenized
 * by one or two. Says what fails. The caller frees. */
int workload_prompt(Connection *connection, const char *model, unsigned n_tokens, char **ret);
