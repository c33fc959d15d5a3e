/*
 * An installed model as the service tells of it: the properties of org.ryzenllm1.Model.
 */
#pragma once

#include "client/properties.h"

typedef struct Model {
    char *path; /* of its object; owned, like all strings */
    char *name, *state, *title, *architecture, *family, *weights, *digest;
    char *kv_type, *draft_model, *draft_weights, *packed, *ternary_layouts;
    uint64_t parameters, size, memory_used;
    uint32_t context_length, vocabulary_size, active_requests;
    bool can_chat, read_only;
} Model;

/* The model of this name; "" or NULL is the default one. Says what fails. */
int model_get(Connection *connection, const char *name, struct Model *ret);
/* The installed models (struct Model *), the default one first. Says what fails. */
int model_list(Connection *connection, GPtrArray **ret);
void model_done(struct Model *model);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Model, model_done)

/* One member for each property, in the object that `builder` is in. */
void model_json(const struct Model *model, JsonBuilder *builder);
/* One line for each property. */
void model_print(const struct Model *model);
