/*
 * Packing a model again whose packed file is stale: in the background, beside the model as it is,
 * which goes on serving; then the two change places. The GGUF files are linked, not copied.
 */
#pragma once

#include "service/install.h"

typedef struct Repack Repack;

/* Begins; `ended` is called once, from the main loop, and frees it. The model's state of packing is
 * kept up to date, and `changed` told of it; what goes wrong is logged. NULL when it can't begin.
 */
Repack *repack_new(const struct InstallPlace *place, Model *model,
                   void (*changed)(Model *model, void *userdata),
                   void (*ended)(Repack *repack, void *userdata), void *userdata);
/* Without a word. */
Repack *repack_free(Repack *repack);
const char *repack_name(const Repack *repack);
/* It ends soon, without success; then `cancelled` (may be NULL) is called, after `ended`. */
void repack_cancel(Repack *repack, void (*cancelled)(void *userdata), void *userdata);
