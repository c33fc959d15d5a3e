/*
 * The GGUF files of one model, opened for reading: one, or all that it is split over, in their
 * order. A name that ends in -0000I-of-0000N.gguf stands for all N files beside it.
 */
#pragma once

#include <glib.h>

/* Descriptors that the system bus lets pass with one message: of a model and its draft model. */
#define MODEL_FILES_MAX 16u

typedef struct ModelFile {
    int fds[MODEL_FILES_MAX];
    unsigned n;
} ModelFile;

/* Into an empty one (all zero). Says what fails, a missing part by its name; -errno. */
int model_file_open(const char *path, ModelFile *ret);
void model_file_close(ModelFile *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ModelFile, model_file_close)

/* Of "dir/NAME-00001-of-00003.gguf": 3, and how long "dir/NAME" is; 0: it is not one of several. */
unsigned model_file_count(const char *path, size_t *ret_stem);
