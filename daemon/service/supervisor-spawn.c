/*
 * The daemon as its own supervisor: it holds a listening socket for each model, starts a worker
 * when somebody connects and none runs, and hands the socket over as systemd would.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "service/child.h"
#include "service/journal.h"
#include "service/limits.h"
#include "service/supervisor.h"

typedef struct Spawn {
    Supervisor base;
    struct Config config;
    GHashTable *models;  /* name -> SpawnModel, owned */
    GHashTable *packers; /* name -> Packer, owned */
} Spawn;

typedef struct SpawnModel {
    Spawn *spawn;
    char *name, *directory, *path;
    int listen_fd;
    guint pending_source; /* while no worker runs */
    Child *worker;
    int64_t started_usec;
    unsigned n_restless;  /* workers in a row that left at once */
    struct WorkerEnd end; /* of the last one */

    SupervisorConnected connected;
    void *connected_userdata;
    guint connect_source;
    SupervisorExplained explained;
    void *explained_userdata;
    guint explain_source;
} SpawnModel;

typedef struct Packer {
    Spawn *spawn;
    char *name;
    Child *child;
    SupervisorPacking packing;
    void *userdata;
} Packer;

static const struct SupervisorDriver spawn_driver;

static Spawn *spawn_of(Supervisor *supervisor) {
    return (Spawn *)supervisor;
}

static SpawnModel *model_find(Supervisor *supervisor, const char *name) {
    return g_hash_table_lookup(spawn_of(supervisor)->models, name);
}

/* ---- Workers ---- */

static void pending_watch(SpawnModel *model);

static gboolean tell_explained(void *userdata) {
    SpawnModel *model = userdata;
    SupervisorExplained explained = g_steal_pointer(&model->explained);
    model->explain_source = 0;
    if (explained) explained(&model->end, model->explained_userdata);
    return G_SOURCE_REMOVE;
}

/* Those who wait for a worker that can't start see their connection closed. */
static void pending_drop(SpawnModel *model) {
    int fd;
    while ((fd = accept4(model->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) close(fd);
}

/* A line of the worker's log without whose it is. */
static void prefix_strip(struct WorkerEnd *end, const char *name) {
    g_autofree char *prefix = g_strdup_printf("ryzen-llm-worker: %s: ", name);
    if (!g_str_has_prefix(end->words, prefix)) return;
    memmove(end->words, end->words + strlen(prefix), strlen(end->words + strlen(prefix)) + 1);
}

static void on_worker_ended(const struct WorkerEnd *end, void *userdata) {
    SpawnModel *model = userdata;
    bool failed = end->kind != END_EXITED || end->code != 0;
    bool restless = g_get_monotonic_time() - model->started_usec < G_USEC_PER_SEC;

    model->end = *end;
    prefix_strip(&model->end, model->name);
    model->worker = child_free(model->worker);
    model->n_restless = restless ? model->n_restless + 1 : 0;
    if (failed || model->n_restless > RESEND_MAX) pending_drop(model);
    pending_watch(model);
    if (!model->explained) return;
    g_clear_handle_id(&model->explain_source, g_source_remove);
    tell_explained(model);
}

static void argument(GPtrArray *argv, const char *name, uint64_t value) {
    if (!value) return;
    g_ptr_array_add(argv, g_strdup(name));
    g_ptr_array_add(argv, g_strdup_printf("%" PRIu64, value));
}

static GPtrArray *worker_arguments(const SpawnModel *model) {
    const struct Config *config = &model->spawn->config;
    const char *const fixed[] = {config->worker, "--model",   model->directory,
                                 "--name",       model->name, "--idle-timeout"};
    GPtrArray *argv = g_ptr_array_new_with_free_func(g_free);
    for (size_t i = 0; i < G_N_ELEMENTS(fixed); i++) g_ptr_array_add(argv, g_strdup(fixed[i]));
    g_ptr_array_add(argv, g_strdup_printf("%" PRIu64, config_idle_sec(config)));
    argument(argv, "--threads", config->threads);
    argument(argv, "--context", config->context);
    argument(argv, "--max-sequences", config->max_sequences);
    argument(argv, "--queue", WORKER_QUEUE);
    g_ptr_array_add(argv, NULL);
    return argv;
}

static gboolean on_pending(int fd, GIOCondition condition, void *userdata) {
    static const struct ChildEvents events = {.ended = on_worker_ended};
    SpawnModel *model = userdata;
    g_autoptr(GPtrArray) argv = worker_arguments(model);
    Problem problem;

    model->pending_source = 0;
    model->started_usec = g_get_monotonic_time();
    if (child_new((const char *const *)argv->pdata, model->listen_fd, &events, model,
                  &model->worker, &problem) == 0)
        return G_SOURCE_REMOVE;
    journal_model(LOG_ERR, model->name, "%s", problem.text);
    model->end = (struct WorkerEnd){0};
    g_strlcpy(model->end.words, problem.text, sizeof model->end.words);
    pending_drop(model);
    pending_watch(model);
    return G_SOURCE_REMOVE;
}

static void pending_watch(SpawnModel *model) {
    if (!model->pending_source)
        model->pending_source = g_unix_fd_add(model->listen_fd, G_IO_IN, on_pending, model);
}

/* ---- Sockets ---- */

static int address_set(const char *path, struct sockaddr_un *ret) {
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (g_strlcpy(ret->sun_path, path, sizeof ret->sun_path) >= sizeof ret->sun_path)
        return -ENAMETOOLONG;
    return 0;
}

/* -errno */
static int listen_at(const char *path) {
    struct sockaddr_un address;
    int r = address_set(path, &address);
    if (r < 0) return r;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    unlink(path); /* a former daemon's */
    mode_t mask = umask(0177);
    r = bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ? -errno : 0;
    umask(mask);
    if (r == 0 && listen(fd, SOMAXCONN) < 0) r = -errno;
    if (r == 0) return fd;
    close(fd);
    return r;
}

static void spawn_model_free(void *data) {
    SpawnModel *model = data;
    g_clear_handle_id(&model->pending_source, g_source_remove);
    g_clear_handle_id(&model->connect_source, g_source_remove);
    g_clear_handle_id(&model->explain_source, g_source_remove);
    child_free(model->worker);
    if (model->listen_fd >= 0) {
        close(model->listen_fd);
        unlink(model->path);
    }
    g_free(model->name);
    g_free(model->directory);
    g_free(model->path);
    g_free(model);
}

static int spawn_add(Supervisor *supervisor, const char *name, const char *directory,
                     Problem *why) {
    Spawn *spawn = spawn_of(supervisor);
    g_autofree char *parent = g_build_filename(spawn->config.runtime_directory, "model", NULL);
    g_autofree char *path = g_strdup_printf("%s/%s.sock", parent, name);
    g_mkdir_with_parents(parent, 0700);
    g_hash_table_remove(spawn->models, name);
    SpawnModel *model = g_new0(SpawnModel, 1);
    model->spawn = spawn;
    model->name = g_strdup(name);
    model->directory = g_strdup(directory);
    model->path = g_steal_pointer(&path);
    model->listen_fd = listen_at(model->path);
    g_hash_table_insert(spawn->models, model->name, model);
    if (model->listen_fd < 0)
        return problem_set(why, PROBLEM_FAILED, "Can't listen at %s: %s.", model->path,
                           g_strerror(-model->listen_fd));
    pending_watch(model);
    return 0;
}

static void spawn_remove(Supervisor *supervisor, const char *name, SupervisorRemoved done,
                         void *userdata) {
    g_hash_table_remove(spawn_of(supervisor)->models, name);
    if (done) done(userdata);
}

/* -errno */
static int connect_to(const char *path) {
    struct sockaddr_un address;
    int r = address_set(path, &address);
    if (r < 0) return r;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
    r = -errno;
    close(fd);
    return r;
}

static gboolean tell_connected(void *userdata) {
    SpawnModel *model = userdata;
    Problem problem = {0};
    model->connect_source = 0;
    int fd = connect_to(model->path);
    if (fd < 0)
        problem_set(&problem, PROBLEM_FAILED, "Can't connect to %s: %s.", model->path,
                    g_strerror(-fd));
    model->connected(fd < 0 ? -1 : fd, &problem, model->connected_userdata);
    return G_SOURCE_REMOVE;
}

static void spawn_connect(Supervisor *supervisor, const char *name, SupervisorConnected done,
                          void *userdata) {
    SpawnModel *model = model_find(supervisor, name);
    model->connected = done;
    model->connected_userdata = userdata;
    model->connect_source = g_idle_add(tell_connected, model);
}

static void spawn_explain(Supervisor *supervisor, const char *name, SupervisorExplained done,
                          void *userdata) {
    SpawnModel *model = model_find(supervisor, name);
    model->explained = done;
    model->explained_userdata = userdata;
    if (model->worker) /* the connection's end was quicker than the news of its process */
        model->end = (struct WorkerEnd){0};
    model->explain_source =
        g_timeout_add(model->worker ? EXPLAIN_TIMEOUT_MSEC : 0, tell_explained, model);
}

static void spawn_kill(Supervisor *supervisor, const char *name) {
    SpawnModel *model = model_find(supervisor, name);
    if (model && model->worker) child_signal(model->worker, SIGKILL);
}

/* ---- Packing ---- */

static void packer_free(void *data) {
    Packer *packer = data;
    child_free(packer->child);
    g_free(packer->name);
    g_free(packer);
}

static void on_packer_line(const char *line, void *userdata) {
    Packer *packer = userdata;
    packer->packing(line, NULL, packer->userdata);
}

static void on_packer_ended(const struct WorkerEnd *end, void *userdata) {
    Packer *packer = userdata;
    SupervisorPacking packing = packer->packing;
    void *packing_userdata = packer->userdata;
    g_hash_table_remove(packer->spawn->packers, packer->name);
    packing(NULL, end, packing_userdata);
}

static int spawn_pack(Supervisor *supervisor, const char *name, const char *directory,
                      SupervisorPacking packing, void *userdata, Problem *why) {
    static const struct ChildEvents events = {on_packer_line, on_packer_ended};
    Spawn *spawn = spawn_of(supervisor);
    const char *const argv[] = {
        spawn->config.worker, "--pack",  "--name", name, "--model", directory,
        "--output",           directory, NULL};
    Packer *packer = g_new0(Packer, 1);
    packer->spawn = spawn;
    packer->name = g_strdup(name);
    packer->packing = packing;
    packer->userdata = userdata;
    if (child_new(argv, -1, &events, packer, &packer->child, why) < 0) {
        packer_free(packer);
        return -1;
    }
    g_hash_table_insert(spawn->packers, packer->name, packer);
    return 0;
}

static void spawn_pack_cancel(Supervisor *supervisor, const char *name) {
    Packer *packer = g_hash_table_lookup(spawn_of(supervisor)->packers, name);
    if (packer) child_signal(packer->child, SIGKILL);
}

/* ---- Life ---- */

static void spawn_configure(Supervisor *supervisor, const struct Config *config) {
    Spawn *spawn = spawn_of(supervisor);
    g_autofree char *runtime_directory = g_strdup(spawn->config.runtime_directory);
    config_done(&spawn->config);
    config_copy(config, &spawn->config);
    /* The sockets are where they are. */
    g_free(spawn->config.runtime_directory);
    spawn->config.runtime_directory = g_steal_pointer(&runtime_directory);
}

static void spawn_free(Supervisor *supervisor) {
    Spawn *spawn = spawn_of(supervisor);
    g_hash_table_unref(spawn->packers);
    g_hash_table_unref(spawn->models);
    config_done(&spawn->config);
    g_free(spawn);
}

static const struct SupervisorDriver spawn_driver = {
    .name = "spawn",
    .free = spawn_free,
    .configure = spawn_configure,
    .add = spawn_add,
    .remove = spawn_remove,
    .connect = spawn_connect,
    .explain = spawn_explain,
    .kill = spawn_kill,
    .pack = spawn_pack,
    .pack_cancel = spawn_pack_cancel,
};

int supervisor_new_spawn(const struct Config *config, Supervisor **ret, Problem *why) {
    if (access(config->worker, X_OK) < 0)
        return problem_set(why, PROBLEM_FAILED, "Can't execute %s: %s (WorkerExecutable=).",
                           config->worker, g_strerror(errno));
    Spawn *spawn = g_new0(Spawn, 1);
    spawn->base.driver = &spawn_driver;
    config_copy(config, &spawn->config);
    spawn->models = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, spawn_model_free);
    spawn->packers = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, packer_free);
    *ret = &spawn->base;
    return 0;
}
