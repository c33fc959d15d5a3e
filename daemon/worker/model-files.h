/*
 * The GGUF files of one model, opened for reading: one, or all that it is split over.
 */
#pragma once

#include <glib.h>

#include "engine/reason.h"

typedef struct ModelFiles {
    int *fds;
    gsize n;
    guint64 size; /* of all of them */
} ModelFiles;

#define MODEL_FILES_NONE ((ModelFiles){NULL, 0, 0})

/* `path` is a file, or a directory as worker/model-path.h describes it. A file whose name ends in
 * -0000I-of-0000N.gguf stands for all N beside it. -ENOENT: no such file; -EBADMSG: a
 * part is missing, or not a regular file. */
int model_files_open(ModelFiles *self, const char *path, Reason *why);
void model_files_done(ModelFiles *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ModelFiles, model_files_done)
