/* What each step holds, on a clock that goes by what steps are said to cost. */
#include "test.h"

#include <glib.h>
#include <unistd.h>

#include "fake-model.h"
#include "step-machines.h"
#include "worker/limits.h"
#include "worker/stepper.h"

#define N_JOBS_MAX 8
#define N_CTX 65536

/* ---- A machine ---- */

static Cost *cost;
static double now_usec;
static uint32_t n_computed; /* tokens, since the clock was looked at */

static gint64 tell_time(void) {
    if (n_computed > 0) now_usec += cost(n_computed);
    n_computed = 0;
    return (gint64)now_usec;
}

/* ---- Jobs that say anything, for ever ---- */

static Token tokens[N_CTX];

static void computed(struct Job *job, const struct Span *span) {
    n_computed += span->n_tokens;
    job->n_tokens += job->n_fed == job->n_tokens;
}

static const struct JobType job_type = {.computed = computed};

struct Stage {
    Engine *engine;
    struct StepCost step_cost;
    Stepper *stepper;
    GPtrArray *jobs;
    struct Job all[N_JOBS_MAX];
};

static void stage_open(struct Stage *self, Cost *machine) {
    const struct FakeModel model = {.n_ctx = N_CTX};
    const struct EngineOptions options = {.n_threads = 1, .max_tokens = STEP_TOKENS_MAX};
    Reason why = {""};
    const int fd = fake_model_open(&model);

    *self = (struct Stage){.engine = NULL};
    CHECK_INT(engine_open(fd, &options, &self->engine, &why), 0);
    close(fd);
    cost = machine;
    now_usec = n_computed = 0;
    self->stepper = stepper_new(self->engine, &self->step_cost, tell_time);
    self->jobs = g_ptr_array_new();
}

static void stage_close(struct Stage *self) {
    for (guint i = 0; i < self->jobs->len; i++)
        self->all[i].sequence = sequence_free(self->all[i].sequence);
    g_ptr_array_unref(self->jobs);
    stepper_free(self->stepper);
    engine_free(self->engine);
}

static struct Job *come(struct Stage *self, uint32_t namespace, uint32_t n_prompt) {
    struct Job *job = &self->all[self->jobs->len];
    job->type = &job_type;
    job->namespace = namespace;
    job->tokens = tokens;
    job->n_prompt = job->n_tokens = n_prompt;
    CHECK_INT(sequence_new(self->engine, &job->sequence), 0);
    g_ptr_array_add(self->jobs, job);
    return job;
}

/* Returns what the step took. */
static double step(struct Stage *self) {
    const double start_usec = now_usec;
    stepper_step(self->stepper, self->jobs);
    return now_usec - start_usec;
}

static void steps(struct Stage *self, unsigned n) {
    while (n-- > 0) step(self);
}

static uint32_t most(double usec) {
    uint32_t n = 0;
    while (n < STEP_TOKENS_MAX && cost(n + 1) <= usec) n++;
    return n;
}

/* ---- Cases ---- */

/* Somebody generates, and a long prompt comes: the time between two tokens stays bounded, and the
 * prompt gets most of what there is within. */
static void rhythm_holds(Cost *machine) {
    const double bound = MAX(STEP_USEC_SHARED, STEP_SLOWDOWN * machine(1));
    struct Stage stage;
    stage_open(&stage, machine);
    struct Job *speaker = come(&stage, 1, 10);
    steps(&stage, 20);
    struct Job *reader = come(&stage, 2, 2000);
    unsigned n_steps = 0, n_late = 0, n_pure = 0;

    while (job_in_prompt(reader)) {
        const uint32_t n_said = speaker->n_fed, n_read = reader->n_fed;
        n_late += step(&stage) > bound;
        CHECK_INT(speaker->n_fed, n_said + 1);
        const uint32_t n = reader->n_fed - n_read;
        n_pure += n == 0;
        if (++n_steps > 12 && n > 0 && job_in_prompt(reader))
            CHECK(1 + n >= MAX(0.7 * most(bound), 1 + STEP_PROMPT_MIN));
    }
    CHECK(n_late <= 2 + n_steps / 64); /* a larger one is tried now and then */
    CHECK(n_pure <= n_steps / STEP_MIXED_MAX + 1);
    stage_close(&stage);
}

static void rhythm(void) {
    rhythm_holds(fast);
    rhythm_holds(slow);
    rhythm_holds(panels);
}

/* A prompt alone takes all that fits into a step; somebody new never waits for long. */
static void alone(void) {
    Cost *const machines[] = {fast, slow, panels};
    for (size_t i = 0; i < G_N_ELEMENTS(machines); i++) {
        struct Stage stage;
        stage_open(&stage, machines[i]);
        struct Job *reader = come(&stage, 1, 8000);
        steps(&stage, 10);
        const uint32_t n_read = reader->n_fed;
        const double took = step(&stage);
        const uint32_t n = reader->n_fed - n_read;
        CHECK(took <= STEP_USEC_ALONE ||
              (took <= 2 * STEP_USEC_ALONE && n <= STEP_TOKENS_EFFICIENT));
        CHECK(n >= 0.7 * MIN(most(2 * STEP_USEC_ALONE),
                             MAX(most(STEP_USEC_ALONE), STEP_TOKENS_EFFICIENT)));
        stage_close(&stage);
    }
}

/* All come at once: when the first of them generates, nobody has ever seen what that costs. */
static void all_at_once(void) {
    struct Stage stage;
    stage_open(&stage, slow);
    struct Job *first = come(&stage, 0, 20);
    for (uint32_t i = 1; i < N_JOBS_MAX; i++) come(&stage, i, 3000);
    while (job_in_prompt(first)) step(&stage);
    steps(&stage, 15);
    for (int i = 0; i < 40; i++) CHECK(step(&stage) <= STEP_SLOWDOWN * slow(1));
    stage_close(&stage);
}

/* A user with six long prompts gets no more than one with one, whose short one is soon read. */
static void users_share(void) {
    struct Stage stage;
    stage_open(&stage, fast);
    uint32_t n_many = 0;
    for (int i = 0; i < 6; i++) come(&stage, 1, 30000);
    steps(&stage, 10);
    for (int i = 0; i < 6; i++) n_many -= stage.all[i].n_fed;
    struct Job *one = come(&stage, 2, 3000);
    while (job_in_prompt(one)) step(&stage);
    for (int i = 0; i < 6; i++) n_many += stage.all[i].n_fed;
    CHECK(n_many >= 2900 && n_many <= 3500);
    stage_close(&stage);
}

static double endless(double n) {
    return 1e6 * n;
}

/* Where even one token is too much, all go on. */
static void nobody_starves(void) {
    struct Stage stage;
    stage_open(&stage, endless);
    for (uint32_t i = 0; i < 2; i++) come(&stage, 1, 1);
    steps(&stage, 4);
    for (uint32_t i = 2; i < N_JOBS_MAX; i++) come(&stage, i / 3, 500);
    steps(&stage, 100);
    uint32_t n_before[N_JOBS_MAX];
    for (uint32_t i = 0; i < N_JOBS_MAX; i++) n_before[i] = stage.all[i].n_fed;
    steps(&stage, 8);
    for (uint32_t i = 0; i < N_JOBS_MAX; i++) CHECK(stage.all[i].n_fed > n_before[i]);
    stage_close(&stage);
}

int main(void) {
    return TEST_MAIN({"rhythm", rhythm}, {"alone", alone}, {"all at once", all_at_once},
                     {"users share", users_share}, {"nobody starves", nobody_starves});
}
