#include "worker/bench-concurrency.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/bench/step-work.h"
#include "worker/stepper.h"

#define MAX_USERS 8u
#define N_PROMPT 64u
#define N_ANSWER 32u
#define N_LONG 2000u /* a prompt that somebody else's answer meets, and that answer */

#define N_MEASUREMENTS 5u /* 1, 2, 4, 8 users, and the long prompt */

/* What is measured of single users. */
enum { GAPS, FIRSTS, N_KINDS };

typedef struct {
    struct Job job; /* first */
    struct Concurrency *owner;
    uint32_t n_prompt, n_answer;
    double sent, last; /* when the prompt came, and its last token */
} User;

struct Concurrency {
    Engine *engine;
    const struct ConcurrencyOptions *options;
    const struct Report *report;
    struct StepCost cost;
    Stepper *stepper;
    GPtrArray *jobs; /* of the users that there are */
    unsigned at;     /* number of the measurement, for the progress line */
    User users[MAX_USERS];
    struct Samples samples[N_KINDS]; /* between two tokens of a user; from prompt to first token */
    uint64_t n_tokens, n_read;       /* of answers; of prompts */
    unsigned n_answers;              /* that have ended */
    uint32_t seed;
    char weights[STEP_WEIGHTS_SIZE];
};

static Token token_next(struct Concurrency *self) {
    self->seed = self->seed * 1664525u + 1013904223u;
    return (Token)((self->seed >> 8) % engine_info(self->engine)->n_vocab);
}

static void computed(struct Job *job, const struct Span *span) {
    User *user = (User *)job;
    struct Concurrency *self = user->owner;
    if (job->n_fed <= job->n_prompt) self->n_read += span->n_tokens;
    if (job->n_fed < job->n_tokens) return;
    const double now = bench_now();
    if (job->n_tokens == job->n_prompt)
        bench_sample(&self->samples[FIRSTS], now - user->sent);
    else
        bench_sample(&self->samples[GAPS], now - user->last);
    user->last = now;
    self->n_tokens++;
    job->tokens[job->n_tokens++] = token_next(self);
    if (job->n_tokens == user->n_prompt + user->n_answer) {
        job->finish = FINISH_LENGTH;
        self->n_answers++;
    }
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
    job->n_prompt = job->n_tokens = user->n_prompt;
    for (unsigned i = 0; i < user->n_prompt; i++) job->tokens[i] = token_next(self);
    user->sent = bench_now();
    return sequence_new(self->engine, &job->sequence);
}

static int user_start(struct Concurrency *self, uint32_t n_prompt, uint32_t n_answer) {
    const uint32_t id = self->jobs->len;
    User *user = &self->users[id];
    *user = (User){.owner = self, .n_prompt = n_prompt, .n_answer = n_answer};
    user->job.type = &job_type;
    user->job.namespace = id;
    user->job.tokens = g_new(Token, n_prompt + n_answer);
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

static int rounds_run(struct Concurrency *self, unsigned n) {
    int r = 0;
    while (r == 0 && n-- > 0) r = round_run(self);
    return r;
}

/* Rounds for the time that a figure gets, and for an answer of each user. */
static int measure(struct Concurrency *self, unsigned n_answers, double *ret_seconds) {
    const double budget = self->options->budget_sec, start = bench_now();
    double now = start;
    int r = 0;
    self->n_tokens = self->n_read = self->n_answers = 0;
    for (unsigned i = 0; i < N_KINDS; i++) self->samples[i] = (struct Samples){.n = 0};
    while (r == 0 && (now - start < budget || self->n_answers < n_answers)) {
        r = round_run(self);
        now = bench_now();
        if (report_progress(self->report, "concurrency",
                            self->at * budget + MIN(now - start, budget), N_MEASUREMENTS * budget))
            return -ECANCELED;
    }
    self->at++;
    *ret_seconds = now - start;
    return r;
}

static void tell(const struct Concurrency *self, const char *name, unsigned n, double value,
                 const char *unit) {
    const struct Figure figure = {
        .suite = "concurrency",
        .model = self->options->model,
        .weights = self->weights,
        .name = name,
        .n = n,
        .n_threads = engine_n_threads(self->engine),
        .value = value,
        .unit = unit,
    };
    self->report->figure(self->report->userdata, &figure);
}

static double quantile_ms(struct Concurrency *self, unsigned kind, double fraction) {
    return bench_quantile(&self->samples[kind], fraction) * 1e3;
}

static void users_tell(struct Concurrency *self, double seconds) {
    const unsigned n = self->jobs->len;
    tell(self, "served", n, (double)self->n_tokens / seconds, "tokens/s");
    tell(self, "between tokens, half", n, quantile_ms(self, GAPS, 0.5), "ms");
    tell(self, "between tokens, 95 %", n, quantile_ms(self, GAPS, 0.95), "ms");
    tell(self, "between tokens, worst", n, quantile_ms(self, GAPS, 1), "ms");
    tell(self, "first token, half", n, quantile_ms(self, FIRSTS, 0.5), "ms");
    tell(self, "first token, 95 %", n, quantile_ms(self, FIRSTS, 0.95), "ms");
}

/* Users come one after the other, so that answers and prompts meet. */
static int users_run(struct Concurrency *self, unsigned n_users) {
    double seconds = 0;
    int r = 0;
    for (unsigned i = 0; r == 0 && i < n_users; i++) {
        r = user_start(self, N_PROMPT, N_ANSWER);
        if (r == 0) r = rounds_run(self, N_ANSWER / n_users);
    }
    if (r == 0) r = measure(self, n_users, &seconds);
    if (r == 0) users_tell(self, seconds);
    users_end(self);
    return r;
}

/* Somebody reads an answer, and a long prompt of another user comes. */
static int prompt_run(struct Concurrency *self) {
    double seconds = 0;
    int r = user_start(self, N_PROMPT, N_LONG);
    if (r == 0) r = rounds_run(self, N_ANSWER);
    if (r == 0) r = user_start(self, N_LONG, 1);
    if (r == 0) r = measure(self, 0, &seconds);
    if (r == 0) {
        tell(self, "beside a prompt, half", N_LONG, quantile_ms(self, GAPS, 0.5), "ms");
        tell(self, "beside a prompt, 95 %", N_LONG, quantile_ms(self, GAPS, 0.95), "ms");
        tell(self, "beside a prompt, worst", N_LONG, quantile_ms(self, GAPS, 1), "ms");
        tell(self, "prompt beside an answer", N_LONG, (double)self->n_read / seconds, "tokens/s");
    }
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
    step_weights(engine, self->weights, sizeof self->weights);
    self->stepper = stepper_new(engine, &self->cost, NULL);
    self->jobs = g_ptr_array_new();
    while (engine_settle(engine)) continue;
    for (unsigned n = 1; r == 0 && n <= MAX_USERS; n *= 2) r = users_run(self, n);
    if (r == 0) r = prompt_run(self);
    stepper_free(self->stepper);
    g_ptr_array_unref(self->jobs);
    g_free(self);
    return r;
}
