/*
 * The forward pass of llama and BitNet b1.58 (arXiv 2302.13971, 2402.17764), all rows of a batch at
 * once:
 *
 *     x = embedding[token]
 *     per layer:
 *         h = norm(x);  q, k, v = Wq h, Wk h, Wv h;  rotate q and k by their position
 *         o = attention(q, all k and v of the sequence so far);  x += Wo sub_norm(o)
 *         h = norm(x);  x += Wdown sub_norm(act(Wgate h) * Wup h)
 *     logits = Whead norm(x)
 *
 * sub_norm is BitNet's and nothing in llama; Qwen3 norms every head of q and k before it rotates.
 * BitNet quantises what goes into a ternary matrix to 8
 * bits a token; engine/input.h does that where the matrix wants it.
 *
 * Each function below is one line of that, for all rows or for one row. What is computed for a row
 * never depends on the other rows but through the keys and values of its own sequence.
 */
#include "engine/transformer.h"

#include <math.h>
#include <string.h>

#include "engine/limits.h"

/* A pass through one layer, as the jobs for rows see it. */
struct Pass {
    struct Transformer *t;
    const struct Batch *batch;
    const struct Kernels *kernels;
    uint32_t layer_number;
    const struct Layer *layer;
    const float *norm; /* of the job that norms; NULL: none */
    Forms forms;       /* what the next matrices want */
    const struct Linear *linear;
};

/* A row's job reads and writes some vectors of about this width. */
static uint64_t row_cost(const struct Transformer *t) {
    return 4 * sizeof(float) * (uint64_t)t->n_embd;
}

static void each_row(struct Pass *pass, RowJob *job) {
    compute_rows(pass->t->compute, pass->batch->n_rows, row_cost(pass->t), job, pass);
}

static void add_bias(const struct Kernels *kernels, const struct Linear *linear, float *y) {
    if (linear->bias) kernels->add(linear->bias, linear->weight.n_rows, y);
}

/* ---- Rows: x = embedding[token], and the angles that its position rotates by ---- */

static void embed_row(void *userdata, uint32_t row) {
    struct Pass *pass = userdata;
    struct Transformer *t = pass->t;
    const struct BatchRow *batch_row = &pass->batch->rows[row];
    matrix_row(&t->embedding, (uint32_t)batch_row->token, row_of(&t->x, row));
    rope_angles(&t->rope, batch_row->position, row_of(&t->rotation, row));
}

/* ---- Rows: h = norm(x), the input of the next matrices ---- */

static void norm_row(void *userdata, uint32_t row) {
    struct Pass *pass = userdata;
    struct Transformer *t = pass->t;
    pass->kernels->rms_norm(row_of(&t->x, row), pass->norm, t->n_embd, t->norm_epsilon,
                            input_row(&t->input, row));
    input_seal(&t->input, pass->kernels, row, pass->forms);
}

static void norm_rows(struct Pass *pass, const float *norm, Forms forms) {
    pass->norm = norm;
    pass->forms = forms;
    input_begin(&pass->t->input, pass->batch->n_rows, pass->t->n_embd);
    each_row(pass, norm_row);
}

/* ---- Rows: norm and rotate the heads of q and k, scale q, append k and v to the sequence ---- */

static void norm_heads(struct Pass *pass, const float *norm, uint32_t n_heads, float *x) {
    const uint32_t size = pass->t->key_size;
    for (uint32_t head = 0; norm && head < n_heads; head++, x += size)
        pass->kernels->rms_norm(x, norm, size, pass->t->norm_epsilon, x);
}

static void store_row(struct Pass *pass, uint32_t row) {
    struct Transformer *t = pass->t;
    const struct BatchRow *batch_row = &pass->batch->rows[row];
    const float *k = row_of(&t->k, row), *v = row_of(&t->v, row);
    for (uint32_t head = 0; head < pass->layer->n_kv_heads; head++)
        kv_write(&t->kv, pass->kernels, batch_row->state, batch_row->position, pass->layer_number,
                 head, k + (size_t)head * t->key_size, v + (size_t)head * t->value_size);
}

static void rotate_row(void *userdata, uint32_t row) {
    struct Pass *pass = userdata;
    struct Transformer *t = pass->t;
    const struct Layer *layer = pass->layer;
    const enum RopePairing pairing = t->variant->pairing;
    const float *rotation = row_of(&t->rotation, row);
    float *q = row_of(&t->q, row), *k = row_of(&t->k, row);
    add_bias(pass->kernels, &layer->q, q);
    add_bias(pass->kernels, &layer->k, k);
    add_bias(pass->kernels, &layer->v, row_of(&t->v, row));
    norm_heads(pass, layer->q_norm, layer->n_heads, q);
    norm_heads(pass, layer->k_norm, layer->n_kv_heads, k);
    pass->kernels->rope(q, layer->n_heads, t->key_size, t->rope.n_rot, rotation, pairing);
    pass->kernels->rope(k, layer->n_kv_heads, t->key_size, t->rope.n_rot, rotation, pairing);
    for (uint32_t i = 0; i < layer->n_heads * t->key_size; i++) q[i] *= t->attn_scale;
    store_row(pass, row);
}

/* ---- Rows: what goes into the two matrices that lead back to x, and x += y ---- */

/* input = norm(values), or the values themselves where there is no norm */
static void seal_values(struct Pass *pass, uint32_t row, const float *values, uint32_t n,
                        const float *norm) {
    struct Transformer *t = pass->t;
    float *input = input_row(&t->input, row);
    if (norm)
        pass->kernels->rms_norm(values, norm, n, t->norm_epsilon, input);
    else
        memcpy(input, values, n * sizeof *values);
    input_seal(&t->input, pass->kernels, row, pass->forms);
}

static void attended_row(void *userdata, uint32_t row) {
    struct Pass *pass = userdata;
    struct Transformer *t = pass->t;
    seal_values(pass, row, row_of(&t->attended, row), pass->layer->n_heads * t->value_size,
                pass->layer->attn_sub_norm);
}

static void activate_row(void *userdata, uint32_t row) {
    struct Pass *pass = userdata;
    struct Transformer *t = pass->t;
    float *gate = row_of(&t->gate, row), *up = row_of(&t->up, row);
    add_bias(pass->kernels, &pass->layer->gate, gate);
    add_bias(pass->kernels, &pass->layer->up, up);
    if (t->activation == ACTIVATION_RELU2)
        pass->kernels->relu2_mul(gate, up, pass->layer->n_ff, gate);
    else
        pass->kernels->silu_mul(gate, up, pass->layer->n_ff, gate);
    seal_values(pass, row, gate, pass->layer->n_ff, pass->layer->ffn_sub_norm);
}

static void add_row(void *userdata, uint32_t row) {
    struct Pass *pass = userdata;
    struct Transformer *t = pass->t;
    float *y = row_of(&t->y, row);
    add_bias(pass->kernels, pass->linear, y);
    pass->kernels->add(y, t->n_embd, row_of(&t->x, row));
}

/* x += linear(job's rows of n_cols) */
static void add_linear(struct Pass *pass, RowJob *job, const struct Linear *linear) {
    struct Transformer *t = pass->t;
    pass->linear = linear;
    pass->forms = form_of(&linear->weight);
    input_begin(&t->input, pass->batch->n_rows, linear->weight.n_cols);
    each_row(pass, job);
    input_multiply(&t->input, t->compute, &(struct Product){&linear->weight, &t->y}, 1);
    each_row(pass, add_row);
}

/* ---- The pass ---- */

static void attention(struct Pass *pass) {
    struct Transformer *t = pass->t;
    const struct Layer *layer = pass->layer;
    const struct Product products[] = {
        {&layer->q.weight, &t->q}, {&layer->k.weight, &t->k}, {&layer->v.weight, &t->v}};
    norm_rows(pass, layer->attn_norm,
              form_of(&layer->q.weight) | form_of(&layer->k.weight) | form_of(&layer->v.weight));
    input_multiply(&t->input, t->compute, products, 3);
    each_row(pass, rotate_row);
    transformer_attend(t, pass->batch, pass->layer_number);
    add_linear(pass, attended_row, &layer->attn_output);
}

static void feed_forward(struct Pass *pass) {
    struct Transformer *t = pass->t;
    const struct Layer *layer = pass->layer;
    const struct Product products[] = {{&layer->gate.weight, &t->gate},
                                       {&layer->up.weight, &t->up}};
    norm_rows(pass, layer->ffn_norm, form_of(&layer->gate.weight) | form_of(&layer->up.weight));
    input_multiply(&t->input, t->compute, products, 2);
    add_linear(pass, activate_row, &layer->down);
}

static void output_row(void *userdata, uint32_t i) {
    struct Pass *pass = userdata;
    struct Transformer *t = pass->t;
    const struct Batch *batch = pass->batch;
    float *hidden = batch->hidden + i * batch->hidden_stride;
    pass->kernels->rms_norm(row_of(&t->x, batch->outputs[i]), t->output_norm, t->n_embd,
                            t->norm_epsilon, hidden);
    memcpy(input_row(&t->input, i), hidden, t->n_embd * sizeof *hidden);
    input_seal(&t->input, pass->kernels, i, form_of(&t->head.weight));
}

static void head(struct Pass *pass) {
    struct Transformer *t = pass->t;
    const struct Batch *batch = pass->batch;
    const struct Rows logits = {batch->logits, batch->logits_stride};
    input_begin(&t->input, batch->n_logits, t->n_embd);
    compute_rows(t->compute, batch->n_outputs, row_cost(t), output_row, pass);
    if (batch->n_logits == 0) return;
    input_multiply(&t->input, t->compute, &(struct Product){&t->head.weight, &logits}, 1);
    for (uint32_t i = 0; t->head.bias && i < batch->n_logits; i++)
        pass->kernels->add(t->head.bias, t->n_vocab, row_of(&logits, i));
}

void transformer_step(void *model, const struct Batch *batch) {
    struct Transformer *t = model;
    struct Pass pass = {.t = t, .batch = batch, .kernels = t->compute->kernels};
    each_row(&pass, embed_row);
    for (uint32_t i = 0; i < t->n_layers; i++) {
        pass.layer_number = i;
        pass.layer = &t->layers[i];
        attention(&pass);
        feed_forward(&pass);
    }
    head(&pass);
}
