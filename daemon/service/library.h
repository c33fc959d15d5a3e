/*
 * The installed models. A model is a directory NAME with model.gguf and manifest.json in one of the
 * model directories; the first directory that has a name decides. Directories with a leading dot
 * are installations under way (".NAME.new") or what an interrupted one left, which is removed when
 * the library is opened.
 *
 * The library owns the Models and what is constant in them; the workers keep the rest up to date.
 */
#pragma once

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
    bool seen; /* during a scan */
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
/* Puts a staged directory in the place of `name` (and of the model there now, which must not be
 * loaded), atomically. BadModel when it has no sound manifest. Tells of the removed and the added
 * model. */
int library_commit(Library *library, const char *name, const char *staged, Problem *why);
/* Removes what library_stage() made; NULL is fine. */
void library_abandon(const char *staged);
/* Deletes the files and forgets the model, which must not be loaded. ReadOnly, Failed. */
int library_remove(Library *library, Model *model, Problem *why);
