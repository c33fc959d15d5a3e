/*
 * The words for enum Requantise: of --weights, and in manifests.
 */
#pragma once

#include <stdbool.h>

#include "engine/engine.h"

const char *requantise_word(enum Requantise requantise); /* "file", "q8", "q4" */
bool requantise_parse(const char *word, enum Requantise *ret);
