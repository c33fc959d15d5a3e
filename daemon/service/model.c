#include "service/model.h"

#include "service/library.h"

static const char *const state_names[] = {
    [MODEL_UNLOADED] = "unloaded",
    [MODEL_LOADING] = "loading",
    [MODEL_LOADED] = "loaded",
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

uint64_t model_memory_used(const Model *model) {
    return model->memory_used;
}

unsigned model_n_active(const Model *model) {
    return model->n_active;
}
