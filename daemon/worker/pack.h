/*
 * Packing: checks a GGUF file, writes its packed form and its manifest into a directory, and tells
 * how it goes, and what was requantised, as event lines on stdout. Where the model is a directory
 * with a draft model in it, that is packed first, in its place, and has to have the vocabulary of
 * the model. SIGTERM, and a reader of stdout that leaves, cancel it.
 */
#pragma once

#include "engine/engine.h"

struct PackOptions {
    const char *model;   /* the GGUF file, or any of its parts, or a directory: model-files.h */
    const char *output;  /* the directory */
    const char *name;    /* for the manifest */
    const char *weights; /* a word of requantise-word.h; NULL: what the model's install.json says */
};

/* `options->weights` is a known word. Returns the exit status. The last line on stdout is "done",
 * whatever happened. */
int pack_run(const struct PackOptions *options);
