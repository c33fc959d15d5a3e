#include "worker/call.h"

#include "worker/log.h"
#include "worker/scheduler.h"
#include "worker/worker.h"

struct Call {
    Worker *worker;
    Connection *connection;  /* NULL: lost */
    sd_bus_message *message; /* holds a reference to its bus */
    CallReply *reply;
    bool has_id;
    uint64_t id;
    size_t n_left;
    size_t n_jobs;
    struct Job *jobs[];
};

static void call_free(Call *self) {
    for (size_t i = 0; i < self->n_jobs; i++) job_free(self->jobs[i]);
    sd_bus_message_unref(self->message);
    g_free(self);
}

static void call_finish(Call *self) {
    Worker *worker = self->worker;

    if (self->connection) {
        int r = self->reply(self->message, self->jobs, self->n_jobs);
        if (r < 0) log_message(LOG_WARNING, "Cannot answer a call: %s", g_strerror(-r));
        connection_remove_call(self->connection, self);
    }
    call_free(self);
    worker_touch(worker);
}

static void job_finished(struct Job *job, void *userdata) {
    Call *self = userdata;

    self->n_left--;
    if (self->n_left == 0)
        call_finish(self);
    else if (job->finish == FINISH_ERROR)
        call_cancel(self); /* the rest is of no use */
}

int call_start(Connection *connection, sd_bus_message *message, const uint64_t *id,
               struct Job **jobs, size_t n_jobs, CallReply *reply, struct Failure *failure) {
    Call *self = g_malloc0(sizeof *self + n_jobs * sizeof *jobs);

    for (size_t i = 0; i < n_jobs; i++) {
        self->jobs[i] = jobs[i];
        jobs[i]->finished = job_finished;
        jobs[i]->userdata = self;
    }
    self->worker = connection_worker(connection);
    int r = scheduler_submit(worker_scheduler(self->worker), jobs, n_jobs);
    if (r < 0) {
        g_free(self);
        return failure_set_errno(failure, r, NULL);
    }
    self->connection = connection;
    self->message = sd_bus_message_ref(message);
    self->reply = reply;
    self->has_id = id != NULL;
    self->id = id ? *id : 0;
    self->n_left = self->n_jobs = n_jobs;
    connection_add_call(connection, self);
    worker_touch(self->worker);
    return 0;
}

const uint64_t *call_id(const Call *self) {
    return self->has_id ? &self->id : NULL;
}

/* Harmless for jobs of this call that have come back already: they are kept until the last one. */
void call_cancel(Call *self) {
    for (size_t i = 0; i < self->n_jobs; i++)
        scheduler_cancel(worker_scheduler(self->worker), self->jobs[i]);
}

void call_orphan(Call *self) {
    self->connection = NULL;
    call_cancel(self);
}
