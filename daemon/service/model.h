/*
 * An installed model: what its manifest says, and whether it is loaded. Owned by the library; the
 * state is the link's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct Model Model;

enum ModelState { MODEL_UNLOADED, MODEL_LOADING, MODEL_LOADED };

/* manifest.json beside the model file. Strings are never NULL. */
struct Manifest {
    char *name, *title, *architecture, *family, *weights, *digest, *chat_template;
    uint64_t parameters, size, weight_bytes;
    uint32_t context_length, vocabulary_size;
    bool can_chat;
};

const struct Manifest *model_manifest(const Model *model);
const char *model_name(const Model *model);
const char *model_directory(const Model *model);
bool model_read_only(const Model *model);
int64_t
model_installed_at(const Model *model); /* seconds since 1970: the manifest's modification time */
enum ModelState model_state(const Model *model);
const char *model_state_name(enum ModelState state);
uint64_t model_memory_used(const Model *model); /* 0 unless loaded or loading */
unsigned model_n_active(const Model *model);    /* requests in its worker */
