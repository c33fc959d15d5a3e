#include "worker/stepper.h"

#include <errno.h>

#include "worker/draft.h"
#include "worker/limits.h"
#include "worker/prompt-shares.h"
#include "worker/step-budget.h"

struct Stepper {
    Engine *engine;
    StepClock *clock;
    struct StepCost *cost;     /* of steps without prompts */
    struct StepBudget budget;  /* of steps with some */
    GArray *spans;             /* struct Span */
    GPtrArray *jobs;           /* struct Job *, one for each span */
    GArray *shares;            /* struct PromptShare, one for each prompt */
    unsigned n_steps, n_mixed; /* in all; since the last without prompts, of those who generate */
};

Stepper *stepper_new(Engine *engine, struct StepCost *cost, StepClock *clock) {
    Stepper *self = g_new0(Stepper, 1);
    self->engine = engine;
    self->clock = clock ? clock : g_get_monotonic_time;
    self->cost = cost;
    self->spans = g_array_new(FALSE, FALSE, sizeof(struct Span));
    self->jobs = g_ptr_array_new();
    self->shares = g_array_new(FALSE, FALSE, sizeof(struct PromptShare));
    self->n_mixed = STEP_MIXED_MAX;
    return self;
}

void stepper_free(Stepper *self) {
    if (!self) return;
    g_array_unref(self->spans);
    g_ptr_array_unref(self->jobs);
    g_array_unref(self->shares);
    g_free(self);
}

static bool takes_part(const struct Job *job) {
    return job->sequence && !job->finish && !job->parked_usec && job->n_fed < job->n_tokens;
}

static void span_add(Stepper *self, struct Job *job, uint32_t n_tokens) {
    bool last = job->n_fed + n_tokens == job->n_tokens;
    struct Span span = {
        .sequence = job->sequence,
        .tokens = job->tokens + job->n_fed,
        .n_tokens = n_tokens + job->n_drafted,
        .output = job->n_drafted > 0 ? SPAN_ALL_LOGITS
                  : last             ? job->type->last_output
                                     : job->type->other_output,
    };
    g_array_append_val(self->spans, span);
    g_ptr_array_add(self->jobs, job);
}

static uint32_t tokens_count(const Stepper *self) {
    uint32_t n = 0;
    for (guint i = 0; i < self->spans->len; i++)
        n += g_array_index(self->spans, struct Span, i).n_tokens;
    return n;
}

/* ---- Those who generate ---- */

static bool is_generating(const struct Job *job) {
    return takes_part(job) && !job_in_prompt(job);
}

static unsigned count_generating(const GPtrArray *jobs) {
    unsigned n = 0;
    for (guint i = 0; i < jobs->len; i++) n += is_generating(jobs->pdata[i]);
    return n;
}

/* Everyone's last token, and what is drafted behind it as far as there is room. */
static void generating_add(Stepper *self, const GPtrArray *jobs) {
    const unsigned n_generating = count_generating(jobs);
    guint room = engine_max_tokens(self->engine);

    for (guint i = 0; i < jobs->len && room > 0; i++) {
        struct Job *job = jobs->pdata[i];
        if (!is_generating(job)) continue;
        if (job->type->draft && room > n_generating + DRAFT_MAX)
            job->type->draft(job, n_generating);
        room -= 1 + job->n_drafted;
        span_add(self, job, 1);
    }
}

/* ---- Prompts ---- */

/* Tokens of a step in which n_generating are not of prompts. */
static uint32_t tokens_wanted(const Stepper *self, uint32_t n_generating) {
    const double rhythm = STEP_SLOWDOWN * step_cost(self->cost, n_generating);
    if (n_generating > 0)
        return step_budget_fit(&self->budget, MAX(STEP_USEC_SHARED, rhythm), STEP_TOKENS_FIRST);

    const uint32_t n = step_budget_fit(&self->budget, STEP_USEC_ALONE, STEP_TOKENS_FIRST);
    if (n >= STEP_TOKENS_EFFICIENT) return n;
    return MIN(step_budget_fit(&self->budget, 2 * STEP_USEC_ALONE, STEP_TOKENS_FIRST),
               STEP_TOKENS_EFFICIENT);
}

/* Tokens of prompts in such a step. */
static uint32_t prompt_budget(const Stepper *self, uint32_t n_generating) {
    const uint32_t room = engine_max_tokens(self->engine) - n_generating;
    if (n_generating > 0 && self->n_mixed >= STEP_MIXED_MAX) return 0;
    const uint32_t least = n_generating + STEP_PROMPT_MIN;
    return MIN(MAX(tokens_wanted(self, n_generating), least) - n_generating, room);
}

static bool is_reading(const struct Job *job) {
    return takes_part(job) && job_in_prompt(job);
}

static void shares_fill(Stepper *self, const GPtrArray *jobs, uint32_t budget) {
    g_array_set_size(self->shares, 0);
    for (guint i = 0; i < jobs->len; i++) {
        const struct Job *job = jobs->pdata[i];
        if (!is_reading(job)) continue;
        const struct PromptShare share = {job->namespace, job->n_tokens - job->n_fed, 0};
        g_array_append_val(self->shares, share);
    }
    prompt_shares_fill((struct PromptShare *)(void *)self->shares->data, self->shares->len, budget,
                       self->n_steps);
}

static void prompts_add(Stepper *self, const GPtrArray *jobs) {
    guint k = 0;

    shares_fill(self, jobs, prompt_budget(self, tokens_count(self)));
    for (guint i = 0; i < jobs->len; i++) {
        struct Job *job = jobs->pdata[i];
        if (!is_reading(job)) continue;
        const uint32_t n = g_array_index(self->shares, struct PromptShare, k++).n;
        if (n > 0) span_add(self, job, n);
    }
}

/* ---- Computing ---- */

static void span_fail(Stepper *self, guint i, int r) {
    struct Job *job = self->jobs->pdata[i];

    failure_set_errno(&job->failure, r, NULL);
    if (r != -ENOMEM)
        job->failure.name = ERROR_FAILED; /* our fault, whatever the engine calls it */
    job->finish = FINISH_ERROR;
}

struct Sampling {
    struct Job **jobs;
    const struct Span *spans;
};

static void job_sample(void *userdata, uint32_t i) {
    const struct Sampling *of = userdata;
    struct Job *job = of->jobs[i];
    if (job->type->sample) job->type->sample(job, &of->spans[i]);
}

/* A sampler goes through a row of logits a few times. */
static void jobs_go_on(Stepper *self, guint first, guint n) {
    struct Sampling of = {(struct Job **)self->jobs->pdata + first,
                          &g_array_index(self->spans, struct Span, first)};

    for (guint i = 0; i < n; i++) of.jobs[i]->n_fed += of.spans[i].n_tokens;
    engine_share(self->engine, n, engine_info(self->engine)->n_vocab * sizeof(float), job_sample,
                 &of);
    for (guint i = 0; i < n; i++) of.jobs[i]->type->computed(of.jobs[i], &of.spans[i]);
}

static void spans_run(Stepper *self, guint first, guint n) {
    struct Span *spans = &g_array_index(self->spans, struct Span, first);
    int r = engine_step(self->engine, spans, n);

    if (r >= 0) jobs_go_on(self, first, n);
    if (r < 0 && n == 1) span_fail(self, first, r);
    if (r < 0 && n > 1) /* only the one at fault shall fail */
        for (guint i = 0; i < n; i++) spans_run(self, first + i, 1);
}

static void cost_measure(Stepper *self, bool has_generating, bool has_prompt, double usec) {
    const uint32_t n_tokens = tokens_count(self);

    if (has_prompt)
        step_budget_add(&self->budget, n_tokens, usec);
    else
        step_cost_add(self->cost, n_tokens, usec);
    if (has_generating) self->n_mixed = has_prompt ? self->n_mixed + 1 : 0;
}

unsigned stepper_step(Stepper *self, const GPtrArray *jobs) {
    g_array_set_size(self->spans, 0);
    g_ptr_array_set_size(self->jobs, 0);
    self->n_steps++;
    generating_add(self, jobs);
    const guint n_generating = self->spans->len;
    prompts_add(self, jobs);
    if (self->spans->len == 0) return 0;

    const gint64 start_usec = self->clock();
    spans_run(self, 0, self->spans->len);
    cost_measure(self, n_generating > 0, self->spans->len > n_generating,
                 (double)(self->clock() - start_usec));
    return self->jobs->len;
}
