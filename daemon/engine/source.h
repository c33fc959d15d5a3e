/*
 * Where an engine comes from: a GGUF file or a packed one, made into the same things.
 */
#pragma once

#include "engine/engine-private.h"

/* The files of a model, one or the parts of a split one. */
struct SourceFiles {
    const int *fds;
    size_t n;
};

/* Sets gguf, packed, fingerprint, family, weights and what the file says in info; source_close()
 * releases them even after an error. 0; ENGINE_STALE; -errno with a reason. */
int source_open(Engine *engine, struct SourceFiles files, enum Requantise requantise, Reason *why);
/* Lets the family ask for its tensors: sets model. The options that count are kv_type and n_ctx.
 * What was requantised shows in fingerprint and info.weights from here on. */
int source_plan(Engine *engine, const struct EngineOptions *options, struct ModelShape *ret_shape,
                Reason *why);
/* Writes the packed form of a planned GGUF file. */
int source_pack(Engine *engine, int out_fd, WeightsProgress *progress, void *userdata, Reason *why);
void source_close(Engine *engine);
