#include "service/workers.h"

#include <string.h>

#include "service/budget.h"
#include "service/limits.h"
#include "service/workers-internal.h"

static const Problem cancelled = {PROBLEM_CANCELLED, "The request was cancelled."};

static void worker_free_cb(void *data) {
    worker_free(data);
}

Workers *workers_new(const struct Config *config, Supervisor *supervisor,
                     void (*changed)(Model *model, void *userdata), void *userdata) {
    Workers *workers = g_new0(Workers, 1);
    config_copy(config, &workers->config);
    workers->supervisor = supervisor;
    workers->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, worker_free_cb);
    workers->changed = changed;
    workers->userdata = userdata;
    g_queue_init(&workers->waiting);
    g_queue_init(&workers->unload_replies);
    g_queue_init(&workers->refused);
    return workers;
}

/* All calls, also those that are sent. */
static void free_all(Workers *workers) {
    GHashTableIter iter;
    void *value;
    g_hash_table_iter_init(&iter, workers->by_name);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Worker *worker = value;
        Call *call;
        while ((call = g_queue_pop_head(&worker->sent))) {
            if (call->link) link_forget(worker->link, call);
            call->type->free(call);
        }
    }
    Call *call;
    while ((call = g_queue_pop_head(&workers->waiting))) call->type->free(call);
    struct RefusedCall *refused;
    while ((refused = g_queue_pop_head(&workers->refused))) {
        refused->call->type->free(refused->call);
        g_free(refused);
    }
}

Workers *workers_free(Workers *workers) {
    if (!workers) return NULL;
    free_all(workers);
    g_clear_handle_id(&workers->pump_source, g_source_remove);
    g_clear_handle_id(&workers->retry_source, g_source_remove);
    g_queue_clear_full(&workers->unload_replies, g_free);
    g_hash_table_unref(workers->by_name);
    config_done(&workers->config);
    g_free(workers);
    return NULL;
}

void workers_configure(Workers *workers, const struct Config *config) {
    config_done(&workers->config);
    config_copy(config, &workers->config);
    workers_kick(workers);
}

void workers_add(Workers *workers, Model *model) {
    Worker *worker = g_hash_table_lookup(workers->by_name, model->manifest.name);
    if (!worker) {
        worker = worker_new(workers, model->manifest.name);
        g_hash_table_insert(workers->by_name, worker->name, worker);
    }
    worker->model = model;
    worker->n_failures = 0;
    worker->not_before = 0;
    workers_kick(workers);
}

void workers_remove(Workers *workers, Model *model) {
    Worker *worker = g_hash_table_lookup(workers->by_name, model->manifest.name);
    if (worker) worker->model = NULL;
    workers_kick(workers);
}

/* ---- Calls ---- */

void workers_end_call(Call *call, sd_bus_message *answer, const Problem *problem) {
    call->type->ended(call, answer, problem);
    call->type->free(call);
}

static bool is_of(const Call *call, const Worker *worker, uid_t uid) {
    return (!worker || call->worker == worker) && (uid == UID_NOBODYS || call->uid == uid);
}

static unsigned count(const GQueue *calls, const Worker *worker, uid_t uid) {
    unsigned n = 0;
    for (const GList *l = calls->head; l; l = l->next) n += is_of(l->data, worker, uid);
    return n;
}

static unsigned count_of_user(Workers *workers, uid_t uid) {
    unsigned n = count(&workers->waiting, NULL, uid);
    GHashTableIter iter;
    void *worker;
    g_hash_table_iter_init(&iter, workers->by_name);
    while (g_hash_table_iter_next(&iter, NULL, &worker))
        n += count(&((Worker *)worker)->sent, NULL, uid);
    return n;
}

int workers_submit(Workers *workers, Model *model, Call *call, Problem *why) {
    Worker *worker = g_hash_table_lookup(workers->by_name, model->manifest.name);
    if (g_queue_get_length(&workers->waiting) >= workers->config.max_queued)
        return problem_set(why, PROBLEM_BUSY,
                           "%u requests are waiting already. Try again in a moment.",
                           g_queue_get_length(&workers->waiting));
    if (call->uid != UID_NOBODYS &&
        count_of_user(workers, call->uid) >= workers->config.max_per_user)
        return problem_set(why, PROBLEM_BUSY,
                           "You have %u requests running or waiting, the most for one user. Wait "
                           "for one to end.",
                           workers->config.max_per_user);
    call->worker = worker;
    call->waiting_since = g_get_monotonic_time();
    g_queue_push_tail(&workers->waiting, call);
    workers_kick(workers);
    return 0;
}

void workers_fail_later(Workers *workers, Call *call, const Problem *problem) {
    struct RefusedCall *refused = g_new0(struct RefusedCall, 1);
    *refused = (struct RefusedCall){call, *problem};
    g_queue_push_tail(&workers->refused, refused);
    workers_kick(workers);
}

void workers_cancel(Workers *workers, Call *call) {
    if (call->cancelled) return;
    call->cancelled = true;
    if (call->link && call->id) link_cancel(call->link, call->id);
    workers_kick(workers);
}

void workers_requeue(Workers *workers, GQueue *calls) {
    Call *call;
    while ((call = g_queue_pop_tail(calls))) {
        call->phase = CALL_WAITING;
        g_queue_push_head(&workers->waiting, call);
    }
}

void workers_fail_waiting(Workers *workers, const Worker *worker, const Problem *problem) {
    GQueue failed = G_QUEUE_INIT;
    for (GList *l = workers->waiting.head, *next; l; l = next) {
        next = l->next;
        if (((Call *)l->data)->worker != worker) continue;
        g_queue_unlink(&workers->waiting, l);
        g_queue_push_tail_link(&failed, l);
    }
    Call *call;
    while ((call = g_queue_pop_head(&failed))) workers_end_call(call, NULL, problem);
}

/* ---- The budget ---- */

/* Loaded models, with who they are. */
struct Tenants {
    struct BudgetItem *items;
    Worker **workers;
    size_t n;
};

static void tenants_init(Workers *workers, struct Tenants *tenants) {
    guint size = g_hash_table_size(workers->by_name);
    *tenants = (struct Tenants){g_new0(struct BudgetItem, size), g_new0(Worker *, size), 0};
    GHashTableIter iter;
    void *value;
    g_hash_table_iter_init(&iter, workers->by_name);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Worker *worker = value;
        if (worker->phase == WORKER_AWAY || !worker->model) continue;
        tenants->workers[tenants->n] = worker;
        tenants->items[tenants->n++] = (struct BudgetItem){
            .bytes = worker->model->memory_used,
            .last_used = worker->last_used,
            .idle = worker->phase == WORKER_READY && worker_is_idle(worker),
            .leaving = worker->phase == WORKER_LEAVING,
        };
    }
}

static void tenants_done(struct Tenants *tenants) {
    g_free(tenants->items);
    g_free(tenants->workers);
}

static int too_large(const Worker *worker, uint64_t need, uint64_t budget, Problem *why) {
    g_autofree char *need_text = g_format_size_full(need, G_FORMAT_SIZE_IEC_UNITS);
    g_autofree char *budget_text = g_format_size_full(budget, G_FORMAT_SIZE_IEC_UNITS);
    return problem_set(why, PROBLEM_BUSY,
                       "The model %s needs about %s of memory, more than the whole budget of %s "
                       "(MemoryBudget= in ryzen-llmd.conf).",
                       worker->name, need_text, budget_text);
}

/* 0: it starts. 1: it has to wait until others have gone. -1: never. */
static int start_within_budget(Worker *worker, Problem *why) {
    Workers *workers = worker->workers;
    uint64_t need = budget_estimate(model_weight_bytes(worker->model));
    struct Tenants tenants;
    tenants_init(workers, &tenants);
    enum BudgetVerdict verdict =
        budget_admit(workers->config.memory_budget, need, tenants.items, tenants.n);
    for (size_t i = 0; i < tenants.n; i++)
        if (tenants.items[i].unload) worker_exit(tenants.workers[i]);
    tenants_done(&tenants);
    if (verdict == BUDGET_NEVER) return too_large(worker, need, workers->config.memory_budget, why);
    if (verdict != BUDGET_FITS) return 1;
    worker_start(worker);
    return 0;
}

/* ---- The pump ---- */

enum Step { STEP_SEND, STEP_WAIT, STEP_WAIT_FOR_ROOM, STEP_FAIL };

static void backoff_problem(const Worker *worker, int64_t now, Problem *why) {
    problem_set(why, worker->failure.kind, "%.300s (Next try in %u s.)", worker->failure.text,
                (unsigned)((worker->not_before - now + 999999) / 1000000));
}

static enum Step step_away(Worker *worker, const Call *call, int64_t now, Problem *why) {
    if (now < worker->not_before) {
        backoff_problem(worker, now, why);
        return STEP_FAIL;
    }
    int r = start_within_budget(worker, why);
    if (r <= 0) return r < 0 ? STEP_FAIL : STEP_WAIT;
    if (now - call->waiting_since < (int64_t)ROOM_TIMEOUT_USEC) return STEP_WAIT_FOR_ROOM;
    problem_set(why, PROBLEM_BUSY,
                "The models in use leave no room for %s. Try again later, or unload one.",
                worker->name);
    return STEP_FAIL;
}

static unsigned count_generating(const Worker *worker, uid_t uid) {
    unsigned n = 0;
    for (const GList *l = worker->sent.head; l; l = l->next) {
        const Call *call = l->data;
        n += call->type->generates && call->uid == uid;
    }
    return n;
}

/* The worker shares its places out, and sets those aside whose readers do not read: as many again
 * (worker/scheduler.h). So it is given more calls than it computes, but of each user no more than
 * that: one user's stalled readers leave room for another's. */
static bool has_room(const Worker *worker, uid_t uid) {
    unsigned n_places = MIN(worker->n_places, worker->workers->config.max_sequences);
    return worker->n_generating < n_places + WORKER_QUEUE &&
           count_generating(worker, uid) < n_places;
}

/* What one waiting call can do now. */
static enum Step step(const Call *call, int64_t now, Problem *why) {
    Worker *worker = call->worker;
    if (call->cancelled) {
        *why = cancelled;
        return STEP_FAIL;
    }
    if (!worker->model) {
        problem_set(why, PROBLEM_NO_SUCH_MODEL, "The model %s has been removed.", worker->name);
        return STEP_FAIL;
    }
    if (worker->phase == WORKER_AWAY) return step_away(worker, call, now, why);
    if (worker->phase != WORKER_READY || worker->retiring) return STEP_WAIT;
    if (call->type->generates && !has_room(worker, call->uid)) return STEP_WAIT;
    return STEP_SEND;
}

static void tell_loading(Call *call) {
    enum WorkerPhase phase = call->worker->phase;
    if (phase != WORKER_CONNECTING && phase != WORKER_DESCRIBING) return;
    if (call->phase == CALL_LOADING) return;
    call->phase = CALL_LOADING;
    if (call->type->moved) call->type->moved(call, CALL_LOADING);
}

/* One look at all waiting calls, in their order. Callbacks may submit calls (at the tail) and
 * cancel them (a mark) meanwhile; only this function takes some out. True when one waits for
 * memory. */
static bool look_at_queue(Workers *workers) {
    int64_t now = g_get_monotonic_time();
    bool waits = false, starves = false;

    for (GList *l = workers->waiting.head, *next; l; l = next) {
        Call *call = l->data;
        Problem problem = {0};
        next = l->next;
        enum Step what = step(call, now, &problem);
        if (what == STEP_WAIT_FOR_ROOM) {
            waits = true;
            starves |= now - call->waiting_since >= (int64_t)ROOM_PATIENCE_USEC;
        }
        if (what == STEP_SEND && starves) what = STEP_WAIT;
        if (what == STEP_WAIT) tell_loading(call);
        if (what == STEP_WAIT || what == STEP_WAIT_FOR_ROOM) continue;
        g_queue_delete_link(&workers->waiting, l);
        if (what == STEP_FAIL)
            workers_end_call(call, NULL, &problem);
        else if (worker_send(call->worker, call) > 0)
            g_queue_insert_before(&workers->waiting, next, call);
    }
    return waits;
}

/* Workers that are to leave and have nothing to do; those whose model has gone. */
static void look_at_workers(Workers *workers) {
    GHashTableIter iter;
    void *value;
    g_hash_table_iter_init(&iter, workers->by_name);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Worker *worker = value;
        if (worker->retiring && worker_is_idle(worker)) worker_exit(worker);
        if (!worker->model && worker->phase == WORKER_AWAY &&
            !count(&workers->waiting, worker, UID_NOBODYS)) {
            supervisor_remove(workers->supervisor, worker->name, NULL, NULL);
            g_hash_table_iter_remove(&iter);
        }
    }
}

static gboolean on_retry(void *userdata) {
    Workers *workers = userdata;
    workers->retry_source = 0;
    workers_kick(workers);
    return G_SOURCE_REMOVE;
}

static gboolean pump(void *userdata) {
    Workers *workers = userdata;
    struct UnloadWaiter *reply;
    struct RefusedCall *refused;

    workers->pump_source = 0;
    while ((reply = g_queue_pop_head(&workers->unload_replies))) {
        reply->done(&reply->problem, reply->userdata);
        g_free(reply);
    }
    while ((refused = g_queue_pop_head(&workers->refused))) {
        workers_end_call(refused->call, NULL, &refused->problem);
        g_free(refused);
    }
    bool waits_for_room = look_at_queue(workers);
    look_at_workers(workers);
    if (waits_for_room && !workers->retry_source)
        workers->retry_source = g_timeout_add_seconds(1, on_retry, workers);
    return G_SOURCE_REMOVE;
}

void workers_kick(Workers *workers) {
    if (!workers->pump_source)
        workers->pump_source = g_idle_add_full(G_PRIORITY_DEFAULT, pump, workers, NULL);
}

/* ---- Unloading ---- */

static void unload_reply(Workers *workers, WorkersDone done, void *userdata,
                         const Problem *problem) {
    struct UnloadWaiter *reply = g_new0(struct UnloadWaiter, 1);
    *reply = (struct UnloadWaiter){done, userdata, *problem};
    g_queue_push_tail(&workers->unload_replies, reply);
    workers_kick(workers);
}

static void cancel_all_of(Workers *workers, Worker *worker) {
    for (GList *l = workers->waiting.head; l; l = l->next)
        if (((Call *)l->data)->worker == worker) workers_cancel(workers, l->data);
    for (GList *l = worker->sent.head; l; l = l->next) workers_cancel(workers, l->data);
}

void workers_unload(Workers *workers, Model *model, enum UnloadMode mode, WorkersDone done,
                    void *userdata) {
    Worker *worker = g_hash_table_lookup(workers->by_name, model->manifest.name);
    unsigned n = g_queue_get_length(&worker->sent) + count(&workers->waiting, worker, UID_NOBODYS);
    Problem problem = {0};

    if (mode == UNLOAD_IDLE && n) {
        problem_set(&problem, PROBLEM_MODEL_IN_USE,
                    "%u requests use the model %s or wait for it. Wait, or force it.", n,
                    worker->name);
        unload_reply(workers, done, userdata, &problem);
        return;
    }
    if (mode == UNLOAD_FORCE) cancel_all_of(workers, worker);
    if (worker->phase == WORKER_AWAY) {
        unload_reply(workers, done, userdata, &problem);
        return;
    }
    worker_retire(worker, mode == UNLOAD_FORCE);
    struct UnloadWaiter waiter = {done, userdata, problem};
    g_array_append_val(worker->unload_waiters, waiter);
    workers_kick(workers);
}

/* ---- Sums ---- */

static uint64_t sum(const Workers *workers, uint64_t (*value)(const Worker *worker)) {
    uint64_t total = 0;
    GHashTableIter iter;
    void *worker;
    g_hash_table_iter_init(&iter, workers->by_name);
    while (g_hash_table_iter_next(&iter, NULL, &worker)) total += value(worker);
    return total;
}

static uint64_t memory_of(const Worker *worker) {
    return worker->model ? worker->model->memory_used : 0;
}

static uint64_t active_of(const Worker *worker) {
    return worker->sent.length;
}

uint64_t workers_memory_used(const Workers *workers) {
    return sum(workers, memory_of);
}

unsigned workers_n_active(const Workers *workers) {
    return (unsigned)sum(workers, active_of);
}

unsigned workers_n_queued(const Workers *workers) {
    return workers->waiting.length;
}
