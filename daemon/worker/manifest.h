/*
 * The manifest of an installed model: what the daemon, which never opens a model file, knows of it.
 */
#pragma once

#include <stdint.h>

#include "engine/engine.h"

struct ManifestFacts {
    const char *name;   /* as installed */
    const char *digest; /* SHA-256 of the GGUF file, of all parts in order, in hex */
    const char *tier;   /* of the packed file */
    uint64_t size;      /* of the GGUF file, of all parts */
    uint64_t n_files;   /* GGUF files */
    uint64_t packed_bytes;
    enum Requantise requantise;      /* what was asked for ... */
    const struct PackReport *report; /* ... and what was done */
    const struct ModelInfo *draft;   /* NULL: no draft model */
};

/* The JSON text; g_free() it. */
char *manifest_text(const Engine *engine, const struct ManifestFacts *facts);

/* What the model of this manifest was asked to become when it was installed: what it is to be again
 * where its packed file cannot be used. Nothing where the file is missing or says nothing. */
enum Requantise manifest_requantise(const char *path);
