/*
 * Where a model is: a file, or a directory with the files of an installed model. The one place that
 * knows their names.
 */
#pragma once

#include "engine/engine.h"

#define MODEL_FILE "model.gguf"
#define PACKED_FILE "packed.bin"
#define MANIFEST_FILE "manifest.json"

/* Opens a file, or of a directory the packed file when it fits this machine and this program, else
 * the GGUF file, packed in memory. Logs why the packed file was passed over. Any thread. */
int model_path_open(const char *path, const struct EngineOptions *options, Engine **ret,
                    Reason *why);
