/*
 * Where a model is: a file, or a directory with the files of an installed model. The one place that
 * knows their names:
 *
 *     model.gguf                      as it was brought, or
 *     model-00001-of-0000N.gguf ...   the same when it is split over N files, all of them
 *     install.json                    what was asked for then: install-settings.h
 *     packed.bin                      what --pack made of it
 *     manifest.json                   written last
 *     draft/                          the same of a small model that drafts for this one
 */
#pragma once

#include "engine/engine.h"

#define MODEL_FILE "model.gguf"
#define MODEL_PART_PREFIX "model"
#define PACKED_FILE "packed.bin"
#define MANIFEST_FILE "manifest.json"
#define DRAFT_DIRECTORY "draft"

/* What became of a model's packed file. */
enum PackedState {
    PACKED_NONE, /* there is none */
    PACKED_USED,
    PACKED_STALE, /* damaged, or made by another version or for another processor: pack again */
};
/* "none", "used", "stale". */
const char *packed_state_name(enum PackedState state);

/* Opens a file, or of a directory the packed file when it fits this machine and this program, else
 * the GGUF files, packed in memory, with what was asked for when it was installed. Logs why the
 * packed file was passed over; where there are no GGUF files that is the reason. `ret_packed` may
 * be NULL. Any thread. */
int model_path_open(const char *path, const struct EngineOptions *options, Engine **ret,
                    enum PackedState *ret_packed, Reason *why);
/* The draft model that lies beside a model in its directory, for `model`, whose threads it uses.
 * Leaves *ret alone where there is none, or, said in the log, none that can be used. *packed
 * becomes PACKED_STALE where the draft model's packed file is, else it stays. */
void model_path_open_draft(const char *path, const Engine *model, Engine **ret,
                           enum PackedState *packed);
/* Where it would be; g_free() it. */
char *model_path_draft(const char *path);
