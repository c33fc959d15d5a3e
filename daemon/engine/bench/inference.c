#include "engine/bench/inference.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/bench/machine.h"
#include "engine/bench/step-work.h"
#include "engine/bench/yardstick.h"
#include "engine/engine-private.h"

#define MAX_SEQUENCES 8u
#define MAX_TOKENS 512u
/* What sequences hold before they are decoded, and steps from there at most. */
#define N_PAST 1u
#define MAX_STEPS 32u
#define N_TURNS 4

enum Kind { DECODE, TOGETHER, POSITIONS, PROMPT };

/* n: sequences that decode together, positions of one sequence, or tokens of a prompt. */
static const struct Case {
    enum Kind kind;
    const char *name;
    unsigned n;
} cases[] = {
    {DECODE, "decode", 1},       {TOGETHER, "together", 2},   {TOGETHER, "together", 4},
    {TOGETHER, "together", 8},   {POSITIONS, "positions", 2}, {POSITIONS, "positions", 3},
    {POSITIONS, "positions", 4}, {POSITIONS, "positions", 5}, {POSITIONS, "positions", 6},
    {POSITIONS, "positions", 7}, {POSITIONS, "positions", 8}, {PROMPT, "prompt", 128},
    {PROMPT, "prompt", 512},
};
#define N_CASES (sizeof cases / sizeof *cases)

struct Inference {
    Engine *engine;
    const struct InferenceOptions *options;
    const struct Report *report;
    char weights[STEP_WEIGHTS_SIZE];
    Token tokens[MAX_TOKENS];
    Sequence *sequences[MAX_SEQUENCES];
    unsigned n_steps; /* of these */
    struct Yardstick yardstick;
    struct Samples samples[N_CASES];
    struct Marks marks[N_CASES];
    double state_bytes[N_CASES]; /* of all sequences of a case, when it was measured last */
};

/* ---- Cases ---- */

static unsigned case_rows(const struct Case *of) {
    return of->n;
}

static unsigned case_logits(const struct Case *of) {
    return of->kind == PROMPT ? 1 : of->n;
}

static unsigned case_sequences(const struct Case *of) {
    return of->kind == TOGETHER ? of->n : 1;
}

/* A prompt is one step of a new sequence, all else goes on where it was. */
static unsigned case_steps(const struct Case *of) {
    return of->kind == PROMPT ? 1 : MAX_STEPS;
}

static struct Work case_work(const struct Inference *self, unsigned i) {
    return step_work(self->engine, case_rows(&cases[i]), case_logits(&cases[i]),
                     self->state_bytes[i]);
}

/* ---- Measuring ---- */

static void sequences_free(struct Inference *self) {
    for (unsigned i = 0; i < MAX_SEQUENCES; i++)
        self->sequences[i] = sequence_free(self->sequences[i]);
}

/* One step of n_sequences with n_tokens each. */
static int step(struct Inference *self, unsigned n_sequences, unsigned n_tokens,
                enum SpanOutput output) {
    struct Span spans[MAX_SEQUENCES];
    for (unsigned i = 0; i < n_sequences; i++)
        spans[i] = (struct Span){
            .sequence = self->sequences[i],
            .tokens = self->tokens + i * 8,
            .n_tokens = n_tokens,
            .output = output,
        };
    return engine_step(self->engine, spans, n_sequences);
}

/* In place of those that were there. */
static int sequences_begin(struct Inference *self, const struct Case *of) {
    int r = 0;
    sequences_free(self);
    self->n_steps = 0;
    for (unsigned i = 0; r == 0 && i < case_sequences(of); i++)
        r = sequence_new(self->engine, &self->sequences[i]);
    if (r == 0 && of->kind != PROMPT) r = step(self, case_sequences(of), N_PAST, SPAN_NOTHING);
    return r;
}

static int case_step(struct Inference *self, const struct Case *of, double *ret_seconds) {
    const unsigned n_tokens = of->kind == TOGETHER ? 1 : of->n;
    int r = self->n_steps == case_steps(of) ? sequences_begin(self, of) : 0;
    if (r < 0) return r;
    const double start = bench_now();
    r = step(self, case_sequences(of), n_tokens,
             of->kind == PROMPT ? SPAN_LAST_LOGITS : SPAN_ALL_LOGITS);
    *ret_seconds = bench_now() - start;
    self->n_steps++;
    return r;
}

/* Steps until the next turn of the yardstick, one that counts at least. */
static int slice(struct Inference *self, unsigned i, double seconds) {
    double spent = 0, took = 0;
    int r = case_step(self, &cases[i], &took);
    if (r == 0 && took < YARDSTICK_WARM_SEC) r = case_step(self, &cases[i], &took);
    while (r == 0) {
        bench_sample(&self->samples[i], took);
        spent += took;
        if (spent >= seconds) return 0;
        r = case_step(self, &cases[i], &took);
    }
    return r;
}

/* Steps of one case for so many seconds, with the limits before, between and after them. */
static int turn(struct Inference *self, unsigned i, double seconds) {
    const struct Work work = case_work(self, i);
    const double end = self->samples[i].total + seconds;
    Pool *pool = self->engine->compute.pool;
    int r = sequences_begin(self, &cases[i]);
    while (r == 0 && self->samples[i].total < end) {
        yardstick_turn(&self->yardstick, pool, &work, &self->marks[i]);
        r = slice(self, i, fmin(YARDSTICK_SLICE_SEC, end - self->samples[i].total));
    }
    yardstick_turn(&self->yardstick, pool, &work, &self->marks[i]);
    self->state_bytes[i] = 0;
    for (unsigned k = 0; r == 0 && k < case_sequences(&cases[i]); k++)
        self->state_bytes[i] += (double)sequence_bytes(self->sequences[k]);
    sequences_free(self);
    return r;
}

/* By its name, with or without the number. */
static bool is_wanted(const struct Inference *self, const struct Case *of) {
    const char *const *figures = self->options->figures;
    char full[64];
    if (!figures || !*figures) return true;
    snprintf(full, sizeof full, "%s %u", of->name, of->n);
    for (; *figures; figures++)
        if (strcmp(*figures, of->name) == 0 || strcmp(*figures, full) == 0) return true;
    return false;
}

/* Turns until every figure has had its time. */
static int measure(struct Inference *self) {
    const double budget = self->options->budget_sec;
    double left;
    do {
        left = 0;
        for (unsigned i = 0; i < N_CASES; i++) {
            if (!is_wanted(self, &cases[i]) || self->samples[i].total >= budget) continue;
            int r = turn(self, i, budget / N_TURNS);
            if (r < 0) return r;
            if (self->samples[i].total < budget) left += budget - self->samples[i].total;
            if (report_progress(self->report, "inference", 0, 0)) return -ECANCELED;
        }
        if (report_progress(self->report, "inference", N_CASES * budget - left, N_CASES * budget))
            return -ECANCELED;
    } while (left > 0);
    return 0;
}

/* ---- Telling ---- */

static struct Figure figure_of(const struct Inference *self, const char *name, unsigned n) {
    return (struct Figure){
        .suite = "inference",
        .model = self->options->model,
        .weights = self->weights,
        .name = name,
        .n = n,
        .n_threads = engine_n_threads(self->engine),
    };
}

static void tell(const struct Inference *self, struct Figure *figure, double value,
                 const char *unit) {
    figure->value = value;
    figure->unit = unit;
    self->report->figure(self->report->userdata, figure);
}

static double median(struct Inference *self, unsigned i) {
    return bench_quantile(&self->samples[i], 0.5);
}

static void tell_case(struct Inference *self, unsigned i) {
    const struct Case *of = &cases[i];
    struct Figure figure = figure_of(self, of->name, of->n);
    const double seconds = median(self, i);
    figure.samples = &self->samples[i];
    figure.work = case_work(self, i);
    figure.roof = yardstick_roof(&self->yardstick, &self->marks[i]);
    tell(self, &figure, of->n / seconds, "tokens/s");
    if (of->kind == POSITIONS && self->samples[0].n > 0) {
        struct Figure more = figure_of(self, "one more position", of->n);
        tell(self, &more, 100 * (seconds / median(self, 0) - 1) / (of->n - 1), "% of a step");
    }
    if (of->kind == PROMPT) {
        struct Figure first = figure_of(self, "first token", of->n);
        tell(self, &first, seconds * 1e3, "ms");
    }
}

static void tell_memory(const struct Inference *self) {
    const double weights = (double)engine_info(self->engine)->weight_bytes;
    const struct {
        const char *name;
        double bytes;
    } rows[] = {
        {"weights", weights},
        {"bytes per token", step_work(self->engine, 1, 1, self->state_bytes[0]).bytes},
        {"memory resident", (double)machine_resident_bytes(getpid())},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct Figure figure = figure_of(self, rows[i].name, 1);
        tell(self, &figure, rows[i].bytes / (1 << 20), "MiB");
    }
}

static void tokens_fill(Token *tokens, uint32_t n_vocab) {
    uint64_t x = 1;
    for (unsigned i = 0; i < MAX_TOKENS; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        tokens[i] = (Token)((x >> 33) % n_vocab);
    }
}

int bench_inference(Engine *engine, const struct InferenceOptions *options,
                    const struct Report *report) {
    struct Inference *self = calloc(1, sizeof *self);
    if (!self) return -ENOMEM;
    self->engine = engine;
    self->options = options;
    self->report = report;
    step_weights(engine, self->weights, sizeof self->weights);
    tokens_fill(self->tokens, engine_info(engine)->n_vocab);
    while (engine_settle(engine)) continue;
    int r = yardstick_init(&self->yardstick, engine->compute.pool, options->limits);
    if (r == 0) r = measure(self);
    if (r == 0) yardstick_tell(&self->yardstick, report);
    yardstick_done(&self->yardstick); /* its memory is not the model's */
    for (unsigned i = 0; r == 0 && i < N_CASES; i++)
        if (self->samples[i].n > 0) tell_case(self, i);
    if (r == 0) tell_memory(self);
    sequences_free(self);
    free(self);
    return r;
}
