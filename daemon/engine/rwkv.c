/*
 * What the passes of RWKV-6 and RWKV-7 share:
 *
 *     x = ln(embedding[token])
 *     per layer:  x += time_mix(ln(x));  x += channel_mix(ln(x))      rwkv6.c, rwkv7.c
 *     logits = Whead ln(x)
 *
 * What is computed for a row never depends on other rows but through the row before of its own
 * sequence, and that row may have been in an earlier step.
 */
#include "engine/rwkv.h"

#include <assert.h>
#include <string.h>

static uint64_t row_cost(const struct Rwkv *m) {
    return 16 * sizeof(float) * (uint64_t)m->sizes[RWKV_C];
}

void rwkv_each_row(struct RwkvPass *pass, RowJob *job) {
    compute_rows(pass->m->compute, pass->batch->n_rows, row_cost(pass->m), job, pass);
}

static struct RwkvState state_of(const struct RwkvPass *pass, void *state) {
    const size_t n = pass->m->sizes[RWKV_C], size = n * (2 + pass->m->head_size);
    float *floats = recurrent_floats(state) + pass->layer_number * size;
    return (struct RwkvState){{floats, floats + n}, floats + 2 * n};
}

/* ---- Token shift ---- */

static void norm_row(void *userdata, uint32_t row) {
    struct RwkvPass *pass = userdata;
    struct Rwkv *m = pass->m;
    pass->kernels->layer_norm(row_of(&m->x, row), pass->norm->weight, pass->norm->bias,
                              m->sizes[RWKV_C], m->norm_epsilon, row_of(&m->h, row));
}

void rwkv_norm(struct RwkvPass *pass, const struct RwkvNorm *norm, unsigned shift) {
    pass->norm = norm;
    pass->shift = shift;
    rwkv_each_row(pass, norm_row);
}

/* A sequence has one span in a step: its first row is where another one's end. */
const float *rwkv_previous(const struct RwkvPass *pass, uint32_t row) {
    const struct BatchRow *rows = pass->batch->rows;
    if (row > 0 && rows[row - 1].state == rows[row].state) return row_of(&pass->m->h, row - 1);
    return state_of(pass, rows[row].state).shift[pass->shift];
}

void rwkv_remember(struct RwkvPass *pass) {
    for (uint32_t i = 0; i < pass->batch->n_spans; i++) {
        const struct BatchSpan *span = &pass->batch->spans[i];
        memcpy(state_of(pass, span->state).shift[pass->shift],
               row_of(&pass->m->h, span->first_row + span->n_rows - 1),
               pass->m->sizes[RWKV_C] * sizeof(float));
    }
}

/* ---- Products ---- */

float *rwkv_input(const struct RwkvPass *pass, unsigned input, uint32_t row) {
    return input_row(&pass->m->inputs[input], row);
}

void rwkv_seal(const struct RwkvPass *pass, unsigned input, uint32_t row) {
    input_seal(&pass->m->inputs[input], pass->kernels, row, pass->forms[input]);
}

static void begin_inputs(struct RwkvPass *pass, const struct RwkvProduct *products, unsigned n) {
    memset(pass->forms, 0, sizeof pass->forms);
    for (unsigned i = 0; i < n; i++) {
        const struct Matrix *matrix = products[i].matrix;
        pass->forms[products[i].input] |= form_of(matrix);
        input_begin(&pass->m->inputs[products[i].input], pass->batch->n_rows, matrix->n_cols);
    }
}

void rwkv_multiply(struct RwkvPass *pass, RowJob *job, const struct RwkvProduct *products,
                   unsigned n) {
    struct Rwkv *m = pass->m;
    struct Product all[RWKV_MAX_PRODUCTS];
    assert(n <= RWKV_MAX_PRODUCTS);
    begin_inputs(pass, products, n);
    rwkv_each_row(pass, job);
    for (unsigned i = 0; i < n; i++)
        all[i] = (struct Product){products[i].matrix, products[i].y, &m->inputs[products[i].input]};
    input_multiply(NULL, m->compute, all, n);
}

/* ---- The recurrence: a unit is one head of one span ---- */

static void recur_unit(const struct RwkvPass *pass, const struct BatchSpan *span, uint32_t head) {
    const struct Rwkv *m = pass->m;
    const size_t first = (size_t)head * m->head_size;
    struct Wkv wkv = {
        .n_rows = span->n_rows,
        .head_size = m->head_size,
        .stride = m->y.stride,
        .r = row_of(&m->r, span->first_row) + first,
        .w = row_of(&m->w, span->first_row) + first,
        .k = row_of(&m->k, span->first_row) + first,
        .v = row_of(&m->v, span->first_row) + first,
        .state = state_of(pass, span->state).wkv + first * m->head_size,
        .y = row_of(&m->y, span->first_row) + first,
    };
    if (pass->layer->first) wkv.u = pass->layer->first + first;
    if (m->kk.data) wkv.kk = row_of(&m->kk, span->first_row) + first;
    if (m->b.data) wkv.b = row_of(&m->b, span->first_row) + first;
    pass->wkv(&wkv);
}

/* Spans differ in length: dealing the units out one by one keeps the shares even. */
static void recur_job(void *userdata, unsigned thread, unsigned n_threads) {
    const struct RwkvPass *pass = userdata;
    const uint32_t n_heads = pass->m->n_heads;
    const uint64_t n_units = (uint64_t)pass->batch->n_spans * n_heads;
    for (uint64_t unit = thread; unit < n_units; unit += n_threads)
        recur_unit(pass, &pass->batch->spans[unit / n_heads], (uint32_t)(unit % n_heads));
}

void rwkv_recur(struct RwkvPass *pass, void (*wkv)(const struct Wkv *wkv)) {
    const struct Rwkv *m = pass->m;
    pass->wkv = wkv;
    uint64_t cost = (uint64_t)pass->batch->n_rows * m->sizes[RWKV_C] * m->head_size;
    compute_run(m->compute, 2 * sizeof(float) * cost, recur_job, pass);
}

/* ---- Rows ---- */

void rwkv_group_norm(const struct RwkvPass *pass, uint32_t row) {
    const struct Rwkv *m = pass->m;
    const struct RwkvNorm *norm = &pass->layer->time_mix_ln;
    float *y = row_of(&m->y, row);
    for (uint32_t at = 0; at < m->sizes[RWKV_C]; at += m->head_size)
        pass->kernels->layer_norm(y + at, norm->weight + at, norm->bias + at, m->head_size,
                                  RWKV_GROUP_NORM_EPSILON, y + at);
}

void rwkv_relu2_row(void *userdata, uint32_t row) {
    const struct RwkvPass *pass = userdata;
    pass->kernels->relu2(row_of(&pass->m->ff, row), pass->m->sizes[RWKV_F],
                         rwkv_input(pass, 0, row));
    rwkv_seal(pass, 0, row);
}

void rwkv_add_row(void *userdata, uint32_t row) {
    const struct RwkvPass *pass = userdata;
    pass->kernels->add(row_of(&pass->m->y, row), pass->m->sizes[RWKV_C], row_of(&pass->m->x, row));
}

static void embed_row(void *userdata, uint32_t row) {
    const struct RwkvPass *pass = userdata;
    struct Rwkv *m = pass->m;
    float *x = row_of(&m->x, row);
    matrix_row(&m->embedding, (uint32_t)pass->batch->rows[row].token, x);
    pass->kernels->layer_norm(x, m->embedding_norm.weight, m->embedding_norm.bias, m->sizes[RWKV_C],
                              m->norm_epsilon, x);
}

/* ---- The pass ---- */

static void output_row(void *userdata, uint32_t i) {
    const struct RwkvPass *pass = userdata;
    struct Rwkv *m = pass->m;
    const struct Batch *batch = pass->batch;
    const uint32_t n = m->sizes[RWKV_C];
    float *hidden = batch->hidden + i * batch->hidden_stride;
    pass->kernels->layer_norm(row_of(&m->x, batch->outputs[i]), m->output_norm.weight,
                              m->output_norm.bias, n, m->norm_epsilon, hidden);
    memcpy(rwkv_input(pass, 0, i), hidden, n * sizeof *hidden);
    input_seal(&m->inputs[0], pass->kernels, i, form_of(&m->head));
}

static void head(struct RwkvPass *pass) {
    struct Rwkv *m = pass->m;
    const struct Batch *batch = pass->batch;
    const struct Rows logits = {batch->logits, batch->logits_stride};
    input_begin(&m->inputs[0], batch->n_logits, m->sizes[RWKV_C]);
    compute_rows(m->compute, batch->n_outputs, row_cost(m), output_row, pass);
    if (batch->n_logits > 0)
        input_multiply(&m->inputs[0], m->compute, &(struct Product){&m->head, &logits}, 1);
}

static void rwkv_step(void *model, const struct Batch *batch) {
    struct Rwkv *m = model;
    struct RwkvPass pass = {.m = m, .batch = batch, .kernels = m->compute->kernels};
    rwkv_each_row(&pass, embed_row);
    for (uint32_t i = 0; i < m->n_layers; i++) {
        pass.layer_number = i;
        pass.layer = &m->layers[i];
        m->version->time_mix(&pass);
        m->version->channel_mix(&pass);
    }
    head(&pass);
}

const struct Family family_rwkv = {
    .name = "rwkv",
    .open = rwkv_open,
    .close = rwkv_close,
    .start = rwkv_start,
    .step = rwkv_step,
    .state_new = recurrent_state_new,
    .state_free = recurrent_state_free,
    .state_fork = recurrent_state_fork,
    .state_reserve = recurrent_state_reserve,
    .state_truncate = recurrent_state_truncate,
    .state_bytes = recurrent_state_bytes,
    .state_save_size = recurrent_state_save_size,
    .state_save = recurrent_state_save,
    .state_restore = recurrent_state_restore,
};
