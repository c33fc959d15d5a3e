/*
 * An installed model: what its manifest says, and whether it is loaded. Owned by the library; the
 * state is the link's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct Model Model;

enum ModelState { MODEL_UNLOADED, MODEL_LOADING, MODEL_LOADED };

/* The packed file, going by what workers said. */
enum ModelPacked {
    MODEL_PACKED_UNKNOWN, /* it has not been loaded yet */
    MODEL_PACKED_NONE,    /* packed in memory whenever it is loaded */
    MODEL_PACKED_USED,
    MODEL_PACKED_STALE,   /* damaged, or of another version or processor */
    MODEL_PACKED_PACKING, /* so it was, and is being made again */
    MODEL_PACKED_RENEWED, /* ... has been: the next worker uses it */
};

/* manifest.json beside the model file. Strings are never NULL. */
struct Manifest {
    char *name, *title, *architecture, *family, *weights, *kv_type, *digest, *chat_template;
    char *draft, *draft_weights; /* of the draft model; "" */
    char *ternary_layouts; /* "4096: t1.6 (t2 1.00, t1.6 1.17, lut 0.96); ..."; "": no trial */
    uint64_t parameters, size, weight_bytes, draft_weight_bytes;
    uint32_t context_length, vocabulary_size;
    uint32_t files; /* GGUF files; 0 and 1: model.gguf */
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
enum ModelPacked model_packed(const Model *model);
const char *model_packed_name(enum ModelPacked packed);
/* A worker's word for it; MODEL_PACKED_UNKNOWN for any other. */
enum ModelPacked model_packed_from_name(const char *name);
/* Bytes of its weights and its draft model's. */
uint64_t model_weight_bytes(const Model *model);
uint64_t model_memory_used(const Model *model); /* 0 unless loaded or loading */
unsigned model_n_active(const Model *model);    /* requests in its worker */
