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

struct Install {
    struct InstallPlace place;
    Request *request;
    char *name, *staged; /* `staged`: the directory, once it is made */
    int fd;              /* until the copy has it */
    uint64_t size;
    Copy *copy;
    bool packing, retiring;
    Problem packer_problem; /* what the packer said */
    guint begin_source, progress_source;
    void (*ended)(Install *install, void *userdata);
    void *userdata;
};

int install_check_fd(int fd, uint64_t *ret_size, Problem *why) {
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

const char *install_name(const Install *install) {
    return install->name;
}

Install *install_free(Install *install) {
    if (!install) return NULL;
    g_clear_handle_id(&install->begin_source, g_source_remove);
    g_clear_handle_id(&install->progress_source, g_source_remove);
    copy_free(install->copy);
    if (install->fd >= 0) close(install->fd);
    library_abandon(install->staged);
    request_unref(install->request);
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

static JsonObject *object_member(JsonObject *object, const char *name) {
    JsonNode *node = json_object_get_member(object, name);
    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
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
        progress_send(install, "pack", int_member(event, "done"), int_member(event, "total"));
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

static void on_copied(const Problem *problem, void *userdata) {
    Install *install = userdata;
    Problem failure = *problem;
    g_clear_handle_id(&install->progress_source, g_source_remove);
    install->copy = copy_free(install->copy);
    if (failure.kind) {
        finish(install, &failure);
        return;
    }
    progress_send(install, "copy", (int64_t)install->size, (int64_t)install->size);
    install->packing = true;
    if (supervisor_pack(install->place.supervisor, install->name, install->staged, on_packing,
                        install, &failure) < 0) {
        install->packing = false;
        finish(install, &failure);
    }
}

/* ---- Copying ---- */

static gboolean on_progress(void *userdata) {
    Install *install = userdata;
    progress_send(install, "copy", (int64_t)copy_n_bytes(install->copy), (int64_t)install->size);
    return G_SOURCE_CONTINUE;
}

static int copy_begin(Install *install, Problem *why) {
    if (install->size < MODEL_FILE_SIZE_MIN)
        return problem_set(why, PROBLEM_BAD_MODEL, "The file is too short to be a model.");
    if (library_stage(install->place.library, install->name, install->size, &install->staged, why) <
        0)
        return -1;
    g_autofree char *path = g_build_filename(install->staged, "model.gguf", NULL);
    int fd = install->fd;
    install->fd = -1;
    return copy_new(fd, install->size, path, on_copied, install, &install->copy, why);
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

Install *install_new(const struct InstallPlace *place, Request *request, const char *name, int fd,
                     uint64_t size, void (*ended)(Install *install, void *userdata),
                     void *userdata) {
    Install *install = g_new0(Install, 1);
    install->place = *place;
    install->request = request_ref(request);
    install->name = g_strdup(name);
    install->fd = fd;
    install->size = size;
    install->ended = ended;
    install->userdata = userdata;
    install->begin_source = g_idle_add(begin, install);
    request_set_cancel(request, on_cancel, install);
    return install;
}
