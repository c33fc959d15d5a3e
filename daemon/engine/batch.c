#include "engine/batch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "engine/sequence.h"

int batch_init(struct Batch *batch, uint32_t max_tokens) {
    *batch = (struct Batch){
        .rows = calloc(max_tokens, sizeof *batch->rows),
        .spans = calloc(max_tokens, sizeof *batch->spans),
        .outputs = calloc(max_tokens, sizeof *batch->outputs),
    };
    if (batch->rows && batch->spans && batch->outputs) return 0;
    batch_done(batch);
    return -ENOMEM;
}

void batch_done(struct Batch *batch) {
    free(batch->rows);
    free(batch->spans);
    free(batch->outputs);
    *batch = (struct Batch){0};
}

static int check_span(const Engine *engine, const struct Span *span) {
    const struct ModelInfo *info = engine_info(engine);
    const Sequence *sequence = span->sequence;
    if (!sequence || sequence->engine != engine || sequence->in_batch) return -EINVAL;
    if (span->n_tokens == 0 || span->output > SPAN_EMBEDDINGS) return -EINVAL;
    if (span->n_tokens > info->n_ctx - sequence->n_tokens) return -EOVERFLOW;
    for (uint32_t i = 0; i < span->n_tokens; i++)
        if (span->tokens[i] < 0 || (uint32_t)span->tokens[i] >= info->n_vocab) return -EINVAL;
    return 0;
}

/* Marks the sequences that were seen, and takes the marks back. */
int batch_check(const Engine *engine, const struct Span *spans, size_t n_spans) {
    uint64_t n_rows = 0;
    size_t n = 0;
    int r = 0;
    for (; n < n_spans && r == 0; n++) {
        r = check_span(engine, &spans[n]);
        if (r < 0) break;
        spans[n].sequence->in_batch = true;
        n_rows += spans[n].n_tokens;
        if (n_rows > engine_max_tokens(engine)) r = -E2BIG;
    }
    for (size_t i = 0; i < n; i++) spans[i].sequence->in_batch = false;
    return r;
}

static void add_rows(struct Batch *batch, void *state, const Token *tokens, uint32_t n,
                     uint32_t position) {
    for (uint32_t i = 0; i < n; i++)
        batch->rows[batch->n_rows++] = (struct BatchRow){state, tokens[i], position + i};
}

/* The first `lag` tokens that the state lacks, then those of the span. */
static void add_span(struct Batch *batch, const Sequence *sequence, uint32_t lag,
                     const Token *tokens, uint32_t n) {
    batch->spans[batch->n_spans++] = (struct BatchSpan){
        .state = sequence->state,
        .first_row = batch->n_rows,
        .n_rows = lag + n,
        .position = sequence->n_state,
    };
    add_rows(batch, sequence->state, sequence->tokens + sequence->n_state, lag, sequence->n_state);
    add_rows(batch, sequence->state, tokens, n, sequence->n_tokens);
}

/* How many rows at the end of a span are wanted as logits, or as hidden states. */
static uint32_t n_wanted(const struct Span *span, bool logits) {
    switch (span->output) {
    case SPAN_LAST_LOGITS:
        return logits ? 1 : 0;
    case SPAN_ALL_LOGITS:
        return logits ? span->n_tokens : 0;
    case SPAN_EMBEDDINGS:
        return logits ? 0 : span->n_tokens;
    default:
        return 0;
    }
}

static void add_outputs(struct Batch *batch, const struct Span *spans, size_t n_spans,
                        bool logits) {
    for (size_t i = 0; i < n_spans; i++) {
        const uint32_t end = batch->spans[i].first_row + batch->spans[i].n_rows;
        for (uint32_t n = n_wanted(&spans[i], logits); n > 0; n--)
            batch->outputs[batch->n_outputs++] = end - n;
    }
}

static void clear(struct Batch *batch) {
    batch->n_rows = batch->n_spans = batch->n_outputs = batch->n_logits = 0;
}

void batch_fill(struct Batch *batch, const struct Span *spans, size_t n_spans) {
    clear(batch);
    for (size_t i = 0; i < n_spans; i++)
        add_span(batch, spans[i].sequence, sequence_lag(spans[i].sequence), spans[i].tokens,
                 spans[i].n_tokens);
    add_outputs(batch, spans, n_spans, true);
    batch->n_logits = batch->n_outputs;
    add_outputs(batch, spans, n_spans, false);
}

void batch_fill_lag(struct Batch *batch, const Sequence *sequence, uint32_t n) {
    clear(batch);
    add_span(batch, sequence, n, NULL, 0);
}

static void return_rows(struct Span *span, uint32_t n, const float *rows, size_t stride,
                        uint32_t *next) {
    if (n == 0) return;
    span->ret = rows + *next * stride;
    span->ret_stride = stride;
    *next += n;
}

void batch_return(const struct Batch *batch, struct Span *spans, size_t n_spans) {
    uint32_t next_logits = 0, next_hidden = batch->n_logits;
    for (size_t i = 0; i < n_spans; i++) {
        spans[i].ret = NULL;
        spans[i].ret_stride = 0;
        return_rows(&spans[i], n_wanted(&spans[i], true), batch->logits, batch->logits_stride,
                    &next_logits);
        return_rows(&spans[i], n_wanted(&spans[i], false), batch->hidden, batch->hidden_stride,
                    &next_hidden);
    }
}
