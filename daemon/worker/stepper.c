#include "worker/stepper.h"

#include <errno.h>

#include "worker/draft.h"
#include "worker/limits.h"

struct Stepper {
    Engine *engine;
    struct StepCost *cost;
    GArray *spans;         /* struct Span */
    GPtrArray *jobs;       /* struct Job *, one for each span */
    double usec_per_token; /* of a prompt, as measured; 0: not yet */
    unsigned turn;         /* who comes first among the prompts */
};

Stepper *stepper_new(Engine *engine, struct StepCost *cost) {
    Stepper *self = g_new0(Stepper, 1);
    self->engine = engine;
    self->cost = cost;
    self->spans = g_array_new(FALSE, FALSE, sizeof(struct Span));
    self->jobs = g_ptr_array_new();
    return self;
}

void stepper_free(Stepper *self) {
    if (!self) return;
    g_array_unref(self->spans);
    g_ptr_array_unref(self->jobs);
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

/* Tokens of prompts in a step of which n_generating belong to others. */
static uint32_t prompt_budget(const Stepper *self, uint32_t n_generating) {
    uint32_t room = engine_max_tokens(self->engine) - n_generating;
    double usec = n_generating ? STEP_USEC_SHARED : STEP_USEC_ALONE;
    double fits = self->usec_per_token > 0 ? usec / self->usec_per_token : STEP_PROMPT_FIRST;

    return (uint32_t)MIN(MAX(fits, STEP_PROMPT_MIN), room);
}

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

static void prompts_add(Stepper *self, const GPtrArray *jobs) {
    uint32_t budget = prompt_budget(self, tokens_count(self));
    uint32_t n_left = 0;

    for (guint i = 0; i < jobs->len; i++)
        n_left += takes_part(jobs->pdata[i]) && job_in_prompt(jobs->pdata[i]);
    self->turn++;
    for (guint i = 0; i < jobs->len && budget > 0; i++) {
        struct Job *job = jobs->pdata[(i + self->turn) % jobs->len];
        if (!takes_part(job) || !job_in_prompt(job)) continue;
        uint32_t share = MAX(budget / n_left, 1);
        uint32_t n = MIN(share, job->n_tokens - job->n_fed);
        span_add(self, job, n);
        budget -= n;
        n_left--;
    }
}

static void span_fail(Stepper *self, guint i, int r) {
    struct Job *job = self->jobs->pdata[i];

    failure_set_errno(&job->failure, r, NULL);
    if (r != -ENOMEM)
        job->failure.name = ERROR_FAILED; /* our fault, whatever the engine calls it */
    job->finish = FINISH_ERROR;
}

static void spans_run(Stepper *self, guint first, guint n) {
    struct Span *spans = &g_array_index(self->spans, struct Span, first);
    int r = engine_step(self->engine, spans, n);

    if (r < 0 && n == 1) span_fail(self, first, r);
    if (r < 0 && n > 1) /* only the one at fault shall fail */
        for (guint i = 0; i < n; i++) spans_run(self, first + i, 1);
    for (guint i = 0; r >= 0 && i < n; i++) {
        struct Job *job = self->jobs->pdata[first + i];
        job->n_fed += spans[i].n_tokens;
        job->type->computed(job, &spans[i]);
    }
}

/* Steps with few prompt tokens say little about the cost of one; those without any, what a step
 * costs by its tokens. */
static void cost_measure(Stepper *self, bool has_prompt, gint64 usec) {
    const uint32_t n_tokens = tokens_count(self);

    if (!has_prompt) {
        step_cost_add(self->cost, n_tokens, (double)usec);
        return;
    }
    if (n_tokens < STEP_PROMPT_MIN) return;
    double cost = (double)usec / n_tokens;
    self->usec_per_token = self->usec_per_token > 0 ? (3 * self->usec_per_token + cost) / 4 : cost;
}

unsigned stepper_step(Stepper *self, const GPtrArray *jobs) {
    g_array_set_size(self->spans, 0);
    g_ptr_array_set_size(self->jobs, 0);
    generating_add(self, jobs);
    const guint n_generating = self->spans->len;
    prompts_add(self, jobs);
    if (self->spans->len == 0) return 0;

    gint64 start_usec = g_get_monotonic_time();
    spans_run(self, 0, self->spans->len);
    cost_measure(self, self->spans->len > n_generating, g_get_monotonic_time() - start_usec);
    return self->jobs->len;
}
