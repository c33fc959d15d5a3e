#include "service/model.h"

#include <string.h>

#include "service/library.h"

static const char *const state_names[] = {
    [MODEL_UNLOADED] = "unloaded",
    [MODEL_LOADING] = "loading",
    [MODEL_LOADED] = "loaded",
};

static const char *const packed_names[] = {
    [MODEL_PACKED_UNKNOWN] = "",        [MODEL_PACKED_NONE] = "none",
    [MODEL_PACKED_USED] = "used",       [MODEL_PACKED_STALE] = "stale",
    [MODEL_PACKED_PACKING] = "packing", [MODEL_PACKED_RENEWED] = "renewed",
};

const struct Manifest *model_manifest(const Model *model) {
    return &model->manifest;
}

const char *model_name(const Model *model) {
    return model->manifest.name;
}

const char *model_directory(const Model *model) {
    return model->directory;
}

bool model_read_only(const Model *model) {
    return model->read_only;
}

int64_t model_installed_at(const Model *model) {
    return model->installed_at;
}

enum ModelState model_state(const Model *model) {
    return model->state;
}

const char *model_state_name(enum ModelState state) {
    return state_names[state];
}

enum ModelPacked model_packed(const Model *model) {
    return model->packed;
}

const char *model_packed_name(enum ModelPacked packed) {
    return packed_names[packed];
}

enum ModelPacked model_packed_from_name(const char *name) {
    for (int i = MODEL_PACKED_NONE; i <= MODEL_PACKED_STALE; i++)
        if (!strcmp(name, packed_names[i])) return (enum ModelPacked)i;
    return MODEL_PACKED_UNKNOWN;
}

uint64_t model_weight_bytes(const Model *model) {
    return model->manifest.weight_bytes + model->manifest.draft_weight_bytes;
}

uint64_t model_memory_used(const Model *model) {
    return model->memory_used;
}

unsigned model_n_active(const Model *model) {
    return model->n_active;
}
