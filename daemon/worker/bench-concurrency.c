#include "worker/bench-concurrency.h"

#include <errno.h>
#include <stdlib.h>

#include "worker/stepper.h"

#define MAX_USERS 8u
#define N_PROMPT 64u
#define N_ANSWER 32u

/* Rows of the table of figures. */
enum { GAPS, FIRSTS, N_KINDS };

typedef struct {
    struct Job job; /* first */
    struct Concurrency *owner;
    double sent, last; /* when the prompt came, and its last token */
} User;

struct Concurrency {
    Engine *engine;
    const struct ConcurrencyOptions *options;
    const struct Report *report;
    struct StepCost cost;
    Stepper *stepper;
    GPtrArray *jobs; /* of the users that there are */
    User users[MAX_USERS];
    struct Samples samples[N_KINDS]; /* between two tokens of a user; from prompt to first token */
    uint64_t n_tokens;               /* of answers */
    uint32_t seed;
};

static Token token_next(struct Concurrency *self) {
    self->seed = self->seed * 1664525u + 1013904223u;
    return (Token)((self->seed >> 8) % engine_info(self->engine)->n_vocab);
}

static void computed(struct Job *job, const struct Span *span) {
    User *user = (User *)job;
    struct Concurrency *self = user->owner;
    if (job->n_fed < job->n_tokens) return;
    const double now = bench_now();
    if (job->n_tokens == job->n_prompt)
        bench_sample(&self->samples[FIRSTS], now - user->sent);
    else
        bench_sample(&self->samples[GAPS], now - user->last);
    user->last = now;
    self->n_tokens++;
    job->tokens[job->n_tokens++] = token_next(self);
    if (job->n_tokens == N_PROMPT + N_ANSWER) job->finish = FINISH_LENGTH;
}

static const struct JobType job_type = {
    .last_output = SPAN_LAST_LOGITS,
    .other_output = SPAN_NOTHING,
    .computed = computed,
};

/* A new prompt, in a sequence of its own. */
static int user_send(struct Concurrency *self, User *user) {
    struct Job *job = &user->job;
    job->sequence = sequence_free(job->sequence);
    job->finish = FINISH_NONE;
    job->n_fed = 0;
    job->n_prompt = job->n_tokens = N_PROMPT;
    for (unsigned i = 0; i < N_PROMPT; i++) job->tokens[i] = token_next(self);
    user->sent = bench_now();
    return sequence_new(self->engine, &job->sequence);
}

static int user_start(struct Concurrency *self, unsigned i) {
    User *user = &self->users[i];
    user->owner = self;
    user->job.type = &job_type;
    user->job.tokens = g_new(Token, N_PROMPT + N_ANSWER);
    g_ptr_array_add(self->jobs, &user->job);
    return user_send(self, user);
}

static void users_end(struct Concurrency *self) {
    for (guint i = 0; i < self->jobs->len; i++) {
        struct Job *job = self->jobs->pdata[i];
        job->sequence = sequence_free(job->sequence);
        g_clear_pointer(&job->tokens, g_free);
    }
    g_ptr_array_set_size(self->jobs, 0);
}

/* Who has all of an answer asks again. */
static int round_run(struct Concurrency *self) {
    int r = stepper_step(self->stepper, self->jobs) > 0 ? 0 : -EIO;
    for (guint i = 0; r == 0 && i < self->jobs->len; i++) {
        struct Job *job = self->jobs->pdata[i];
        if (job->finish == FINISH_ERROR) r = -EIO;
        if (job->finish == FINISH_LENGTH) r = user_send(self, (User *)job);
    }
    return r;
}

static int rounds_run(struct Concurrency *self, unsigned at, double *ret_seconds) {
    const double budget = self->options->budget_sec, start = bench_now();
    double now = start;
    int r = 0;
    while (r == 0 && (now - start < budget || self->samples[GAPS].n == 0)) {
        r = round_run(self);
        now = bench_now();
        if (report_progress(self->report, "concurrency", at * budget + MIN(now - start, budget),
                            4 * budget))
            return -ECANCELED;
    }
    *ret_seconds = now - start;
    return r;
}

static void tell(const struct Concurrency *self, const char *name, double value, const char *unit) {
    const struct Figure figure = {
        .suite = "concurrency",
        .model = self->options->model,
        .weights = engine_info(self->engine)->weights,
        .name = name,
        .n = self->jobs->len,
        .n_threads = engine_n_threads(self->engine),
        .value = value,
        .unit = unit,
    };
    self->report->figure(self->report->userdata, &figure);
}

static void users_tell(struct Concurrency *self, double seconds) {
    struct Samples *gaps = &self->samples[GAPS], *firsts = &self->samples[FIRSTS];
    tell(self, "served", (double)self->n_tokens / seconds, "tokens/s");
    tell(self, "between tokens, half", bench_quantile(gaps, 0.5) * 1e3, "ms");
    tell(self, "between tokens, 95 %", bench_quantile(gaps, 0.95) * 1e3, "ms");
    tell(self, "first token, half", bench_quantile(firsts, 0.5) * 1e3, "ms");
    tell(self, "first token, 95 %", bench_quantile(firsts, 0.95) * 1e3, "ms");
}

/* Users come one after the other, so that answers and prompts meet. */
static int users_run(struct Concurrency *self, unsigned n_users, unsigned at) {
    double seconds = 0;
    int r = 0;
    for (unsigned i = 0; r == 0 && i < n_users; i++) {
        r = user_start(self, i);
        for (unsigned k = 0; r == 0 && k < N_ANSWER / n_users; k++) r = round_run(self);
    }
    self->n_tokens = 0;
    for (unsigned i = 0; i < N_KINDS; i++) self->samples[i] = (struct Samples){.n = 0};
    if (r == 0) r = rounds_run(self, at, &seconds);
    if (r == 0) users_tell(self, seconds);
    users_end(self);
    return r;
}

int bench_concurrency(Engine *engine, const struct ConcurrencyOptions *options,
                      const struct Report *report) {
    struct Concurrency *self = g_new0(struct Concurrency, 1);
    int r = 0;
    self->engine = engine;
    self->options = options;
    self->report = report;
    self->stepper = stepper_new(engine, &self->cost, NULL);
    self->jobs = g_ptr_array_new();
    for (unsigned n = 1, at = 0; r == 0 && n <= MAX_USERS; n *= 2, at++) r = users_run(self, n, at);
    stepper_free(self->stepper);
    g_ptr_array_unref(self->jobs);
    g_free(self);
    return r;
}
