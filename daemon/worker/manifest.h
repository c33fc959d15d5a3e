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
    const struct PackReport *report;
};

/* The JSON text; g_free() it. */
char *manifest_text(const Engine *engine, const struct ManifestFacts *facts);
