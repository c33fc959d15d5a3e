/*
 * systemd as the supervisor: it holds ryzen-llm-model@NAME.socket and starts
 * ryzen-llm-model@NAME.service on a connection; ryzen-llm-pack@NAME.service packs. A model's name
 * is a valid instance name as it is. What a unit needs to know about the model is in
 * RUNTIME/model/NAME.env, what the packer says in RUNTIME/pack/NAME.events.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "dbus/bus-source.h"
#include "service/journal.h"
#include "service/limits.h"
#include "service/supervisor.h"
#include "service/unit-job.h"

typedef struct Units {
    Supervisor base;
    struct Config config;
    UnitJobs *jobs;
    GHashTable *models; /* name -> UnitModel, owned */
    GHashTable *packs;  /* name -> Pack, owned */
} Units;

typedef struct UnitModel {
    Units *units;
    char *name, *directory;
    SupervisorConnected connected;
    void *connected_userdata;
    guint connect_source;
    bool socket_started;
    bool failed; /* its worker could not be started; not told yet */
    SupervisorExplained explained;
    void *explained_userdata;
} UnitModel;

typedef struct Pack {
    Units *units;
    char *name, *path;
    off_t offset; /* of the events file: read so far */
    GString *line;
    guint tail_source;
    SupervisorPacking packing;
    void *userdata;
} Pack;

static const struct SupervisorDriver units_driver;

static Units *units_of(Supervisor *supervisor) {
    return (Units *)supervisor;
}

static char *unit_name(const char *template, const char *name, const char *type) {
    return g_strdup_printf("ryzen-llm-%s@%s.%s", template, name, type);
}

/* ---- Models ---- */

static void unit_model_free(void *data) {
    UnitModel *model = data;
    g_clear_handle_id(&model->connect_source, g_source_remove);
    unit_jobs_forget(model->units->jobs, model);
    g_free(model->name);
    g_free(model->directory);
    g_free(model);
}

/* A directory is quoted as EnvironmentFile= and the word splitting of ExecStart= want it. */
static char *environment_text(const UnitModel *model) {
    const struct Config *config = &model->units->config;
    GString *options = g_string_new(NULL);
    g_string_printf(options, "--model '%s' --idle-timeout %" PRIu64, model->directory,
                    config_idle_sec(config));
    if (config->threads) g_string_append_printf(options, " --threads %u", config->threads);
    if (config->context) g_string_append_printf(options, " --context %u", config->context);
    g_string_append_printf(options, " --max-sequences %u --queue %u", config->max_sequences,
                           WORKER_QUEUE);
    char *text = g_strdup_printf("WORKER_OPTIONS=\"%s\"\n", options->str);
    g_string_free(options, TRUE);
    return text;
}

static int environment_write(const UnitModel *model, Problem *why) {
    g_autoptr(GError) error = NULL;
    g_autofree char *path =
        g_strdup_printf("%s/model/%s.env", model->units->config.runtime_directory, model->name);
    g_autofree char *parent = g_path_get_dirname(path);
    g_autofree char *text = environment_text(model);
    g_mkdir_with_parents(parent, 0755);
    if (strpbrk(model->directory, "'\"\\$\n"))
        return problem_set(why, PROBLEM_FAILED, "The path %s can't be passed to a unit.",
                           model->directory);
    if (!g_file_set_contents(path, text, -1, &error))
        return problem_set(why, PROBLEM_FAILED, "%s", error->message);
    return 0;
}

static int units_add(Supervisor *supervisor, const char *name, const char *directory,
                     Problem *why) {
    Units *units = units_of(supervisor);
    UnitModel *model = g_new0(UnitModel, 1);
    model->units = units;
    model->name = g_strdup(name);
    model->directory = g_strdup(directory);
    g_hash_table_replace(units->models, model->name, model);
    return environment_write(model, why);
}

static void units_remove(Supervisor *supervisor, const char *name, SupervisorRemoved done,
                         void *userdata) {
    Units *units = units_of(supervisor);
    if (!g_hash_table_contains(units->models, name)) {
        if (done) done(userdata);
        return;
    }
    g_autofree char *unit = unit_name("model", name, "socket");
    g_autofree char *path =
        g_strdup_printf("%s/model/%s.env", units->config.runtime_directory, name);
    unlink(path);
    g_hash_table_remove(units->models, name);
    unit_job_stop(units->jobs, unit, done, userdata);
}

/* ---- Connecting ---- */

/* -errno */
static int connect_to(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (g_strlcpy(address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
    int r = -errno;
    close(fd);
    return r;
}

static void on_socket_started(const char *result, void *userdata);

/* Connects; a socket unit that is not there yet is started, once. */
static gboolean try_connect(void *userdata) {
    UnitModel *model = userdata;
    Problem problem = {0};
    g_autofree char *path =
        g_strdup_printf("%s/model/%s.sock", model->units->config.runtime_directory, model->name);
    model->connect_source = 0;
    int fd = connect_to(path);
    if ((fd == -ENOENT || fd == -ECONNREFUSED) && !model->socket_started) {
        g_autofree char *unit = unit_name("model", model->name, "socket");
        model->socket_started = true;
        unit_job_start(model->units->jobs, unit, on_socket_started, model);
        return G_SOURCE_REMOVE;
    }
    if (fd < 0)
        problem_set(&problem, PROBLEM_FAILED, "Can't connect to %s: %s.", path, g_strerror(-fd));
    model->connected(fd < 0 ? -1 : fd, &problem, model->connected_userdata);
    return G_SOURCE_REMOVE;
}

static void on_socket_started(const char *result, void *userdata) {
    UnitModel *model = userdata;
    Problem problem;
    if (!strcmp(result, "done")) {
        try_connect(model);
        return;
    }
    problem_set(&problem, PROBLEM_FAILED, "systemd can't start ryzen-llm-model@%s.socket: %s.",
                model->name, result);
    model->connected(-1, &problem, model->connected_userdata);
}

static void units_connect(Supervisor *supervisor, const char *name, SupervisorConnected done,
                          void *userdata) {
    UnitModel *model = g_hash_table_lookup(units_of(supervisor)->models, name);
    model->connected = done;
    model->connected_userdata = userdata;
    model->socket_started = false;
    model->failed = false;
    model->connect_source = g_idle_add(try_connect, model);
}

/* A worker that does not get ready leaves its connection in the socket's queue, and systemd would
 * start it again and again for that: closing the socket ends both, and our side sees it. */
static void on_start_failed(const char *unit, void *userdata) {
    Units *units = userdata;
    if (!g_str_has_prefix(unit, "ryzen-llm-model@") || !g_str_has_suffix(unit, ".service")) return;
    g_autofree char *name =
        g_strndup(unit + strlen("ryzen-llm-model@"),
                  strlen(unit) - strlen("ryzen-llm-model@") - strlen(".service"));
    UnitModel *model = g_hash_table_lookup(units->models, name);
    if (!model) return;
    model->failed = true;
    g_autofree char *socket = unit_name("model", name, "socket");
    unit_job_stop(units->jobs, socket, NULL, NULL);
}

static void on_end_known(const struct WorkerEnd *end, void *userdata) {
    UnitModel *model = userdata;
    struct WorkerEnd full = *end;
    if (model->failed) full.kind = END_FAILED; /* what systemd knows is of the next try */
    model->failed = false;
    SupervisorExplained explained = g_steal_pointer(&model->explained);
    g_snprintf(full.words, sizeof full.words, "see journalctl -u ryzen-llm-model@%s", model->name);
    if (explained) explained(&full, model->explained_userdata);
}

static void units_explain(Supervisor *supervisor, const char *name, SupervisorExplained done,
                          void *userdata) {
    Units *units = units_of(supervisor);
    UnitModel *model = g_hash_table_lookup(units->models, name);
    g_autofree char *unit = unit_name("model", name, "service");
    model->explained = done;
    model->explained_userdata = userdata;
    unit_job_explain(units->jobs, unit, on_end_known, model);
}

static void units_kill(Supervisor *supervisor, const char *name) {
    g_autofree char *unit = unit_name("model", name, "service");
    unit_job_kill(units_of(supervisor)->jobs, unit);
}

/* ---- Packing ---- */

static void pack_free(void *data) {
    Pack *pack = data;
    g_clear_handle_id(&pack->tail_source, g_source_remove);
    unit_jobs_forget(pack->units->jobs, pack);
    unlink(pack->path);
    g_string_free(pack->line, TRUE);
    g_free(pack->path);
    g_free(pack->name);
    g_free(pack);
}

static void pack_bytes(Pack *pack, const char *buffer, ssize_t n) {
    for (ssize_t i = 0; i < n; i++) {
        if (buffer[i] == '\n') {
            pack->packing(pack->line->str, NULL, pack->userdata);
            g_string_truncate(pack->line, 0);
        } else if (buffer[i] && pack->line->len < STREAM_LINE_MAX) {
            g_string_append_c(pack->line, buffer[i]);
        }
    }
}

/* What was written since the last look. The packer could write the directory: only a regular file
 * is read. */
static void events_read(Pack *pack) {
    char buffer[4096];
    struct stat st;
    ssize_t n;
    int fd = open(pack->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        for (int i = 0; i < 256 && (n = pread(fd, buffer, sizeof buffer, pack->offset)) > 0; i++) {
            pack->offset += n;
            pack_bytes(pack, buffer, n);
        }
    }
    close(fd);
}

static gboolean on_tail(void *userdata) {
    events_read(userdata);
    return G_SOURCE_CONTINUE;
}

static void on_packed(const char *result, void *userdata) {
    Pack *pack = userdata;
    Units *units = pack->units;
    SupervisorPacking packing = pack->packing;
    void *packing_userdata = pack->userdata;
    struct WorkerEnd end = {END_EXITED, strcmp(result, "done") ? 1 : 0, ""};

    events_read(pack);
    g_snprintf(end.words, sizeof end.words, "see journalctl -u ryzen-llm-pack@%s (%s)", pack->name,
               result);
    g_hash_table_remove(units->packs, pack->name);
    packing(NULL, &end, packing_userdata);
}

static int units_pack(Supervisor *supervisor, const char *name, const char *directory,
                      SupervisorPacking packing, void *userdata, Problem *why) {
    Units *units = units_of(supervisor);
    g_autofree char *unit = unit_name("pack", name, "service");
    g_autofree char *parent = g_build_filename(units->config.runtime_directory, "pack", NULL);
    Pack *pack = g_new0(Pack, 1);
    g_mkdir_with_parents(parent, 0770);
    pack->units = units;
    pack->name = g_strdup(name);
    pack->path = g_strdup_printf("%s/%s.events", parent, name);
    pack->line = g_string_new(NULL);
    pack->packing = packing;
    pack->userdata = userdata;
    unlink(pack->path);
    g_hash_table_replace(units->packs, pack->name, pack);
    pack->tail_source = g_timeout_add(PROGRESS_INTERVAL_MSEC, on_tail, pack);
    unit_job_start(units->jobs, unit, on_packed, pack);
    return 0;
}

static void units_pack_cancel(Supervisor *supervisor, const char *name) {
    g_autofree char *unit = unit_name("pack", name, "service");
    unit_job_stop(units_of(supervisor)->jobs, unit, NULL, NULL);
}

/* ---- Life ---- */

static void units_configure(Supervisor *supervisor, const struct Config *config) {
    Units *units = units_of(supervisor);
    GHashTableIter iter;
    void *model;
    g_autofree char *runtime_directory = g_strdup(units->config.runtime_directory);
    config_done(&units->config);
    config_copy(config, &units->config);
    g_free(units->config.runtime_directory);
    units->config.runtime_directory = g_steal_pointer(&runtime_directory);
    g_hash_table_iter_init(&iter, units->models);
    while (g_hash_table_iter_next(&iter, NULL, &model)) environment_write(model, NULL);
}

static void units_free(Supervisor *supervisor) {
    Units *units = units_of(supervisor);
    g_hash_table_unref(units->packs);
    g_hash_table_unref(units->models);
    unit_jobs_free(units->jobs);
    config_done(&units->config);
    g_free(units);
}

static const struct SupervisorDriver units_driver = {
    .name = "systemd",
    .free = units_free,
    .configure = units_configure,
    .add = units_add,
    .remove = units_remove,
    .connect = units_connect,
    .explain = units_explain,
    .kill = units_kill,
    .pack = units_pack,
    .pack_cancel = units_pack_cancel,
};

int supervisor_new_systemd(const struct Config *config, Supervisor **ret, Problem *why) {
    Units *units = g_new0(Units, 1);
    int r = unit_jobs_new(on_start_failed, units, &units->jobs);
    if (r < 0) {
        g_free(units);
        return problem_set(why, PROBLEM_FAILED, "Can't reach systemd over the system bus: %s.",
                           g_strerror(-r));
    }
    units->base.driver = &units_driver;
    config_copy(config, &units->config);
    units->models = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, unit_model_free);
    units->packs = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, pack_free);
    *ret = &units->base;
    return 0;
}
