/*
 * Names of models: 1 to 64 of a-z A-Z 0-9 . _ - that start with a letter or a digit.
 */
#pragma once

#include <stdbool.h>

#define NAME_LENGTH_MAX 64u

bool name_is_valid(const char *name);

/* The name for a model file: its base name without ".gguf", in lower case, other characters as
 * "-". NULL when nothing is left of it. The caller frees. */
char *name_from_file(const char *path);
