#include "worker/scheduler.h"

#include <errno.h>
#include <poll.h>

#include "worker/limits.h"
#include "worker/stepper.h"

struct Scheduler {
    struct SchedulerOptions options;
    Mailbox *mailbox;
    GThread *thread;
    unsigned n_jobs, n_calls; /* main thread */

    /* Compute thread; engine and why are handed over with mailbox_opened(). */
    Engine *engine;
    struct Drafting drafting;
    Reason why;
    Stepper *stepper;
    bool has_stepped, has_settled; /* weights settle between the first step and those that follow */
    GPtrArray *jobs; /* struct Job *, in the order in which they came, until they are returned */
    GArray *polls;   /* struct pollfd */
};

/* ---- One job ---- */

static bool job_is_queued(const struct Job *job) {
    return !job->sequence && !job->finish;
}

/* Holds memory, but does not compete for the step. */
static bool job_is_parked(const struct Job *job) {
    return job->sequence && job->parked_usec;
}

/* Frees the sequence and writes the last lines; what the reader does not take at once lingers. */
static void job_end(struct Job *job, enum Finish finish) {
    job->finish = finish;
    job->sequence = sequence_free(job->sequence);
    job->ended_usec = g_get_monotonic_time();
    job->type->ended(job);
}

static gint64 linger_usec(const struct Job *job) {
    return job->finish == FINISH_CANCELLED ? LINGER_CANCELLED_USEC : LINGER_USEC;
}

/* Parks or resumes, as the stream says. */
static void job_follow_stream(struct Job *job, gint64 now_usec) {
    bool full = job->stream && stream_state(job->stream) == STREAM_FULL;

    if (!full)
        job->parked_usec = 0;
    else if (!job->parked_usec)
        job->parked_usec = now_usec;
}

static bool job_is_gone(const struct Job *job) {
    return job->stream && stream_state(job->stream) == STREAM_GONE;
}

/* ---- All jobs ---- */

static unsigned count(const Scheduler *self, bool (*is)(const struct Job *job)) {
    unsigned n = 0;
    for (guint i = 0; i < self->jobs->len; i++) n += is(self->jobs->pdata[i]);
    return n;
}

static bool job_is_resident(const struct Job *job) {
    return job->sequence != NULL;
}

static bool job_is_running(const struct Job *job) {
    return job_is_resident(job) && !job_is_parked(job);
}

static unsigned namespace_n_resident(const Scheduler *self, uint32_t namespace) {
    unsigned n = 0;
    for (guint i = 0; i < self->jobs->len; i++) {
        const struct Job *job = self->jobs->pdata[i];
        n += job_is_resident(job) && job->namespace == namespace;
    }
    return n;
}

/* The first of those queued whose namespace has the fewest jobs resident, if it has a place: one of
 * max_sequences, or one besides for a namespace that has none. NULL: nobody. */
static struct Job *queued_next(const Scheduler *self) {
    struct Job *next = NULL;
    unsigned fewest = G_MAXUINT;

    for (guint i = 0; i < self->jobs->len; i++) {
        struct Job *job = self->jobs->pdata[i];
        if (!job_is_queued(job)) continue;
        unsigned n = namespace_n_resident(self, job->namespace);
        if (n >= fewest) continue;
        fewest = n;
        next = job;
    }
    bool has_place = fewest == 0 || count(self, job_is_running) < self->options.max_sequences;
    return has_place ? next : NULL;
}

static bool is_full(const Scheduler *self) {
    return count(self, job_is_resident) >= 2 * self->options.max_sequences;
}

/* A queued job could compute, had the parked ones not taken all memory. */
static bool is_crowded(const Scheduler *self) {
    return is_full(self) && queued_next(self);
}

static struct Job *longest_parked(const Scheduler *self) {
    struct Job *longest = NULL;

    for (guint i = 0; i < self->jobs->len; i++) {
        struct Job *job = self->jobs->pdata[i];
        if (job_is_parked(job) && (!longest || job->parked_usec < longest->parked_usec))
            longest = job;
    }
    return longest;
}

/* When something has to happen although nothing comes; -1: never. */
static gint64 deadline_next(const Scheduler *self) {
    gint64 next = G_MAXINT64;
    struct Job *parked = longest_parked(self);

    if (parked)
        next = parked->parked_usec +
               (is_crowded(self) ? self->options.parked_grace_usec : self->options.parked_max_usec);
    for (guint i = 0; i < self->jobs->len; i++) {
        struct Job *job = self->jobs->pdata[i];
        if (job->finish) next = MIN(next, job->ended_usec + linger_usec(job));
    }
    return next == G_MAXINT64 ? -1 : next;
}

static void parked_give_way(Scheduler *self, gint64 now_usec) {
    struct Job *job = longest_parked(self);
    if (!job) return;

    gint64 parked_usec = now_usec - job->parked_usec;
    bool crowded = is_crowded(self) && parked_usec >= self->options.parked_grace_usec;
    if (!crowded && parked_usec < self->options.parked_max_usec) return;
    failure_set(&job->failure, ERROR_CANCELLED, "The reader did not read for %d seconds%s.",
                (int)(parked_usec / G_USEC_PER_SEC), crowded ? ", and others were waiting" : "");
    job_end(job, FINISH_ERROR);
}

/* Ends what was cancelled; true: over, nothing waits to be written. */
static bool job_review(struct Job *job, gint64 now_usec) {
    if (!job->finish && (mail_is_cancelled(&job->mail) || job_is_gone(job)))
        job_end(job, FINISH_CANCELLED);
    job_follow_stream(job, now_usec);
    if (!job->finish) return false;
    return !job->parked_usec || now_usec >= job->ended_usec + linger_usec(job);
}

static void jobs_review(Scheduler *self, gint64 now_usec) {
    parked_give_way(self, now_usec);
    for (guint i = 0; i < self->jobs->len;) {
        struct Job *job = self->jobs->pdata[i];
        if (job_review(job, now_usec)) {
            g_ptr_array_remove_index(self->jobs, i);
            mailbox_return(self->mailbox, &job->mail);
        } else {
            i++;
        }
    }
}

/* Returns true when a job ended here, and is to be reviewed before anyone waits. */
static bool jobs_admit(Scheduler *self, gint64 now_usec) {
    bool ended = false;
    struct Job *job;

    while (!is_full(self) && (job = queued_next(self))) {
        job->admitted_usec = now_usec;
        int r = sequence_new(self->engine, &job->sequence);
        if (r >= 0) continue;
        failure_set_errno(&job->failure, r, NULL);
        job_end(job, FINISH_ERROR);
        ended = true;
    }
    return ended;
}

/* Ends those that have just finished by themselves. */
static void jobs_end(Scheduler *self) {
    for (guint i = 0; i < self->jobs->len; i++) {
        struct Job *job = self->jobs->pdata[i];
        if (job->finish && job->sequence) job_end(job, job->finish);
    }
}

static void load_publish(Scheduler *self) {
    struct Load load = {
        .n_waiting = count(self, job_is_queued),
        .n_parked = count(self, job_is_parked),
        .n_running = count(self, job_is_running),
    };
    for (guint i = 0; i < self->jobs->len; i++) {
        struct Job *job = self->jobs->pdata[i];
        if (job->sequence) load.sequence_bytes += sequence_bytes(job->sequence);
        if (job->type->bytes) load.sequence_bytes += job->type->bytes(job);
    }
    mailbox_set_load(self->mailbox, &load);
}

/* ---- The compute thread ---- */

static void polls_fill(Scheduler *self) {
    struct pollfd mail = {.fd = mailbox_fd(self->mailbox), .events = POLLIN};

    g_array_set_size(self->polls, 0);
    g_array_append_val(self->polls, mail);
    for (guint i = 0; i < self->jobs->len; i++) {
        struct Job *job = self->jobs->pdata[i];
        struct pollfd stream = {.fd = job->stream ? stream_fd(job->stream) : -1};
        if (job->parked_usec) stream.events = POLLOUT;
        g_array_append_val(self->polls, stream);
    }
}

/* Milliseconds for poll(), rounded up so that a deadline has passed when it returns. */
static int timeout_msec(gint64 deadline_usec) {
    if (deadline_usec < 0) return -1;
    gint64 left_usec = MAX(deadline_usec - g_get_monotonic_time(), 0);
    return (int)MIN((left_usec + 999) / 1000, G_MAXINT);
}

/* Looks at mail and streams; waits for them when there is nothing to compute. */
static void streams_poll(Scheduler *self, bool busy) {
    polls_fill(self);
    struct pollfd *polls = (struct pollfd *)(void *)self->polls->data;
    int n = poll(polls, self->polls->len, busy ? 0 : timeout_msec(deadline_next(self)));

    for (guint i = 0; n > 0 && i < self->jobs->len; i++) {
        struct Job *job = self->jobs->pdata[i];
        short events = polls[i + 1].revents;
        if (events & (POLLERR | POLLNVAL))
            stream_lost(job->stream);
        else if (events & POLLOUT)
            stream_flush(job->stream);
    }
}

static bool mail_take(Scheduler *self) {
    GQueue mails = G_QUEUE_INIT;
    GList *link;

    bool go_on = mailbox_take(self->mailbox, &mails);
    while ((link = g_queue_pop_head_link(&mails))) g_ptr_array_add(self->jobs, link->data);
    return go_on;
}

static void jobs_cancel_all(Scheduler *self) {
    for (guint i = 0; i < self->jobs->len; i++) {
        struct Job *job = self->jobs->pdata[i];
        if (!job->finish) job_end(job, FINISH_CANCELLED);
        mailbox_return(self->mailbox, &job->mail);
    }
    g_ptr_array_set_size(self->jobs, 0);
}

/* A little, once the first token is out; whatever the models' weights gain, nobody waits for it. */
static bool weights_settle(Scheduler *self) {
    if (!self->has_stepped || self->has_settled) return false;
    Engine *draft = self->drafting.model;
    self->has_settled = !engine_settle(self->engine) && !(draft && engine_settle(draft));
    return !self->has_settled;
}

static void compute(Scheduler *self) {
    bool busy = false;

    for (;;) {
        streams_poll(self, busy);
        if (!mail_take(self)) break;
        gint64 now_usec = g_get_monotonic_time();
        jobs_review(self, now_usec);
        busy = jobs_admit(self, now_usec);
        load_publish(self);
        busy |= weights_settle(self);
        const bool stepped = stepper_step(self->stepper, self->jobs) > 0;
        self->has_stepped |= stepped;
        busy |= stepped;
        jobs_end(self);
    }
    jobs_cancel_all(self);
}

static void *compute_thread(void *data) {
    Scheduler *self = data;
    Engine *engine = NULL, *draft = NULL;

    int r = self->options.open(self->options.userdata, &engine, &draft, &self->why);
    self->engine = engine;
    self->drafting.model = draft;
    if (engine) self->drafting.n_vocab = engine_info(engine)->n_vocab;
    mailbox_opened(self->mailbox, r);
    if (r < 0) return NULL;

    self->stepper = stepper_new(engine, &self->drafting.cost, NULL);
    compute(self);
    stepper_free(self->stepper);
    engine_free(draft); /* first: it computes with the other one's threads */
    engine_free(engine);
    return NULL;
}

/* ---- Main thread ---- */

static void handle_opened(void *userdata, int result) {
    Scheduler *self = userdata;
    self->options.opened(self->options.userdata, result, &self->why);
}

static void handle_returned(void *userdata, struct Mail *mail) {
    Scheduler *self = userdata;
    struct Job *job = (struct Job *)mail;

    self->n_jobs--;
    self->n_calls -= job->last_of_call;
    job->finished(job, job->userdata);
}

Scheduler *scheduler_new(const struct SchedulerOptions *options, GMainContext *context) {
    Scheduler *self = g_new0(Scheduler, 1);
    const struct MailboxHandlers handlers = {handle_opened, handle_returned, self};

    self->options = *options;
    self->mailbox = mailbox_new(context, &handlers);
    if (!self->mailbox) {
        g_free(self);
        return NULL;
    }
    self->jobs = g_ptr_array_new();
    self->polls = g_array_new(FALSE, FALSE, sizeof(struct pollfd));
    self->thread = g_thread_new("compute", compute_thread, self);
    return self;
}

void scheduler_free(Scheduler *self) {
    if (!self) return;
    mailbox_stop(self->mailbox);
    g_thread_join(self->thread);
    mailbox_dispatch(self->mailbox);
    mailbox_free(self->mailbox);
    g_ptr_array_unref(self->jobs);
    g_array_unref(self->polls);
    g_free(self);
}

const Engine *scheduler_engine(const Scheduler *self) {
    return self->engine;
}

struct Drafting *scheduler_drafting(Scheduler *self) {
    return &self->drafting;
}

int scheduler_submit(Scheduler *self, struct Job **jobs, size_t n) {
    if (self->n_calls >= self->options.max_sequences + self->options.queue) return -EBUSY;

    for (size_t i = 0; i < n; i++) {
        jobs[i]->submitted_usec = g_get_monotonic_time();
        jobs[i]->last_of_call = i == n - 1;
        mailbox_submit(self->mailbox, &jobs[i]->mail);
    }
    self->n_jobs += (unsigned)n;
    self->n_calls++;
    return 0;
}

void scheduler_cancel(Scheduler *self, struct Job *job) {
    mailbox_cancel(self->mailbox, &job->mail);
}

unsigned scheduler_n_jobs(const Scheduler *self) {
    return self->n_jobs;
}

struct Load scheduler_load(Scheduler *self) {
    return mailbox_load(self->mailbox);
}

bool scheduler_is_alive(Scheduler *self) {
    return mailbox_ping(self->mailbox);
}
