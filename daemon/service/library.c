#include "service/library.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "service/journal.h"
#include "service/limits.h"
#include "service/manifest.h"

/* Beside the model's own files, laid out in the same way. */
#define DRAFT_DIRECTORY "draft"

struct Library {
    char **directories;
    GHashTable *models; /* name -> Model, owned */
    struct LibraryEvents events;
    void *userdata;
};

static void model_free(void *data) {
    Model *model = data;
    manifest_done(&model->manifest);
    g_free(model->directory);
    g_free(model);
}

bool library_name_is_valid(const char *name) {
    size_t length = strlen(name);
    if (length == 0 || length > MODEL_NAME_MAX || !g_ascii_isalnum(*name)) return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
           length;
}

static int entry_delete(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    return remove(path);
}

/* Depth first, links not followed; a name that is gone already is fine. */
static int tree_delete(const char *path) {
    if (nftw(path, entry_delete, 8, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT) return 0;
    return -errno;
}

/* ---- Scanning ---- */

static void model_add(Library *library, Model *model) {
    model->seen = true;
    g_hash_table_replace(library->models, model->manifest.name, model);
    if (library->events.added) library->events.added(model, library->userdata);
}

static void model_drop(Library *library, Model *model) {
    if (library->events.removed) library->events.removed(model, library->userdata);
    g_hash_table_remove(library->models, model->manifest.name);
}

char *library_file_name(size_t i, size_t n) {
    if (n <= 1) return g_strdup("model.gguf");
    return g_strdup_printf("model-%05zu-of-%05zu.gguf", i + 1, n);
}

/* NULL when the directory holds no finished model. */
static Model *model_read(const char *directory, const char *name) {
    g_autofree char *path = g_build_filename(directory, "manifest.json", NULL);
    struct Manifest manifest;
    Problem problem = {0};
    int64_t installed_at;

    int r = manifest_load(path, name, &manifest, &installed_at, &problem);
    if (r < 0) {
        if (problem.kind) journal_model(LOG_WARNING, name, "%s", problem.text);
        return NULL;
    }
    g_autofree char *file = library_file_name(0, manifest.files);
    g_autofree char *file_path = g_build_filename(directory, file, NULL);
    if (access(file_path, F_OK) < 0) {
        journal_model(LOG_WARNING, name, "The model %s has no %s.", name, file);
        manifest_done(&manifest);
        return NULL;
    }
    Model *model = g_new0(Model, 1);
    model->manifest = manifest;
    model->directory = g_strdup(directory);
    model->installed_at = installed_at;
    return model;
}

static void name_scan(Library *library, const char *parent, const char *name, bool writable) {
    if (g_hash_table_size(library->models) >= MODELS_MAX) return;
    g_autofree char *directory = g_build_filename(parent, name, NULL);
    Model *known = library_find(library, name);
    if (known && known->seen) return; /* an earlier directory has it */

    Model *model = model_read(directory, name);
    if (!model) return;
    model->read_only = !writable;
    if (known && !strcmp(known->directory, directory) &&
        !strcmp(known->manifest.digest, model->manifest.digest)) {
        known->seen = true;
        model_free(model);
        return;
    }
    if (known) {
        if (known->state != MODEL_UNLOADED) { /* the next scan takes the new one */
            known->seen = true;
            model_free(model);
            return;
        }
        model_drop(library, known);
    }
    model_add(library, model);
}

static void directory_scan(Library *library, const char *parent) {
    bool writable = access(parent, W_OK) == 0;
    g_autoptr(GDir) dir = g_dir_open(parent, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir)))
        if (library_name_is_valid(name)) name_scan(library, parent, name, writable);
}

void library_scan(Library *library, const char *const *directories) {
    if (directories) {
        g_strfreev(library->directories);
        library->directories = g_strdupv((char **)directories);
    }
    g_autofree Model **models = library_list(library);
    for (Model **model = models; *model; model++) (*model)->seen = false;
    for (char **parent = library->directories; *parent; parent++) directory_scan(library, *parent);
    g_autofree Model **now = library_list(library);
    for (Model **model = now; *model; model++)
        if (!(*model)->seen && (*model)->state == MODEL_UNLOADED) model_drop(library, *model);
}

/* What an interrupted installation or replacement left behind. */
static void directory_clean(const char *parent) {
    g_autoptr(GDir) dir = g_dir_open(parent, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir))) {
        if (*name != '.' || !g_str_has_suffix(name, ".new")) continue;
        g_autofree char *path = g_build_filename(parent, name, NULL);
        int r = tree_delete(path);
        if (r < 0 && r != -EACCES && r != -EROFS)
            journal_print(LOG_WARNING, "Can't remove %s: %s.", path, g_strerror(-r));
    }
}

Library *library_new(const char *const *directories, const struct LibraryEvents *events,
                     void *userdata) {
    Library *library = g_new0(Library, 1);
    library->models = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, model_free);
    library->directories = g_strdupv((char **)directories);
    library->events = *events;
    library->userdata = userdata;
    for (char **parent = library->directories; *parent; parent++) directory_clean(*parent);
    return library;
}

Library *library_free(Library *library) {
    if (!library) return NULL;
    g_hash_table_unref(library->models);
    g_strfreev(library->directories);
    g_free(library);
    return NULL;
}

/* ---- Looking up ---- */

Model *library_find(Library *library, const char *name) {
    return g_hash_table_lookup(library->models, name);
}

static int compare_models(const void *a, const void *b) {
    return strcmp(model_name(*(Model *const *)a), model_name(*(Model *const *)b));
}

Model **library_list(Library *library) {
    Model **models = g_new0(Model *, g_hash_table_size(library->models) + 1);
    GHashTableIter iter;
    void *model;
    size_t n = 0;
    g_hash_table_iter_init(&iter, library->models);
    while (g_hash_table_iter_next(&iter, NULL, &model)) models[n++] = model;
    qsort(models, n, sizeof *models, compare_models);
    return models;
}

/* ---- Changing ---- */

/* The first directory that can be written, made if need be. */
static const char *writable_directory(const Library *library) {
    for (char **parent = library->directories; *parent; parent++) {
        g_mkdir_with_parents(*parent, 0755);
        if (access(*parent, W_OK) == 0) return *parent;
    }
    return NULL;
}

static int room_check(const char *parent, uint64_t size, Problem *why) {
    struct statvfs fs;
    if (statvfs(parent, &fs) < 0)
        return problem_set(why, PROBLEM_FAILED, "%s: %s.", parent, g_strerror(errno));
    uint64_t available = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (size <= available / 2) return 0;
    g_autofree char *needed = g_format_size(size <= UINT64_MAX / 2 ? size * 2 : UINT64_MAX);
    g_autofree char *free_size = g_format_size(available);
    return problem_set(why, PROBLEM_NO_SPACE,
                       "The model needs %s (the file and its packed form) and %s has %s left.",
                       needed, parent, free_size);
}

static int stage(const char *parent, const char *name, uint64_t size, char **ret, Problem *why) {
    if (room_check(parent, size, why) < 0) return -1;
    g_autofree char *path = g_strdup_printf("%s/.%s.new", parent, name);
    if (tree_delete(path) < 0 || mkdir(path, 0770) < 0)
        return problem_set(why, PROBLEM_FAILED, "Can't make %s: %s.", path, g_strerror(errno));
    *ret = g_steal_pointer(&path);
    return 0;
}

int library_stage(Library *library, const char *name, uint64_t size, char **ret, Problem *why) {
    const char *parent = writable_directory(library);
    if (!parent)
        return problem_set(why, PROBLEM_READ_ONLY,
                           "No model directory can be written: see "
                           "ModelDirectories= in ryzen-llmd.conf.");
    return stage(parent, name, size, ret, why);
}

/* What packing makes, and what an interrupted one left. */
static bool is_made(const char *name) {
    return *name == '.' || !strcmp(name, "packed.bin") || !strcmp(name, "manifest.json");
}

/* Links to the files of one directory, and of its draft model's. -errno. */
static int tree_link(const char *from, const char *to) {
    g_autoptr(GDir) dir = g_dir_open(from, 0, NULL);
    const char *name;
    int r = dir ? 0 : -ENOENT;
    while (r == 0 && (name = g_dir_read_name(dir))) {
        g_autofree char *old = g_build_filename(from, name, NULL);
        g_autofree char *new = g_build_filename(to, name, NULL);
        if (is_made(name)) continue;
        if (!strcmp(name, DRAFT_DIRECTORY))
            r = mkdir(new, 0770) < 0 ? -errno : tree_link(old, new);
        else if (link(old, new) < 0)
            r = -errno;
    }
    return r;
}

int library_stage_again(Library *library, const Model *model, char **ret, Problem *why) {
    g_autofree char *parent = g_path_get_dirname(model->directory);
    g_autofree char *staged = NULL;
    if (model->read_only)
        return problem_set(why, PROBLEM_READ_ONLY, "%s can't be written.", model->directory);
    if (stage(parent, model_name(model), model_weight_bytes(model) / 2, &staged, why) < 0)
        return -1;
    int r = tree_link(model->directory, staged);
    if (r < 0) {
        library_abandon(staged);
        return problem_set(why, PROBLEM_FAILED, "Can't link the files of %s: %s.", model->directory,
                           g_strerror(-r));
    }
    *ret = g_steal_pointer(&staged);
    return 0;
}

/* The packer's group may write there until now. -errno. */
static int tree_close(const char *staged) {
    g_autofree char *draft = g_build_filename(staged, DRAFT_DIRECTORY, NULL);
    if (chmod(draft, 0750) < 0 && errno != ENOENT) return -errno;
    return chmod(staged, 0750) < 0 ? -errno : 0;
}

/* `staged` takes the place of `final`; what was there lies at `staged` afterwards. */
static int swap(const char *staged, const char *final) {
    if (renameat2(AT_FDCWD, staged, AT_FDCWD, final, RENAME_NOREPLACE) == 0) return 0;
    if (errno != EEXIST && errno != ENOTEMPTY) return -errno;
    if (renameat2(AT_FDCWD, staged, AT_FDCWD, final, RENAME_EXCHANGE) < 0) return -errno;
    return 1;
}

int library_commit(Library *library, const char *name, const char *staged, Problem *why) {
    g_autofree char *parent = g_path_get_dirname(staged);
    g_autofree char *final = g_build_filename(parent, name, NULL);

    Model *model = model_read(staged, name);
    if (!model)
        return problem_set(why, PROBLEM_BAD_MODEL, "Packing %s left no sound manifest.", name);
    int r = tree_close(staged);
    if (r == 0) r = swap(staged, final);
    if (r < 0) {
        model_free(model);
        return problem_set(why, PROBLEM_FAILED, "Can't move %s into place: %s.", final,
                           g_strerror(-r));
    }
    if (r > 0) library_abandon(staged);
    Model *known = library_find(library, name);
    if (known) model_drop(library, known);
    g_free(model->directory);
    model->directory = g_steal_pointer(&final);
    model_add(library, model);
    return 0;
}

/* The name is the library's key, and is the same. */
static void manifest_replace(Model *model, struct Manifest *manifest) {
    struct Manifest old = model->manifest;
    model->manifest = *manifest;
    model->manifest.name = old.name;
    old.name = g_steal_pointer(&manifest->name);
    manifest_done(&old);
}

int library_renew(Library *library, Model *model, const char *staged, Problem *why) {
    Model *made = model_read(staged, model_name(model));
    if (!made || strcmp(made->manifest.digest, model->manifest.digest)) {
        if (made) model_free(made);
        return problem_set(why, PROBLEM_BAD_MODEL, "The files of %s are not those of the model.",
                           model->directory);
    }
    int r = tree_close(staged);
    if (r == 0) r = swap(staged, model->directory);
    if (r < 0) {
        model_free(made);
        return problem_set(why, PROBLEM_FAILED, "Can't move %s into place: %s.", model->directory,
                           g_strerror(-r));
    }
    if (r > 0) library_abandon(staged);
    manifest_replace(model, &made->manifest);
    g_free(made->directory);
    g_free(made);
    return 0;
}

void library_abandon(const char *staged) {
    int r = staged ? tree_delete(staged) : 0;
    if (r < 0) journal_print(LOG_WARNING, "Can't remove %s: %s.", staged, g_strerror(-r));
}

int library_remove(Library *library, Model *model, Problem *why) {
    if (model->read_only)
        return problem_set(why, PROBLEM_READ_ONLY,
                           "The model %s came with the system and can't be removed.",
                           model_name(model));
    /* Out of sight first, so that a crash in between leaves no half model. */
    g_autofree char *parent = g_path_get_dirname(model->directory);
    g_autofree char *away = g_strdup_printf("%s/.%s.new", parent, model_name(model));
    tree_delete(away);
    if (rename(model->directory, away) < 0)
        return problem_set(why, PROBLEM_FAILED, "Can't remove %s: %s.", model->directory,
                           g_strerror(errno));
    model_drop(library, model);
    library_abandon(away);
    /* One of the same name that it hid, in a later directory, comes to light. */
    library_scan(library, NULL);
    return 0;
}
