#include "worker/embedding.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

typedef struct Embedding {
    struct Job job; /* first */
    size_t n_embd;
    double *sum;
} Embedding;

static void rows_add(Embedding *self, const struct Span *span) {
    for (uint32_t row = 0; row < span->n_tokens; row++) {
        const float *values = span->ret + row * span->ret_stride;
        for (size_t i = 0; i < self->n_embd; i++) self->sum[i] += (double)values[i];
    }
}

/* The mean has the sum's direction. A sum of zeros has none, and stays. */
static void sum_normalise(Embedding *self) {
    double square = 0;

    for (size_t i = 0; i < self->n_embd; i++) square += self->sum[i] * self->sum[i];
    if (!(square > 0)) return;
    for (size_t i = 0; i < self->n_embd; i++) self->sum[i] /= sqrt(square);
}

static void embedding_computed(struct Job *job, const struct Span *span) {
    Embedding *self = (Embedding *)job;

    rows_add(self, span);
    if (job->n_fed < job->n_tokens) return;
    sum_normalise(self);
    job->finish = FINISH_STOP;
}

static void embedding_ended(struct Job *job) {}

static void embedding_free(struct Job *job) {
    Embedding *self = (Embedding *)job;
    g_free(self->sum);
    g_free(self);
}

static const struct JobType embedding_type = {
    .last_output = SPAN_EMBEDDINGS,
    .other_output = SPAN_EMBEDDINGS,
    .computed = embedding_computed,
    .ended = embedding_ended,
    .free = embedding_free,
};

int embedding_new(const Engine *engine, uint32_t namespace, Token *tokens, size_t n_tokens,
                  struct Job **ret, struct Failure *failure) {
    const struct ModelInfo *info = engine_info(engine);

    if (n_tokens > info->n_ctx) {
        free(tokens);
        failure_set(failure, ERROR_CONTEXT_TOO_LONG,
                    "The input has %zu tokens; the context holds %u.", n_tokens, info->n_ctx);
        return -EOVERFLOW;
    }
    double *sum = g_try_new0(double, info->n_embd);
    if (!sum) {
        free(tokens);
        return failure_set_errno(failure, -ENOMEM, NULL);
    }

    Embedding *self = g_new0(Embedding, 1);
    job_init(&self->job, &embedding_type, namespace, tokens, (uint32_t)n_tokens, NULL);
    self->n_embd = info->n_embd;
    self->sum = sum;
    *ret = &self->job;
    return 0;
}

const double *embedding_vector(const struct Job *job, size_t *ret_n) {
    const Embedding *self = (const Embedding *)job;
    *ret_n = self->n_embd;
    return self->sum;
}
