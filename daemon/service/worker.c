#include <signal.h>
#include <string.h>

#include "service/budget.h"
#include "service/journal.h"
#include "service/limits.h"
#include "service/workers-internal.h"

Worker *worker_new(Workers *workers, const char *name) {
    Worker *worker = g_new0(Worker, 1);
    worker->workers = workers;
    worker->name = g_strdup(name);
    worker->unload_waiters = g_array_new(FALSE, FALSE, sizeof(struct UnloadWaiter));
    g_queue_init(&worker->sent);
    return worker;
}

void worker_free(Worker *worker) {
    g_clear_handle_id(&worker->timer, g_source_remove);
    link_free(worker->link);
    g_queue_clear(&worker->sent);
    g_array_unref(worker->unload_waiters);
    g_free(worker->name);
    g_free(worker);
}

bool worker_is_idle(const Worker *worker) {
    return worker->sent.length == 0;
}

static void set_state(Worker *worker, enum ModelState state, uint64_t memory_used) {
    Model *model = worker->model;
    if (!model) return;
    bool changed = model->state != state;
    model->state = state;
    model->memory_used = memory_used;
    if (changed) worker->workers->changed(model, worker->workers->userdata);
}

static void timer_set(Worker *worker, uint64_t usec, GSourceFunc expired) {
    g_clear_handle_id(&worker->timer, g_source_remove);
    if (expired) worker->timer = g_timeout_add((guint)(usec / 1000), expired, worker);
}

/* ---- Calls ---- */

/* Out of the sent ones. */
static void call_take(Worker *worker, Call *call) {
    g_queue_remove(&worker->sent, call);
    if (call->type->generates) worker->n_generating--;
    if (call->link) link_forget(worker->link, call);
    if (worker->model) worker->model->n_active = g_queue_get_length(&worker->sent);
    worker->last_used = g_get_monotonic_time();
}

int worker_send(Worker *worker, Call *call) {
    int r = call->type->method ? link_send(worker->link, call) : 0;
    worker->last_used = g_get_monotonic_time();
    if (r > 0) return r;
    if (!call->type->method) {
        workers_end_call(call, NULL, NULL);
        return 0;
    }
    if (r < 0) {
        Problem problem;
        problem_set(&problem, PROBLEM_INVALID_ARGUMENT, "This can't be passed to the worker: %s.",
                    g_strerror(-r));
        workers_end_call(call, NULL, &problem);
        return 0;
    }
    call->n_sent++;
    call->phase = CALL_SENT;
    g_queue_push_tail(&worker->sent, call);
    if (call->type->generates) worker->n_generating++;
    if (worker->model) worker->model->n_active = g_queue_get_length(&worker->sent);
    if (call->type->moved) call->type->moved(call, CALL_SENT);
    return 0;
}

static void fail_sent(Worker *worker, const Problem *problem) {
    Call *call;
    while ((call = g_queue_peek_head(&worker->sent))) {
        call_take(worker, call);
        workers_end_call(call, NULL, problem);
    }
}

/* It left without having begun them: nobody needs to know. */
static void resend_sent(Worker *worker) {
    static const Problem cancelled = {PROBLEM_CANCELLED, "The request was cancelled."};
    static const Problem restless = {PROBLEM_WORKER_DIED,
                                     "The model's worker left several times before it began."};
    GQueue again = G_QUEUE_INIT;
    Call *call;
    while ((call = g_queue_peek_head(&worker->sent))) {
        call_take(worker, call);
        if (call->cancelled)
            workers_end_call(call, NULL, &cancelled);
        else if (call->n_sent > RESEND_MAX)
            workers_end_call(call, NULL, &restless);
        else
            g_queue_push_tail(&again, call);
    }
    workers_requeue(worker->workers, &again);
}

/* ---- Ends ---- */

static void worker_away(Worker *worker) {
    timer_set(worker, 0, NULL);
    worker->link = link_free(worker->link);
    worker->phase = WORKER_AWAY;
    worker->retiring = false;
    worker->serving = false;
    set_state(worker, MODEL_UNLOADED, 0);
    g_autoptr(GArray) waiters = g_steal_pointer(&worker->unload_waiters);
    worker->unload_waiters = g_array_new(FALSE, FALSE, sizeof(struct UnloadWaiter));
    workers_kick(worker->workers);
    for (guint i = 0; i < waiters->len; i++) {
        const struct UnloadWaiter *waiter = &g_array_index(waiters, struct UnloadWaiter, i);
        waiter->done(&(Problem){0}, waiter->userdata);
    }
}

/* It could not be loaded: those who wait for it hear why, and the next try waits a little longer.
 */
static void worker_failed(Worker *worker, const Problem *problem) {
    uint64_t backoff = BACKOFF_FIRST_USEC << MIN(worker->n_failures, 10);
    worker->n_failures++;
    worker->not_before = g_get_monotonic_time() + (int64_t)MIN(backoff, BACKOFF_MAX_USEC);
    worker->failure = *problem;
    worker->n_restless = 0;
    journal_model(LOG_ERR, worker->name, "Loading %s failed: %s", worker->name, problem->text);
    fail_sent(worker, problem);
    workers_fail_waiting(worker->workers, worker, problem);
    worker_away(worker);
}

/* One that was about to leave when it was connected to: its successor will do. */
static bool left_by_itself(const struct WorkerEnd *end) {
    return end->kind == END_UNKNOWN || (end->kind == END_EXITED && end->code == 0);
}

static bool may_try_again(Worker *worker) {
    return worker->serving || ++worker->n_restless <= RESEND_MAX;
}

static void on_explained(const struct WorkerEnd *end, void *userdata) {
    Worker *worker = userdata;
    g_autofree char *how = worker_end_describe(end);
    Problem problem;
    if (worker->serving) {
        problem_set(&problem, PROBLEM_WORKER_DIED,
                    "The worker of the model %s %s. Try again: the next request starts a new one.",
                    worker->name, how);
        journal_model(LOG_ERR, worker->name, "%s", problem.text);
        fail_sent(worker, &problem);
        worker_away(worker);
        return;
    }
    if (left_by_itself(end) && may_try_again(worker)) {
        worker_away(worker);
        return;
    }
    /* One that ends with an error while it loads has found the file to be bad. */
    bool bad = end->kind == END_EXITED && end->code != 0;
    problem_set(&problem, bad ? PROBLEM_BAD_MODEL : PROBLEM_WORKER_DIED,
                "The worker of the model %s did not start: it %s.", worker->name, how);
    worker_failed(worker, &problem);
}

/* As it should be; now its memory is free as well. */
static void on_left(const struct WorkerEnd *end, void *userdata) {
    Worker *worker = userdata;
    resend_sent(worker);
    worker_away(worker);
}

static void on_lost(void *userdata) {
    Worker *worker = userdata;
    worker->link = link_free(worker->link);
    for (GList *l = worker->sent.head; l; l = l->next) {
        Call *call = l->data;
        call->slot = sd_bus_slot_unref(call->slot);
        call->link = NULL;
    }
    timer_set(worker, 0, NULL);
    if (worker->phase == WORKER_LEAVING && may_try_again(worker)) {
        supervisor_explain(worker->workers->supervisor, worker->name, on_left, worker);
        return;
    }
    worker->phase = WORKER_EXPLAINING;
    supervisor_explain(worker->workers->supervisor, worker->name, on_explained, worker);
}

static gboolean on_exit_timeout(void *userdata) {
    Worker *worker = userdata;
    worker->timer = 0;
    journal_model(LOG_WARNING, worker->name, "The worker of %s did not exit, killing it.",
                  worker->name);
    supervisor_kill(worker->workers->supervisor, worker->name);
    return G_SOURCE_REMOVE;
}

void worker_exit(Worker *worker) {
    if (worker->phase != WORKER_READY) return;
    worker->phase = WORKER_LEAVING;
    link_exit(worker->link);
    timer_set(worker, EXIT_TIMEOUT_USEC, on_exit_timeout);
}

void worker_retire(Worker *worker, bool hurry) {
    worker->retiring = true;
    if (hurry && worker->phase == WORKER_READY)
        timer_set(worker, EXIT_TIMEOUT_USEC, on_exit_timeout);
}

/* ---- Loading ---- */

/* One that began to load before the packed file was there says what it found. */
static void packed_note(Model *model, enum ModelPacked packed) {
    if (model->packed == MODEL_PACKED_PACKING && packed == MODEL_PACKED_STALE) return;
    model->packed = packed;
}

static void on_ready(const struct LinkDescription *description, void *userdata) {
    Worker *worker = userdata;
    timer_set(worker, 0, NULL);
    worker->phase = WORKER_READY;
    worker->serving = true;
    worker->n_failures = 0;
    worker->n_restless = 0;
    worker->last_used = g_get_monotonic_time();
    if (worker->model) packed_note(worker->model, description->packed);
    set_state(worker, MODEL_LOADED,
              description->memory_bytes ? description->memory_bytes
              : worker->model           ? worker->model->memory_used
                                        : 0);
    workers_kick(worker->workers);
}

static void on_refused(const Problem *why, void *userdata) {
    Worker *worker = userdata;
    Problem problem;
    problem_set(&problem, why->kind, "The model %s can't be loaded: %s", worker->name, why->text);
    worker_failed(worker, &problem);
}

static void on_answered(Call *call, sd_bus_message *answer, const Problem *problem,
                        void *userdata) {
    Worker *worker = userdata;
    call_take(worker, call);
    workers_kick(worker->workers);
    workers_end_call(call, answer, problem);
}

static void on_closing(void *userdata) {
    Worker *worker = userdata;
    if (worker->phase != WORKER_READY && worker->phase != WORKER_DESCRIBING) return;
    worker->phase = WORKER_LEAVING;
    timer_set(worker, EXIT_TIMEOUT_USEC, on_exit_timeout);
}

static const struct LinkEvents link_events = {on_ready, on_refused, on_answered, on_closing,
                                              on_lost};

static gboolean on_load_timeout(void *userdata) {
    Worker *worker = userdata;
    Problem problem;
    worker->timer = 0;
    problem_set(&problem, PROBLEM_WORKER_DIED,
                "The worker of the model %s was not ready within %u seconds.", worker->name,
                (unsigned)(LOAD_TIMEOUT_USEC / 1000000));
    supervisor_kill(worker->workers->supervisor, worker->name);
    worker_failed(worker, &problem);
    return G_SOURCE_REMOVE;
}

static void on_connected(int fd, const Problem *problem, void *userdata) {
    Worker *worker = userdata;
    Problem failure;
    if (fd < 0) {
        worker_failed(worker, problem);
        return;
    }
    worker->phase = WORKER_DESCRIBING;
    timer_set(worker, LOAD_TIMEOUT_USEC, on_load_timeout);
    int r = link_new(fd, &link_events, worker, &worker->link);
    if (r < 0) {
        problem_set(&failure, PROBLEM_FAILED, "Can't talk to the worker of the model %s: %s.",
                    worker->name, g_strerror(-r));
        worker_failed(worker, &failure);
    }
}

void worker_start(Worker *worker) {
    worker->phase = WORKER_CONNECTING;
    worker->n_places = worker->workers->config.max_sequences;
    set_state(worker, MODEL_LOADING, budget_estimate(model_weight_bytes(worker->model)));
    supervisor_connect(worker->workers->supervisor, worker->name, on_connected, worker);
}
