#include "service/install.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service/copy.h"
#include "service/journal.h"
#include "service/limits.h"
#include "service/service.h"

struct InstallFile {
    int fd; /* -1: the copy has it */
    uint64_t size;
    char *path; /* in the model's directory */
};

struct Install {
    struct InstallPlace place;
    Request *request;
    char *name, *staged; /* `staged`: the directory, once it is made */
    char *settings;      /* install.json */
    struct InstallFile files[INSTALL_FILES_MAX];
    size_t n_files, n_copied;
    bool has_draft;
    uint64_t size, size_copied; /* of all files; of those that are copied */
    Copy *copy;
    bool packing, retiring;
    Problem packer_problem; /* what the packer said */
    unsigned n_requantised; /* lines of it */
    guint begin_source, progress_source;
    void (*ended)(Install *install, void *userdata);
    void *userdata;
};

/* ---- What was asked for ---- */

static int file_check(int fd, uint64_t *ret_size, Problem *why) {
    struct stat st;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fstat(fd, &st) < 0)
        return problem_set(why, PROBLEM_INVALID_ARGUMENT, "The file can't be used: %s.",
                           g_strerror(errno));
    if (!S_ISREG(st.st_mode))
        return problem_set(why, PROBLEM_INVALID_ARGUMENT, "The file is not a regular file.");
    if ((flags & O_ACCMODE) == O_WRONLY || flags & O_PATH)
        return problem_set(why, PROBLEM_INVALID_ARGUMENT, "The file is not open for reading.");
    *ret_size = (uint64_t)st.st_size;
    return 0;
}

static int word_check(const char *option, const char *word, const char *const *words,
                      Problem *why) {
    if (!word || g_strv_contains(words, word)) return 0;
    g_autofree char *list = g_strjoinv(", ", (char **)words);
    return problem_set(why, PROBLEM_INVALID_ARGUMENT, "%s is one of %s.", option, list);
}

int install_check(const struct InstallSpec *spec, Problem *why) {
    static const char *const weights[] = {"file", "q8", "q4", NULL};
    static const char *const kv_types[] = {"f32", "f16", "i8", NULL};
    uint64_t size;
    if (word_check("weights", spec->weights, weights, why) < 0 ||
        word_check("kv_type", spec->kv_type, kv_types, why) < 0)
        return -1;
    if (spec->n_files + spec->n_draft_files > INSTALL_FILES_MAX)
        return problem_set(why, PROBLEM_INVALID_ARGUMENT,
                           "A model and its draft model have at most %d files: merge the parts "
                           "with llama-gguf-split --merge.",
                           INSTALL_FILES_MAX);
    for (size_t i = 0; i < spec->n_files + spec->n_draft_files; i++)
        if (file_check(spec->fds[i], &size, why) < 0) return -1;
    return 0;
}

/* The words were checked. */
static char *settings_text(const struct InstallSpec *spec) {
    GString *text = g_string_new("{");
    if (spec->weights) g_string_append_printf(text, "\"weights\":\"%s\"", spec->weights);
    if (spec->kv_type)
        g_string_append_printf(text, "%s\"kv_type\":\"%s\"", spec->weights ? "," : "",
                               spec->kv_type);
    g_string_append(text, "}\n");
    return g_string_free(text, FALSE);
}

const char *install_name(const Install *install) {
    return install->name;
}

Install *install_free(Install *install) {
    if (!install) return NULL;
    g_clear_handle_id(&install->begin_source, g_source_remove);
    g_clear_handle_id(&install->progress_source, g_source_remove);
    copy_free(install->copy);
    for (size_t i = 0; i < install->n_files; i++) {
        if (install->files[i].fd >= 0) close(install->files[i].fd);
        g_free(install->files[i].path);
    }
    library_abandon(install->staged);
    request_unref(install->request);
    g_free(install->settings);
    g_free(install->staged);
    g_free(install->name);
    g_free(install);
    return NULL;
}

/* ---- The end ---- */

static void finish(Install *install, const Problem *problem) {
    static const Problem cancelled = {PROBLEM_CANCELLED, "The installation was cancelled."};
    if (request_is_cancelled(install->request)) problem = &cancelled;
    request_set_cancel(install->request, NULL, NULL);
    if (problem->kind) {
        g_clear_pointer(&install->copy, copy_free);
        library_abandon(install->staged); /* before the caller reads that it has ended */
        g_clear_pointer(&install->staged, g_free);
        request_fail(install->request, problem, false);
    } else {
        request_finish(install->request, &(struct Outcome){.reason = FINISH_STOP});
    }
    install->ended(install, install->userdata);
}

static void commit(Install *install) {
    Problem problem = {0};
    if (!request_is_cancelled(install->request) &&
        library_commit(install->place.library, install->name, install->staged, &problem) == 0) {
        g_clear_pointer(&install->staged, g_free);
        journal_model(LOG_INFO, install->name, "Installed the model %s.", install->name);
    }
    finish(install, &problem);
}

static void on_retired(const Problem *problem, void *userdata) {
    Install *install = userdata;
    install->retiring = false;
    if (problem->kind)
        finish(install, problem);
    else
        commit(install);
}

/* The one that is replaced serves until this moment. */
static void retire(Install *install) {
    Model *model = library_find(install->place.library, install->name);
    if (!model) {
        commit(install);
        return;
    }
    install->retiring = true;
    workers_unload(install->place.workers, model, UNLOAD_WAIT, on_retired, install);
}

/* ---- Packing ---- */

static void progress_send(Install *install, const char *stage, int64_t done, int64_t total) {
    g_autofree char *line = g_strdup_printf(
        "{\"type\":\"progress\",\"stage\":\"%s\",\"done\":%" PRId64 ",\"total\":%" PRId64 "}",
        stage, done, total);
    if (request_stream(install->request)) stream_send(request_stream(install->request), line);
}

static const char *string_member(JsonObject *object, const char *name) {
    JsonNode *node = json_object_get_member(object, name);
    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING
               ? json_node_get_string(node)
               : "";
}

static int64_t int_member(JsonObject *object, const char *name) {
    JsonNode *node = json_object_get_member(object, name);
    return node && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_int(node) : 0;
}

static double double_member(JsonObject *object, const char *name) {
    JsonNode *node = json_object_get_member(object, name);
    return node && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_double(node) : 0;
}

static JsonObject *object_member(JsonObject *object, const char *name) {
    JsonNode *node = json_object_get_member(object, name);
    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

/* "pack", or "draft" where that is what it says. */
static const char *packer_stage(JsonObject *event) {
    return strcmp(string_member(event, "stage"), "draft") ? "pack" : "draft";
}

static bool is_type_name(const char *name) {
    return *name && strlen(name) < TYPE_NAME_MAX &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == strlen(name);
}

static void packer_requantised(Install *install, JsonObject *event) {
    const char *from = string_member(event, "from"), *to = string_member(event, "to");
    double worst = double_member(event, "worst_error");
    char number[G_ASCII_DTOSTR_BUF_SIZE];
    if (!is_type_name(from) || !is_type_name(to) || !(worst >= 0 && worst <= 1e6)) return;
    if (install->n_requantised++ >= REQUANTISED_MAX) return;
    g_autofree char *line =
        g_strdup_printf("{\"type\":\"requantised\",\"stage\":\"%s\",\"from\":\"%s\",\"to\":\"%s\","
                        "\"matrices\":%" PRId64 ",\"bytes_before\":%" PRId64
                        ",\"bytes_after\":%" PRId64 ",\"worst_error\":%s}",
                        packer_stage(event), from, to, int_member(event, "matrices"),
                        int_member(event, "bytes_before"), int_member(event, "bytes_after"),
                        g_ascii_formatd(number, sizeof number, "%.6f", worst));
    if (request_stream(install->request)) stream_send(request_stream(install->request), line);
}

/* The packer has parsed an untrusted file: nothing it says is passed on as it is. */
static void packer_line(Install *install, const char *line) {
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    if (!json_parser_load_from_data(parser, line, -1, NULL)) return;
    JsonNode *root = json_parser_get_root(parser);
    if (!root || !JSON_NODE_HOLDS_OBJECT(root)) return;
    JsonObject *event = json_node_get_object(root);
    const char *type = string_member(event, "type");
    if (!strcmp(type, "progress")) {
        progress_send(install, packer_stage(event), int_member(event, "done"),
                      int_member(event, "total"));
        return;
    }
    if (!strcmp(type, "requantised")) {
        packer_requantised(install, event);
        return;
    }
    JsonObject *error = object_member(event, "error");
    if (strcmp(type, "done") || !error) return;
    problem_set(&install->packer_problem, problem_from_name(string_member(error, "name")), "%s",
                string_member(error, "message"));
}

static void on_packing(const char *line, const struct WorkerEnd *end, void *userdata) {
    Install *install = userdata;
    if (line) {
        packer_line(install, line);
        return;
    }
    install->packing = false;
    bool fine = end->kind == END_EXITED && end->code == 0;
    if (!fine && !install->packer_problem.kind) {
        g_autofree char *how = worker_end_describe(end);
        problem_set(&install->packer_problem, PROBLEM_BAD_MODEL, "The packer %s.", how);
    }
    if (fine && !install->packer_problem.kind && !request_is_cancelled(install->request))
        retire(install);
    else
        finish(install, &install->packer_problem);
}

static void pack(Install *install) {
    Problem problem = {0};
    progress_send(install, "copy", (int64_t)install->size, (int64_t)install->size);
    install->packing = true;
    if (supervisor_pack(install->place.supervisor, install->name, install->staged, on_packing,
                        install, &problem) == 0)
        return;
    install->packing = false;
    finish(install, &problem);
}

/* ---- Copying ---- */

static gboolean on_progress(void *userdata) {
    Install *install = userdata;
    uint64_t n = install->size_copied + (install->copy ? copy_n_bytes(install->copy) : 0);
    progress_send(install, "copy", (int64_t)n, (int64_t)install->size);
    return G_SOURCE_CONTINUE;
}

static void on_copied(const Problem *problem, void *userdata);

/* The next file. */
static int copy_next(Install *install, Problem *why) {
    struct InstallFile *file = &install->files[install->n_copied];
    g_autofree char *path = g_build_filename(install->staged, file->path, NULL);
    int fd = file->fd;
    file->fd = -1;
    return copy_new(fd, file->size, path, on_copied, install, &install->copy, why);
}

static void on_copied(const Problem *problem, void *userdata) {
    Install *install = userdata;
    Problem failure = *problem;
    install->copy = copy_free(install->copy);
    if (request_is_cancelled(install->request)) return; /* begin() is on its way, and ends it */
    install->size_copied += install->files[install->n_copied].size;
    bool last = ++install->n_copied == install->n_files;
    if (!failure.kind && !last && copy_next(install, &failure) == 0) return;
    g_clear_handle_id(&install->progress_source, g_source_remove);
    if (failure.kind)
        finish(install, &failure);
    else
        pack(install);
}

static int settings_write(const char *directory, const char *text, Problem *why) {
    g_autofree char *path = g_build_filename(directory, "install.json", NULL);
    g_autoptr(GError) error = NULL;
    if (g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0640, &error))
        return 0;
    return problem_set(why, PROBLEM_FAILED, "%s", error->message);
}

/* A draft model is read more often than anything else, and need not be exact: 8 bits will do. */
static int draft_prepare(const Install *install, Problem *why) {
    g_autofree char *path = g_build_filename(install->staged, "draft", NULL);
    if (mkdir(path, 0770) < 0)
        return problem_set(why, PROBLEM_FAILED, "Can't make %s: %s.", path, g_strerror(errno));
    return settings_write(path, "{\"weights\":\"q8\"}\n", why);
}

static int copy_begin(Install *install, Problem *why) {
    for (size_t i = 0; i < install->n_files; i++)
        if (install->files[i].size < MODEL_FILE_SIZE_MIN)
            return problem_set(why, PROBLEM_BAD_MODEL, "The file is too short to be a model.");
    if (library_stage(install->place.library, install->name, install->size, &install->staged, why) <
        0)
        return -1;
    if (settings_write(install->staged, install->settings, why) < 0) return -1;
    if (install->has_draft && draft_prepare(install, why) < 0) return -1;
    return copy_next(install, why);
}

static gboolean begin(void *userdata) {
    Install *install = userdata;
    Problem problem = {0};
    install->begin_source = 0;
    if (request_is_cancelled(install->request) || copy_begin(install, &problem) < 0) {
        finish(install, &problem);
        return G_SOURCE_REMOVE;
    }
    request_set_state(install->request, REQUEST_RUNNING);
    install->progress_source = g_timeout_add(PROGRESS_INTERVAL_MSEC, on_progress, install);
    return G_SOURCE_REMOVE;
}

/* Each step ends by itself once it is told; only the copy is simply left. */
static void on_cancel(Request *request, void *userdata) {
    Install *install = userdata;
    if (install->packing)
        supervisor_pack_cancel(install->place.supervisor, install->name);
    else if (install->copy)
        install->begin_source = g_idle_add(begin, install);
}

static void files_take(Install *install, const struct InstallSpec *spec) {
    install->n_files = spec->n_files + spec->n_draft_files;
    for (size_t i = 0; i < install->n_files; i++) {
        struct InstallFile *file = &install->files[i];
        bool draft = i >= spec->n_files;
        g_autofree char *name = draft ? library_file_name(i - spec->n_files, spec->n_draft_files)
                                      : library_file_name(i, spec->n_files);
        file->fd = spec->fds[i];
        file->path = g_strconcat(draft ? "draft/" : "", name, NULL);
        if (file_check(file->fd, &file->size, NULL) < 0) file->size = 0; /* then it is too short */
        install->size += file->size;
    }
}

Install *install_new(const struct InstallPlace *place, Request *request,
                     const struct InstallSpec *spec,
                     void (*ended)(Install *install, void *userdata), void *userdata) {
    Install *install = g_new0(Install, 1);
    install->place = *place;
    install->request = request_ref(request);
    install->name = g_strdup(spec->name);
    install->settings = settings_text(spec);
    install->has_draft = spec->n_draft_files > 0;
    files_take(install, spec);
    install->ended = ended;
    install->userdata = userdata;
    install->begin_source = g_idle_add(begin, install);
    request_set_cancel(request, on_cancel, install);
    return install;
}
