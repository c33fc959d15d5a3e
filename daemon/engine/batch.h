/*
 * The spans of a step as flat rows, one a token: what a family works on.
 *
 * Rows of one span follow each other, those of tokens that the state lags behind first
 * (engine/sequence.h); spans keep their order. Outputs are the rows whose final
 * hidden state somebody wants, those that want logits first, so that the head is one matrix product
 * over the first n_logits of them.
 */
#pragma once

#include <stdint.h>

#include "engine/engine.h"

struct BatchRow {
    void *state; /* the family's state of the row's sequence */
    Token token;
    uint32_t position; /* in the sequence, from 0 */
};

/* Consecutive rows of one sequence. */
struct BatchSpan {
    void *state;
    uint32_t first_row, n_rows;
    uint32_t position; /* of the first row */
};

struct Batch {
    uint32_t n_rows, n_spans, n_outputs, n_logits;
    struct BatchRow *rows;   /* [n_rows] */
    struct BatchSpan *spans; /* [n_spans] */
    uint32_t *outputs;       /* [n_outputs] row numbers */

    /* Where the step writes to. Strides are in floats and multiples of 16. */
    float *hidden; /* [n_outputs][hidden_stride]: final normed hidden states */
    size_t hidden_stride;
    float *logits; /* [n_logits][logits_stride] */
    size_t logits_stride;
};

int batch_init(struct Batch *batch, uint32_t max_tokens);
void batch_done(struct Batch *batch);

/* Checks the spans. See engine_step() for the errors. */
int batch_check(const Engine *engine, const struct Span *spans, size_t n_spans);
/* Flattens them. With what their sequences lag behind they have max_tokens rows at most. */
void batch_fill(struct Batch *batch, const struct Span *spans, size_t n_spans);
/* The first n tokens that a sequence lags behind, and no outputs. */
void batch_fill_lag(struct Batch *batch, const Sequence *sequence, uint32_t n);

/* Points the spans at their rows of hidden or logits. */
void batch_return(const struct Batch *batch, struct Span *spans, size_t n_spans);
