/*
 * The forward pass of Mamba, all rows of a batch at once:
 *
 *     x = embedding[token]
 *     per layer:
 *         u, z = Win norm(x);  u = silu(conv(u))                                      [Di]
 *         delta, B, C = Wx u;  delta = softplus(Wdt delta + bias)             [R] [N] [N] [Di]
 *         h = exp(delta A) h + delta B u;  y = C h + D u                      h: [Di][N]
 *         x += Wout (y * silu(z))
 *     logits = Whead norm(x)
 *
 * FalconMamba norms delta, B and C before they are used. Mamba-2 has all of them come out of Win, B
 * and C through the convolution, one delta and one A a head, and norms what goes into Wout:
 *
 *         z, u, B, C, delta = Win norm(x);  u, B, C = silu(conv(u, B, C))     [Di] [G N] [G N] [H]
 *         delta = softplus(delta + bias);  h = exp(delta A) h + delta B u;  y = C h + D u
 *         x += Wout norm(y * silu(z)), each of G groups by itself
 *
 * Matrices are multiplied once for all rows. The convolution and the scan go span by span, row
 * after row, and are shared out over threads by channels: what is computed for a row depends on its
 * sequence's past alone. Mamba-2's chunked form (matrix products inside of a chunk) would save time
 * in prompts, but rounds otherwise where the prompt is cut, and the bits may not depend on that.
 */
#include "engine/mamba.h"

#include <string.h>

#define TILE 16u /* channels */

/* A pass through one layer, as its jobs see it. */
struct Pass {
    struct Mamba *m;
    const struct Batch *batch;
    const struct Kernels *kernels;
    uint32_t layer_number;
    const struct MambaLayer *layer;
};

/* ---- How work is shared out ---- */

/* A row's job reads and writes some vectors of about this width. */
static uint64_t row_cost(const struct Mamba *m) {
    return 4 * sizeof(float) * (uint64_t)m->n_inner;
}

static void each_row(struct Pass *pass, RowJob *job) {
    compute_rows(pass->m->compute, pass->batch->n_rows, row_cost(pass->m), job, pass);
}

/* A job that goes over all rows for some of the channels; they cost that many floats each a row. */
static void share_channels(struct Pass *pass, uint64_t n_floats, PoolJob *job) {
    const uint64_t cost = pass->batch->n_rows * n_floats * sizeof(float);
    compute_run(pass->m->compute, cost, job, pass);
}

/* A sequence's memory of this layer. */
static float *conv_window(const struct Pass *pass, const struct BatchSpan *span) {
    return recurrent_floats(span->state) + pass->layer_number * pass->m->layer_floats;
}

static float *scan_state(const struct Pass *pass, const struct BatchSpan *span) {
    return conv_window(pass, span) + (pass->m->n_taps - 1) * pass->m->conv_stride;
}

/* ---- Rows: x = embedding[token]; the input of Win is norm(x) ---- */

static void embed_row(void *userdata, uint32_t row) {
    struct Pass *pass = userdata;
    struct Mamba *m = pass->m;
    matrix_row(&m->embedding, (uint32_t)pass->batch->rows[row].token, row_of(&m->x, row));
}

static void norm_row(void *userdata, uint32_t row) {
    struct Pass *pass = userdata;
    struct Mamba *m = pass->m;
    pass->kernels->rms_norm(row_of(&m->x, row), pass->layer->norm, m->n_embd, m->norm_epsilon,
                            input_row(&m->input, row));
    input_seal(&m->input, pass->kernels, row, form_of(&pass->layer->in));
}

static void project_in(struct Pass *pass) {
    struct Mamba *m = pass->m;
    input_begin(&m->input, pass->batch->n_rows, m->n_embd);
    each_row(pass, norm_row);
    input_multiply(&m->input, m->compute, &(struct Product){&pass->layer->in, &m->projected}, 1);
}

/* ---- Channels: the convolution, from what Win gave to `convolved` ---- */

static void conv_job(void *userdata, unsigned thread, unsigned n_threads) {
    struct Pass *pass = userdata;
    struct Mamba *m = pass->m;
    unsigned long begin, end;
    pool_share(thread, n_threads, m->conv_stride / TILE, &begin, &end);
    const size_t first = begin * TILE, past = end * TILE < m->n_conv ? end * TILE : m->n_conv;
    for (uint32_t i = 0; first < past && i < pass->batch->n_spans; i++) {
        const struct BatchSpan *span = &pass->batch->spans[i];
        pass->kernels->ssm_conv(&(const struct SsmConv){
            .n_rows = span->n_rows,
            .n_channels = (uint32_t)(past - first),
            .n_taps = m->n_taps,
            .stride = m->conv_stride,
            .weight = pass->layer->conv_taps + first,
            .bias = pass->layer->conv_bias + first,
            .window = conv_window(pass, span) + first,
            .x = row_of(&m->projected, span->first_row) + (m->is_2 ? m->n_inner : 0) + first,
            .y = input_row(&m->convolved, span->first_row) + first,
            .x_stride = m->projected.stride,
            .y_stride = m->convolved.f32.stride,
        });
    }
}

static void convolve(struct Pass *pass) {
    struct Mamba *m = pass->m;
    input_begin(&m->convolved, pass->batch->n_rows, m->n_conv);
    share_channels(pass, (uint64_t)m->n_conv * 2 * m->n_taps, conv_job);
}

/* ---- x += Wout input ---- */

static void seal_row(void *userdata, uint32_t row) {
    struct Pass *pass = userdata;
    input_seal(&pass->m->input, pass->kernels, row, form_of(&pass->layer->out));
}

static void add_row(void *userdata, uint32_t row) {
    struct Pass *pass = userdata;
    struct Mamba *m = pass->m;
    pass->kernels->add(row_of(&m->y, row), m->n_embd, row_of(&m->x, row));
}

/* `job` seals the rows. */
static void project_out(struct Pass *pass, RowJob *job) {
    struct Mamba *m = pass->m;
    each_row(pass, job);
    input_multiply(&m->input, m->compute, &(struct Product){&pass->layer->out, &m->y}, 1);
    each_row(pass, add_row);
}

/* ---- Mamba: delta, B and C from the convolved channels ---- */

static void seal_convolved_row(void *userdata, uint32_t row) {
    struct Pass *pass = userdata;
    input_seal(&pass->m->convolved, pass->kernels, row, form_of(&pass->layer->x_proj));
}

static void norm_selected(const struct Pass *pass, float *values, uint32_t n) {
    const struct Mamba *m = pass->m;
    pass->kernels->rms_norm(values, m->ones.data, n, m->norm_epsilon, values);
}

/* selected: delta [R], B [N], C [N] */
static void select_row(void *userdata, uint32_t row) {
    struct Pass *pass = userdata;
    struct Mamba *m = pass->m;
    float *dt = row_of(&m->selected, row), *b = dt + m->dt_rank, *c = b + m->n_state;
    if (m->has_bc_norms) {
        norm_selected(pass, dt, m->dt_rank);
        norm_selected(pass, b, m->n_state);
        norm_selected(pass, c, m->n_state);
    }
    memcpy(input_row(&m->input, row), dt, m->dt_rank * sizeof *dt);
    input_seal(&m->input, pass->kernels, row, form_of(&pass->layer->dt_proj));
}

static void select_1(struct Pass *pass) {
    struct Mamba *m = pass->m;
    const struct MambaLayer *layer = pass->layer;
    each_row(pass, seal_convolved_row);
    input_multiply(&m->convolved, m->compute, &(struct Product){&layer->x_proj, &m->selected}, 1);
    input_begin(&m->input, pass->batch->n_rows, m->dt_rank);
    each_row(pass, select_row);
    input_multiply(&m->input, m->compute, &(struct Product){&layer->dt_proj, &m->delta}, 1);
}

/* ---- Mamba: the scan; input = y * silu(z) ---- */

static void scan_channels(const struct Pass *pass, const struct BatchSpan *span, uint32_t first,
                          uint32_t n) {
    const struct Mamba *m = pass->m;
    const struct MambaLayer *layer = pass->layer;
    const uint32_t row = span->first_row;
    const float *b = row_of(&m->selected, row) + m->dt_rank;
    for (uint32_t i = row; i < row + span->n_rows; i++) {
        float *delta = row_of(&m->delta, i) + first;
        pass->kernels->softplus(delta, layer->dt_bias + first, n, delta);
    }
    pass->kernels->ssm_scan[SSM_SCAN_CHANNELS](&(const struct SsmScan){
        .n_rows = span->n_rows,
        .n_channels = n,
        .n_state = m->n_state,
        .x = input_row(&m->convolved, row) + first,
        .delta = row_of(&m->delta, row) + first,
        .a = layer->a_lanes + (size_t)first * m->n_state,
        .b = b,
        .c = b + m->n_state,
        .d = layer->d + first,
        .state = scan_state(pass, span) + (size_t)first * m->n_state,
        .y = input_row(&m->input, row) + first,
        .x_stride = m->convolved.f32.stride,
        .delta_stride = m->delta.stride,
        .bc_stride = m->selected.stride,
        .y_stride = m->input.f32.stride,
    });
    for (uint32_t i = row; i < row + span->n_rows; i++) {
        const float *z = row_of(&m->projected, i) + m->n_inner + first;
        float *y = input_row(&m->input, i) + first;
        pass->kernels->silu_mul(z, y, n, y);
    }
}

static void scan_job_1(void *userdata, unsigned thread, unsigned n_threads) {
    struct Pass *pass = userdata;
    const uint32_t n_inner = pass->m->n_inner;
    unsigned long begin, end;
    pool_share(thread, n_threads, (n_inner + TILE - 1) / TILE, &begin, &end);
    const uint32_t first = (uint32_t)begin * TILE;
    const uint32_t past = end * TILE < n_inner ? (uint32_t)end * TILE : n_inner;
    for (uint32_t i = 0; first < past && i < pass->batch->n_spans; i++)
        scan_channels(pass, &pass->batch->spans[i], first, past - first);
}

static void layer_1(struct Pass *pass) {
    struct Mamba *m = pass->m;
    project_in(pass);
    convolve(pass);
    select_1(pass);
    input_begin(&m->input, pass->batch->n_rows, m->n_inner);
    share_channels(pass, (uint64_t)m->n_inner * m->n_state, scan_job_1);
    project_out(pass, seal_row);
}

/* ---- Mamba-2: delta and the decay of each head ---- */

static void decay_row(void *userdata, uint32_t row) {
    struct Pass *pass = userdata;
    struct Mamba *m = pass->m;
    const float *dt = row_of(&m->projected, row) + m->n_inner + m->n_conv;
    float *delta = row_of(&m->delta, row);
    pass->kernels->softplus(dt, pass->layer->dt_bias, m->n_heads, delta);
    pass->kernels->exp_mul(delta, pass->layer->a, m->n_heads, row_of(&m->decay, row));
}

/* ---- Mamba-2: the scan. A unit is a tile of one head's channels. ---- */

static void scan_unit(const struct Pass *pass, const struct BatchSpan *span, uint32_t unit) {
    const struct Mamba *m = pass->m;
    const uint32_t head_size = m->n_inner / m->n_heads, n_tiles = (head_size + TILE - 1) / TILE;
    const uint32_t head = unit / n_tiles, at = unit % n_tiles * TILE;
    const uint32_t group = head / (m->n_heads / m->n_groups);
    const uint32_t row = span->first_row, channel = head * head_size + at;
    const float *convolved = input_row(&m->convolved, row);
    const float *b = convolved + m->n_inner + group * m->n_state;
    pass->kernels->ssm_scan[SSM_SCAN_HEAD](&(const struct SsmScan){
        .n_rows = span->n_rows,
        .n_channels = head_size - at < TILE ? head_size - at : TILE,
        .n_state = m->n_state,
        .x = convolved + channel,
        .delta = row_of(&m->delta, row) + head,
        .a = row_of(&m->decay, row) + head,
        .b = b,
        .c = b + m->n_groups * m->n_state,
        .d = pass->layer->d + head,
        .state = scan_state(pass, span) + (size_t)unit * TILE * m->n_state,
        .y = input_row(&m->input, row) + channel,
        .x_stride = m->convolved.f32.stride,
        .delta_stride = m->delta.stride,
        .bc_stride = m->convolved.f32.stride,
        .y_stride = m->input.f32.stride,
    });
}

static void scan_job_2(void *userdata, unsigned thread, unsigned n_threads) {
    struct Pass *pass = userdata;
    const struct Mamba *m = pass->m;
    const uint32_t n_tiles = (m->n_inner / m->n_heads + TILE - 1) / TILE;
    unsigned long begin, end;
    pool_share(thread, n_threads, (unsigned long)m->n_heads * n_tiles, &begin, &end);
    for (uint32_t i = 0; i < pass->batch->n_spans; i++)
        for (unsigned long unit = begin; unit < end; unit++)
            scan_unit(pass, &pass->batch->spans[i], (uint32_t)unit);
}

/* ---- Mamba-2: input = norm(y * silu(z)), group by group ---- */

static void gate_row(void *userdata, uint32_t row) {
    struct Pass *pass = userdata;
    struct Mamba *m = pass->m;
    const uint32_t n = m->n_inner / m->n_groups;
    float *y = input_row(&m->input, row);
    pass->kernels->silu_mul(row_of(&m->projected, row), y, m->n_inner, y);
    for (uint32_t at = 0; at < m->n_inner; at += n)
        pass->kernels->rms_norm(y + at, pass->layer->y_norm + at, n, m->norm_epsilon, y + at);
    seal_row(pass, row);
}

static void layer_2(struct Pass *pass) {
    struct Mamba *m = pass->m;
    project_in(pass);
    convolve(pass);
    each_row(pass, decay_row);
    input_begin(&m->input, pass->batch->n_rows, m->n_inner);
    share_channels(pass, (uint64_t)m->n_inner * m->n_state, scan_job_2);
    project_out(pass, gate_row);
}

/* ---- The head ---- */

static void output_row(void *userdata, uint32_t i) {
    struct Pass *pass = userdata;
    struct Mamba *m = pass->m;
    const struct Batch *batch = pass->batch;
    float *hidden = batch->hidden + i * batch->hidden_stride;
    pass->kernels->rms_norm(row_of(&m->x, batch->outputs[i]), m->output_norm, m->n_embd,
                            m->norm_epsilon, hidden);
    memcpy(input_row(&m->input, i), hidden, m->n_embd * sizeof *hidden);
    input_seal(&m->input, pass->kernels, i, form_of(&m->head));
}

static void head(struct Pass *pass) {
    struct Mamba *m = pass->m;
    const struct Batch *batch = pass->batch;
    const struct Rows logits = {batch->logits, batch->logits_stride};
    input_begin(&m->input, batch->n_logits, m->n_embd);
    compute_rows(m->compute, batch->n_outputs, row_cost(m), output_row, pass);
    if (batch->n_logits > 0)
        input_multiply(&m->input, m->compute, &(struct Product){&m->head, &logits}, 1);
}

void mamba_step(void *model, const struct Batch *batch) {
    struct Mamba *m = model;
    struct Pass pass = {.m = m, .batch = batch, .kernels = m->compute->kernels};
    each_row(&pass, embed_row);
    for (uint32_t i = 0; i < m->n_layers; i++) {
        pass.layer_number = i;
        pass.layer = &m->layers[i];
        (m->is_2 ? layer_2 : layer_1)(&pass);
    }
    head(&pass);
}
