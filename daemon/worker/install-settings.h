/*
 * What was asked for when a model was installed: install.json in its directory, written by the
 * daemon, obeyed when the model is packed and whenever it is loaded.
 *
 *     {"weights": "q8", "kv_type": "i8"}
 *
 * The words are those of requantise-word.h, and f32, f16, i8. Both members may be missing; others
 * are ignored.
 */
#pragma once

#include "engine/engine.h"

#define SETTINGS_FILE "install.json"

struct InstallSettings {
    enum Requantise requantise;
    const char *kv_type; /* as EngineOptions has it; NULL: the model's own */
};

/* Of the model at `path`, see model-path.h: nothing was asked for of a file, or where the directory
 * has no install.json. -EBADMSG, with a reason. */
int install_settings_load(const char *path, struct InstallSettings *ret, Reason *why);
