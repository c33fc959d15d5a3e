/*
 * Where a model is: a file, or a directory with the files of an installed model. The one place that
 * knows their names.
 */
#pragma once

#include "engine/engine.h"

#define MODEL_FILE "model.gguf"
#define PACKED_FILE "packed.bin"
#define MANIFEST_FILE "manifest.json"
#define DRAFT_DIRECTORY "draft" /* of a small model that drafts for this one; laid out the same */

/* Opens a file, or of a directory the packed file when it fits this machine and this program, else
 * the GGUF file, packed in memory. Logs why the packed file was passed over. Any thread. */
int model_path_open(const char *path, const struct EngineOptions *options, Engine **ret,
                    Reason *why);
/* The draft model that lies beside a model in its directory, for `model`, whose threads it uses.
 * Leaves *ret alone where there is none, or, said in the log, none that can be used. */
void model_path_open_draft(const char *path, const Engine *model, Engine **ret);
