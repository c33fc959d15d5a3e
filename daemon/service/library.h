/*
 * The installed models. A model is a directory NAME with model.gguf (or all of
 * model-0000I-of-0000N.gguf) and manifest.json in one of the model directories; the first directory
 * that has a name decides. Directories with a leading dot are installations under way (".NAME.new")
 * or what an interrupted one left, which is removed when the library is opened.
 *
 * The library owns the Models and what is constant in them; the workers keep the rest up to date.
 */
#pragma once

#include <stddef.h>

#include "service/model.h"
#include "service/problem.h"

struct Model {
    struct Manifest manifest;
    char *directory;
    bool read_only;
    int64_t installed_at;
    /* kept by workers.c */
    enum ModelState state;
    uint64_t memory_used;
    unsigned n_active;
    enum ModelPacked packed; /* also repack.c's */
    bool repacked;           /* tried, once for each installation */
    bool seen;               /* during a scan */
};

typedef struct Library Library;

struct LibraryEvents {
    void (*added)(Model *model, void *userdata);
    void (*removed)(Model *model, void *userdata); /* still valid during the call */
};

/* Directories that do not exist are fine. */
Library *library_new(const char *const *directories, const struct LibraryEvents *events,
                     void *userdata);
Library *library_free(Library *library); /* without events */
/* New directories (NULL: the same ones), and a new look at all of them. A model whose files have
 * gone or changed stays as it is while it is loaded, until the next scan. */
void library_scan(Library *library, const char *const *directories);

/* 1 to 64 of a-z A-Z 0-9 . _ - that start with a letter or a digit. */
bool library_name_is_valid(const char *name);
/* By exact name; NULL. */
Model *library_find(Library *library, const char *name);
/* By name, NULL-terminated, g_free() it. */
Model **library_list(Library *library);

/* An empty directory for a new model to be made in, with room for `size` bytes twice (the file and
 * what is packed from it). NoSpace, ReadOnly (no model directory can be written). The caller frees
 * the path. */
int library_stage(Library *library, const char *name, uint64_t size, char **ret, Problem *why);
/* The same for a model that is there, in its own directory's parent: with links to all its files
 * but what packing makes. NoSpace, ReadOnly, Failed. */
int library_stage_again(Library *library, const Model *model, char **ret, Problem *why);
/* Names of a model's GGUF files in its directory: the i-th of n, from 0; g_free() it. */
char *library_file_name(size_t i, size_t n);
/* Puts a staged directory in the place of `name` (and of the model there now, which must not be
 * loaded), atomically. BadModel when it has no sound manifest. Tells of the removed and the added
 * model. */
int library_commit(Library *library, const char *name, const char *staged, Problem *why);
/* The same for a model that was packed again: it may be loaded, and stays the same Model. BadModel
 * when it is not the same model. */
int library_renew(Library *library, Model *model, const char *staged, Problem *why);
/* Removes what library_stage() made; NULL is fine. */
void library_abandon(const char *staged);
/* Deletes the files and forgets the model, which must not be loaded. ReadOnly, Failed. */
int library_remove(Library *library, Model *model, Problem *why);
