/*
 * Packing: checks a GGUF file, writes its packed form and its manifest into a directory, and tells
 * how it goes as event lines on stdout. SIGTERM, and a reader of stdout that leaves, cancel it.
 */
#pragma once

#include "engine/engine.h"

struct PackOptions {
    const char *model;  /* the GGUF file, or any of its parts, or a directory: model-files.h */
    const char *output; /* the directory */
    const char *name;   /* for the manifest */
    enum Requantise requantise;
};

/* Returns the exit status. The last line on stdout is "done", whatever happened. */
int pack_run(const struct PackOptions *options);
