#include "service/service.h"

#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "service/install.h"
#include "service/journal.h"
#include "service/limits.h"
#include "service/repack.h"
#include "service/routing.h"
#include "service/service-internal.h"

struct Watcher {
    struct ServiceEvents events;
    void *userdata;
};

struct Service {
    struct Config config;
    Library *library;
    Supervisor *supervisor;
    Workers *workers;
    GArray *watchers;
    char *default_name; /* as last announced */

    GHashTable *requests; /* id -> Request, a reference each */
    uint64_t last_id;
    GQueue finished; /* of requests that linger */
    guint linger_source;
    GPtrArray *installs;
    Repack *repack; /* NULL: none */

    void (*stopped)(void *userdata);
    void *stopped_userdata;
    guint stop_source;
};

#define EMIT(service, event, ...)                                                                  \
    for (guint i_ = 0; i_ < (service)->watchers->len; i_++) {                                      \
        const struct Watcher *w_ = &g_array_index((service)->watchers, struct Watcher, i_);        \
        if (w_->events.event) w_->events.event(__VA_ARGS__ __VA_OPT__(, ) w_->userdata);           \
    }

Workers *service_workers(Service *service) {
    return service->workers;
}

/* ---- Models ---- */

static void default_update(Service *service) {
    Model *model = service_default_model(service);
    const char *name = model ? model_name(model) : "";
    if (service->default_name && !strcmp(service->default_name, name)) return;
    bool first = !service->default_name;
    g_free(service->default_name);
    service->default_name = g_strdup(name);
    if (!first) EMIT(service, default_changed);
}

static void on_model_added(Model *model, void *userdata) {
    Service *service = userdata;
    Problem problem;
    if (supervisor_add(service->supervisor, model_name(model), model_directory(model), &problem) <
        0)
        journal_model(LOG_ERR, model_name(model), "%s", problem.text);
    workers_add(service->workers, model);
    EMIT(service, model_added, model);
    default_update(service);
}

static void on_model_removed(Model *model, void *userdata) {
    Service *service = userdata;
    EMIT(service, model_removed, model);
    workers_remove(service->workers, model);
}

static void repack_if_stale(Service *service, Model *model);

static void on_model_changed(Model *model, void *userdata) {
    Service *service = userdata;
    EMIT(service, model_changed, model);
    if (model_state(model) == MODEL_LOADED) repack_if_stale(service, model);
}

Model *service_find_model(Service *service, const char *name) {
    return routing_find(service->library, service->config.default_model, name);
}

Model *service_default_model(Service *service) {
    return service_find_model(service, NULL);
}

Model *service_resolve(Service *service, const char *name, Problem *why) {
    Model *model = service_find_model(service, name);
    if (model) return model;
    if (!name || !*name)
        problem_set(why, PROBLEM_NO_SUCH_MODEL,
                    "No model is installed. Install one with: ryzen-llm install FILE.");
    else
        problem_set(why, PROBLEM_NO_SUCH_MODEL, "There is no model \"%.*s\".", MODEL_NAME_MAX,
                    name);
    return NULL;
}

Model **service_list_models(Service *service) {
    Model **models = library_list(service->library);
    Model *first = service_default_model(service);
    size_t at = 0;
    while (models[at] && models[at] != first) at++;
    for (; models[at] && at > 0; at--) models[at] = models[at - 1];
    if (first) models[0] = first;
    return models;
}

uint64_t service_memory_budget(const Service *service) {
    return service->config.memory_budget;
}

uint64_t service_memory_used(const Service *service) {
    return workers_memory_used(service->workers);
}

unsigned service_n_active(const Service *service) {
    return workers_n_active(service->workers);
}

unsigned service_n_queued(const Service *service) {
    return workers_n_queued(service->workers);
}

/* ---- Requests ---- */

static void request_forget(Service *service, Request *request) {
    EMIT(service, request_removed, request);
    uint64_t id = request_id(request);
    g_hash_table_remove(service->requests, &id);
}

/* The oldest lingering requests go, one each LINGER_MSEC after it finished. */
static gboolean on_linger(void *userdata) {
    Service *service = userdata;
    int64_t until = g_get_monotonic_time() - LINGER_MSEC * INT64_C(1000);
    Request *request;
    while ((request = g_queue_peek_head(&service->finished)) &&
           request_finished_usec(request) <= until)
        request_forget(service, g_queue_pop_head(&service->finished));
    if (service->finished.length) return G_SOURCE_CONTINUE;
    service->linger_source = 0;
    return G_SOURCE_REMOVE;
}

static void stop_check(Service *service);

static void on_request_changed(Request *request, void *userdata) {
    Service *service = userdata;
    EMIT(service, request_changed, request);
    if (request_state(request) != REQUEST_FINISHED) return;
    g_queue_push_tail(&service->finished, request);
    if (service->finished.length > LINGER_MAX)
        request_forget(service, g_queue_pop_head(&service->finished));
    if (!service->linger_source)
        service->linger_source = g_timeout_add(LINGER_MSEC / 5, on_linger, service);
    stop_check(service);
}

int service_begin_request(Service *service, uid_t uid, const char *model, Request **ret,
                          Problem *why) {
    const struct RequestKeeper keeper = {on_request_changed, service};
    if (service->stopped) return problem_set(why, PROBLEM_BUSY, "The service is about to stop.");
    Request *request;
    if (request_new(service->last_id + 1, uid, model, &keeper, &request, why) < 0) return -1;
    uint64_t *key = g_new(uint64_t, 1);
    *key = ++service->last_id;
    g_hash_table_insert(service->requests, key, request);
    *ret = request_ref(request);
    return 0;
}

void service_announce_request(Service *service, Request *request) {
    EMIT(service, request_added, request);
}

void service_drop_request(Service *service, Request *request) {
    uint64_t id = request_id(request);
    request_detach(request);
    g_hash_table_remove(service->requests, &id);
    request_unref(request);
}

Request *service_find_request(Service *service, uint64_t id) {
    return g_hash_table_lookup(service->requests, &id);
}

static int compare_requests(const void *a, const void *b) {
    uint64_t x = request_id(*(Request *const *)a), y = request_id(*(Request *const *)b);
    return x < y ? -1 : x > y;
}

Request **service_list_requests(Service *service) {
    guint n = g_hash_table_size(service->requests), i = 0;
    Request **requests = g_new0(Request *, n + 1);
    GHashTableIter iter;
    void *request;
    g_hash_table_iter_init(&iter, service->requests);
    while (g_hash_table_iter_next(&iter, NULL, &request)) requests[i++] = request;
    qsort(requests, n, sizeof *requests, compare_requests);
    return requests;
}

/* ---- Installing, removing ---- */

static void on_install_ended(Install *install, void *userdata) {
    Service *service = userdata;
    g_ptr_array_remove_fast(service->installs, install);
}

static bool is_repacking(const Service *service, const char *name) {
    return service->repack && !strcmp(repack_name(service->repack), name);
}

static bool is_installing(const Service *service, const char *name) {
    for (guint i = 0; i < service->installs->len; i++)
        if (!strcmp(install_name(service->installs->pdata[i]), name)) return true;
    return false;
}

static int name_check(Service *service, const struct InstallSpec *spec, Problem *why) {
    if (!library_name_is_valid(spec->name))
        return problem_set(why, PROBLEM_INVALID_ARGUMENT,
                           "A model's name has 1 to %d of a-z A-Z 0-9 . _ - and starts with a "
                           "letter or a digit.",
                           MODEL_NAME_MAX);
    if (!spec->replace && library_find(service->library, spec->name))
        return problem_set(why, PROBLEM_MODEL_EXISTS,
                           "A model %s is installed already. Remove it first, or replace it.",
                           spec->name);
    if (is_installing(service, spec->name))
        return problem_set(why, PROBLEM_BUSY, "The model %s is being installed already.",
                           spec->name);
    if (is_repacking(service, spec->name))
        return problem_set(why, PROBLEM_BUSY, "The model %s is being packed again: try later.",
                           spec->name);
    if (service->installs->len >= INSTALLS_MAX)
        return problem_set(why, PROBLEM_BUSY, "%d models are being installed already.",
                           INSTALLS_MAX);
    return 0;
}

int service_install(Service *service, const struct InstallSpec *spec, Request **ret, Problem *why) {
    const struct InstallPlace place = {service->library, service->supervisor, service->workers};
    Request *request;
    if (install_check(spec, why) < 0 || name_check(service, spec, why) < 0 ||
        service_begin_request(service, spec->uid, spec->name, &request, why) < 0) {
        for (size_t i = 0; i < spec->n_files + spec->n_draft_files; i++) close(spec->fds[i]);
        return -1;
    }
    g_ptr_array_add(service->installs,
                    install_new(&place, request, spec, on_install_ended, service));
    service_announce_request(service, request);
    *ret = request;
    return 0;
}

/* ---- Packing again ---- */

static void on_repack_ended(Repack *repack, void *userdata) {
    Service *service = userdata;
    service->repack = repack_free(repack);
}

static void on_repack_changed(Model *model, void *userdata) {
    Service *service = userdata;
    EMIT(service, model_changed, model);
}

/* A worker has loaded the model and found its packed file stale. One is packed at a time, and each
 * once: another one's turn comes when it is loaded the next time. */
static void repack_if_stale(Service *service, Model *model) {
    const struct InstallPlace place = {service->library, service->supervisor, service->workers};
    if (model_packed(model) != MODEL_PACKED_STALE || model->repacked || model_read_only(model) ||
        service->repack || service->stopped || is_installing(service, model_name(model)))
        return;
    model->repacked = true;
    service->repack = repack_new(&place, model, on_repack_changed, on_repack_ended, service);
}

struct Removal {
    Service *service;
    char *name;
    ServiceDone done;
    void *userdata;
};

static void removal_end(struct Removal *removal, const Problem *problem) {
    removal->done(problem, removal->userdata);
    g_free(removal->name);
    g_free(removal);
}

static void on_removed(void *userdata) {
    removal_end(userdata, &(Problem){0});
}

static void remove_now(void *userdata) {
    struct Removal *removal = userdata;
    Service *service = removal->service;
    Problem failure = {0};
    Model *model = library_find(service->library, removal->name);
    if (model) library_remove(service->library, model, &failure);
    if (failure.kind) {
        removal_end(removal, &failure);
        return;
    }
    default_update(service);
    journal_model(LOG_INFO, removal->name, "Removed the model %s.", removal->name);
    if (library_find(service->library, removal->name)) /* one that it hid */
        on_removed(removal);
    else
        supervisor_remove(service->supervisor, removal->name, on_removed, removal);
}

static void on_unloaded_for_removal(const Problem *problem, void *userdata) {
    struct Removal *removal = userdata;
    if (problem->kind)
        removal_end(removal, problem);
    else if (is_repacking(removal->service, removal->name))
        repack_cancel(removal->service->repack, remove_now, removal);
    else
        remove_now(removal);
}

/* ---- Short calls ---- */

/* One that only wants its model loaded, or that only carries a problem to the main loop. */
struct Loading {
    Call call;
    ServiceDone done;
    void *userdata;
};

static void loading_ended(Call *call, sd_bus_message *answer, const Problem *problem) {
    struct Loading *loading = (struct Loading *)call;
    loading->done(problem ? problem : &(Problem){0}, loading->userdata);
}

static void loading_free(Call *call) {
    g_free(call);
}

static const struct CallType loading_type = {.ended = loading_ended, .free = loading_free};

void service_call(Service *service, const char *name, Call *call, const Problem *problem) {
    Problem failure = problem ? *problem : (Problem){0};
    Model *model = failure.kind ? NULL : service_resolve(service, name, &failure);
    if (model && workers_submit(service->workers, model, call, &failure) == 0) return;
    workers_fail_later(service->workers, call, &failure);
}

static void fail_later(Service *service, ServiceDone done, void *userdata, const Problem *problem) {
    struct Loading *loading = g_new0(struct Loading, 1);
    *loading = (struct Loading){{.type = &loading_type, .uid = UID_NOBODYS}, done, userdata};
    workers_fail_later(service->workers, &loading->call, problem);
}

void service_load(Service *service, const char *model, ServiceDone done, void *userdata) {
    struct Loading *loading = g_new0(struct Loading, 1);
    *loading = (struct Loading){{.type = &loading_type, .uid = UID_NOBODYS}, done, userdata};
    service_call(service, model, &loading->call, NULL);
}

void service_unload(Service *service, const char *name, bool force, ServiceDone done,
                    void *userdata) {
    Problem problem = {0};
    Model *model = service_resolve(service, name, &problem);
    if (model)
        workers_unload(service->workers, model, force ? UNLOAD_FORCE : UNLOAD_IDLE, done, userdata);
    else
        fail_later(service, done, userdata, &problem);
}

void service_remove(Service *service, const char *name, ServiceDone done, void *userdata) {
    Problem problem = {0};
    Model *model = service_resolve(service, name, &problem);
    if (model && model_read_only(model))
        problem_set(&problem, PROBLEM_READ_ONLY,
                    "The model %s came with the system and can't be removed.", model_name(model));
    if (problem.kind) {
        fail_later(service, done, userdata, &problem);
        return;
    }
    struct Removal *removal = g_new0(struct Removal, 1);
    *removal = (struct Removal){service, g_strdup(model_name(model)), done, userdata};
    workers_unload(service->workers, model, UNLOAD_IDLE, on_unloaded_for_removal, removal);
}

/* ---- Life ---- */

static void install_free_cb(void *data) {
    install_free(data);
}

static void request_free_cb(void *data) {
    Request *request = data;
    static const Problem stopped = {PROBLEM_CANCELLED, "The service has stopped."};
    request_detach(request);
    if (request_state(request) != REQUEST_FINISHED) request_fail(request, &stopped, false);
    request_unref(request);
}

int service_new(const struct Config *config, Service **ret, Problem *why) {
    Supervisor *supervisor;
    if (supervisor_new(config, &supervisor, why) < 0) return -1;

    const struct LibraryEvents events = {on_model_added, on_model_removed};
    Service *service = g_new0(Service, 1);
    config_copy(config, &service->config);
    service->supervisor = supervisor;
    service->watchers = g_array_new(FALSE, FALSE, sizeof(struct Watcher));
    service->requests = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, request_free_cb);
    service->installs = g_ptr_array_new_with_free_func(install_free_cb);
    g_queue_init(&service->finished);
    service->workers = workers_new(config, supervisor, on_model_changed, service);
    const char *const *directories = (const char *const *)service->config.model_directories;
    service->library = library_new(directories, &events, service);
    library_scan(service->library, NULL);
    default_update(service);
    *ret = service;
    return 0;
}

Service *service_free(Service *service) {
    if (!service) return NULL;
    g_array_set_size(service->watchers, 0);
    g_clear_handle_id(&service->linger_source, g_source_remove);
    g_clear_handle_id(&service->stop_source, g_source_remove);
    g_queue_clear(&service->finished);
    g_hash_table_unref(service->requests);
    g_ptr_array_unref(service->installs);
    repack_free(service->repack);
    workers_free(service->workers);
    supervisor_free(service->supervisor);
    library_free(service->library);
    g_array_unref(service->watchers);
    config_done(&service->config);
    g_free(service->default_name);
    g_free(service);
    return NULL;
}

void service_watch(Service *service, const struct ServiceEvents *events, void *userdata) {
    struct Watcher watcher = {*events, userdata};
    g_array_append_val(service->watchers, watcher);
}

int service_reload(Service *service, const struct Config *config, Problem *why) {
    config_done(&service->config);
    config_copy(config, &service->config);
    supervisor_configure(service->supervisor, config);
    workers_configure(service->workers, config);
    library_scan(service->library, (const char *const *)config->model_directories);
    default_update(service);
    return 0;
}

static gboolean on_stopped(void *userdata) {
    Service *service = userdata;
    service->stop_source = 0;
    service->stopped(service->stopped_userdata);
    return G_SOURCE_REMOVE;
}

/* All requests have ended: stop in the next turn of the loop, not from within a callback. */
static void stop_check(Service *service) {
    if (!service->stopped || g_hash_table_size(service->requests) > service->finished.length)
        return;
    g_clear_handle_id(&service->stop_source, g_source_remove);
    service->stop_source = g_idle_add(on_stopped, service);
}

void service_stop(Service *service, void (*stopped)(void *userdata), void *userdata) {
    g_autofree Request **requests = service_list_requests(service);
    service->stopped = stopped;
    service->stopped_userdata = userdata;
    service->stop_source = g_timeout_add(STOP_TIMEOUT_MSEC, on_stopped, service);
    for (Request **request = requests; *request; request++) request_cancel(*request);
    stop_check(service);
}
