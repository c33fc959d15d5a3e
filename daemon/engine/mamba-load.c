/* Opening and starting a Mamba, and its row of the table of families. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/limits.h"
#include "engine/mamba.h"
#include "kernels/exp.h"

/* ---- Hyper-parameters ---- */

struct Number {
    const char *name;
    size_t offset;
    uint32_t max;
};

/* For Mamba-2, ssm.time_step_rank is the number of heads. */
static const struct Number numbers[] = {
    {"context_length", offsetof(struct Mamba, n_ctx), MODEL_MAX_CONTEXT},
    {"embedding_length", offsetof(struct Mamba, n_embd), MODEL_MAX_WIDTH},
    {"block_count", offsetof(struct Mamba, n_layers), MODEL_MAX_LAYERS},
    {"ssm.inner_size", offsetof(struct Mamba, n_inner), MODEL_MAX_WIDTH},
    {"ssm.state_size", offsetof(struct Mamba, n_state), SSM_MAX_STATE},
    {"ssm.conv_kernel", offsetof(struct Mamba, n_taps), SSM_MAX_TAPS},
    {"ssm.time_step_rank", offsetof(struct Mamba, dt_rank), MODEL_MAX_WIDTH},
};

static int require_u32(const struct ModelFile *file, const char *name, uint32_t max, uint32_t *ret,
                       Reason *why) {
    return model_require(file, model_u32(file, name, 1, max, ret, why), name, why);
}

static int read_numbers(const struct ModelFile *file, struct Mamba *m, Reason *why) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof numbers / sizeof *numbers; i++)
        r = require_u32(file, numbers[i].name, numbers[i].max,
                        (uint32_t *)((char *)m + numbers[i].offset), why);
    return r;
}

static int read_epsilon(const struct ModelFile *file, struct Mamba *m, Reason *why) {
    const char *key = "attention.layer_norm_rms_epsilon";
    int r = model_require(file, model_f32(file, key, &m->norm_epsilon, why), key, why);
    if (r == 0 && !(m->norm_epsilon >= 0 && m->norm_epsilon < 1))
        r = reason_set(why, EBADMSG, "%s is %g", key, (double)m->norm_epsilon);
    return r;
}

/* Mamba-2's heads and groups. */
static int read_heads(const struct ModelFile *file, struct Mamba *m, Reason *why) {
    m->n_heads = m->dt_rank;
    int r = require_u32(file, "ssm.group_count", MODEL_MAX_WIDTH, &m->n_groups, why);
    if (r < 0) return r;
    if (m->n_inner % m->n_heads != 0)
        return reason_set(why, EBADMSG, "%u channels cannot be shared by %u heads", m->n_inner,
                          m->n_heads);
    if (m->n_heads % m->n_groups != 0)
        return reason_set(why, EBADMSG, "%u heads cannot be shared by %u groups", m->n_heads,
                          m->n_groups);
    return 0;
}

static uint64_t whole_lanes(uint64_t n) {
    return (n + 15) / 16 * 16;
}

/* What follows from the hyper-parameters, none of which is larger than 2^24. */
static int size_layers(struct Mamba *m, Reason *why) {
    const uint64_t n_conv = m->n_inner + (m->is_2 ? 2 * (uint64_t)m->n_groups * m->n_state : 0);
    const uint64_t n_scan =
        m->is_2 ? m->n_heads * whole_lanes(m->n_inner / m->n_heads) : whole_lanes(m->n_inner);
    const uint64_t layer_floats = (m->n_taps - 1) * whole_lanes(n_conv) + n_scan * m->n_state;
    if (n_conv * m->n_taps > MODEL_MAX_WIDTH)
        return reason_set(why, EFBIG, "a convolution of %llu channels with %u taps",
                          (unsigned long long)n_conv, m->n_taps);
    if (!m->is_2 && (uint64_t)m->n_inner * m->n_state > MODEL_MAX_WIDTH)
        return reason_set(why, EFBIG, "%u channels of %u states", m->n_inner, m->n_state);
    if (layer_floats * m->n_layers > RECURRENT_MAX_FLOATS)
        return reason_set(why, EFBIG, "a sequence's state would have %llu floats",
                          (unsigned long long)layer_floats * m->n_layers);
    m->n_conv = (uint32_t)n_conv;
    m->conv_stride = whole_lanes(n_conv);
    m->layer_floats = layer_floats;
    return 0;
}

static int read_hyper_parameters(const struct ModelFile *file, struct Mamba *m, Reason *why) {
    m->is_2 = strcmp(file->architecture, "mamba2") == 0;
    int r = read_numbers(file, m, why);
    if (r == 0) r = read_epsilon(file, m, why);
    if (r == 0 && m->is_2) r = read_heads(file, m, why);
    if (r == 0) r = model_bool(file, "ssm.dt_b_c_rms", &m->has_bc_norms, why);
    if (r >= 0) r = size_layers(m, why);
    if (r == 0) r = model_vocabulary(file, &m->n_vocab, why);
    return r;
}

/* ---- Tensors ---- */

struct Name {
    char text[64];
};

static struct Name layer_tensor(uint32_t layer, const char *name) {
    struct Name ret;
    snprintf(ret.text, sizeof ret.text, "blk.%u.%s", layer, name);
    return ret;
}

static int load_vector(struct Weights *weights, uint32_t layer, const char *name, uint32_t n,
                       const float **ret, Reason *why) {
    return weights_vector(weights, layer_tensor(layer, name).text, 0, n, ret, why);
}

static int load_matrix(struct Weights *weights, uint32_t layer, const char *name, uint32_t n_rows,
                       uint32_t n_cols, struct Matrix *ret, Reason *why) {
    return weights_matrix(weights, layer_tensor(layer, name).text, 0, n_rows, n_cols, ret, why);
}

/* Between the convolution and Wout. */
static int load_scan_1(const struct Mamba *m, struct Weights *weights, uint32_t i, Reason *why) {
    struct MambaLayer *layer = &m->layers[i];
    const uint32_t n = m->n_inner;
    int r = load_matrix(weights, i, "ssm_x", m->dt_rank + 2 * m->n_state, n, &layer->x_proj, why);
    if (r == 0) r = load_matrix(weights, i, "ssm_dt", n, m->dt_rank, &layer->dt_proj, why);
    if (r == 0) r = load_vector(weights, i, "ssm_dt.bias", n, &layer->dt_bias, why);
    if (r == 0) r = load_vector(weights, i, "ssm_a", n * m->n_state, &layer->a, why);
    if (r == 0) r = load_vector(weights, i, "ssm_d", n, &layer->d, why);
    return r;
}

static int load_scan_2(const struct Mamba *m, struct Weights *weights, uint32_t i, Reason *why) {
    struct MambaLayer *layer = &m->layers[i];
    int r = load_vector(weights, i, "ssm_dt.bias", m->n_heads, &layer->dt_bias, why);
    if (r == 0) r = load_vector(weights, i, "ssm_a", m->n_heads, &layer->a, why);
    if (r == 0) r = load_vector(weights, i, "ssm_d", m->n_heads, &layer->d, why);
    if (r == 0) r = load_vector(weights, i, "ssm_norm.weight", m->n_inner, &layer->y_norm, why);
    return r;
}

static int load_layer(struct Mamba *m, struct Weights *weights, uint32_t i, Reason *why) {
    struct MambaLayer *layer = &m->layers[i];
    const uint32_t n_in = m->n_inner + m->n_conv + m->n_heads;
    int r = load_vector(weights, i, "attn_norm.weight", m->n_embd, &layer->norm, why);
    if (r == 0) r = load_matrix(weights, i, "ssm_in", n_in, m->n_embd, &layer->in, why);
    if (r == 0)
        r = load_vector(weights, i, "ssm_conv1d.weight", m->n_taps * m->n_conv, &layer->conv, why);
    if (r == 0) r = load_vector(weights, i, "ssm_conv1d.bias", m->n_conv, &layer->conv_bias, why);
    if (r == 0) r = (m->is_2 ? load_scan_2 : load_scan_1)(m, weights, i, why);
    if (r == 0) r = load_matrix(weights, i, "ssm_out", m->n_embd, m->n_inner, &layer->out, why);
    return r;
}

static int load_ends(struct Mamba *m, struct Weights *weights, Reason *why) {
    int r = weights_matrix(weights, "token_embd", 0, m->n_vocab, m->n_embd, &m->embedding, why);
    if (r == 0)
        r = weights_vector(weights, "output_norm.weight", 0, m->n_embd, &m->output_norm, why);
    if (r < 0) return r;
    r = weights_matrix(weights, "output", WEIGHTS_OPTIONAL, m->n_vocab, m->n_embd, &m->head, why);
    m->is_tied = r == WEIGHTS_ABSENT;
    return r < 0 ? r : 0;
}

static int load_tensors(struct Mamba *m, struct Weights *weights, Reason *why) {
    m->layers = calloc(m->n_layers, sizeof *m->layers);
    if (!m->layers) return -ENOMEM;
    int r = load_ends(m, weights, why);
    for (uint32_t i = 0; r == 0 && i < m->n_layers; i++) r = load_layer(m, weights, i, why);
    return r;
}

int mamba_open(const struct ModelFile *file, struct ModelShape *ret_shape, void **ret,
               Reason *why) {
    struct Mamba *m = calloc(1, sizeof *m);
    if (!m) return -ENOMEM;
    int r = read_hyper_parameters(file, m, why);
    if (r == 0) r = load_tensors(m, file->weights, why);
    if (r == 0) r = recurrent_pool_init(&m->pool, m->layer_floats * m->n_layers);
    if (r < 0) {
        mamba_close(m);
        return r;
    }
    *ret_shape = (struct ModelShape){m->n_layers, m->n_embd, m->n_vocab, m->n_ctx};
    *ret = m;
    return 0;
}

/* ---- What a step needs ---- */

/* [n_channels][n] to tiles of 16 channels, [tile][n][16], zeros behind the last channel; e^x to
 * powers of two. */
static void to_tiles_of_2(const float *from, uint32_t n_channels, uint32_t n, float *to) {
    for (size_t channel = 0; channel < n_channels; channel++)
        for (size_t i = 0; i < n; i++)
            to[(channel / 16 * n + i) * 16 + channel % 16] = from[channel * n + i] * EXP_LOG2_E;
}

/* [n_channels][n] to [n][stride] */
static void transpose(const float *from, uint32_t n_channels, uint32_t n, float *to,
                      size_t stride) {
    for (size_t channel = 0; channel < n_channels; channel++)
        for (size_t i = 0; i < n; i++) to[i * stride + channel] = from[channel * n + i];
}

static int start_lanes(struct Mamba *m) {
    const size_t n_taps = m->n_taps * m->conv_stride;
    const size_t n_a = m->is_2 ? 0 : whole_lanes(m->n_inner) * m->n_state;
    const size_t size = m->n_layers * (n_taps + n_a) * sizeof(float);
    m->lanes = rows_allocate(1, size);
    if (!m->lanes) return -ENOMEM;
    memset(m->lanes, 0, size);
    float *next = m->lanes;
    for (uint32_t i = 0; i < m->n_layers; i++, next += n_taps + n_a) {
        struct MambaLayer *layer = &m->layers[i];
        transpose(layer->conv, m->n_conv, m->n_taps, next, m->conv_stride);
        layer->conv_taps = next;
        if (m->is_2) continue;
        to_tiles_of_2(layer->a, m->n_inner, m->n_state, next + n_taps);
        layer->a_lanes = next + n_taps;
    }
    return 0;
}

static int start_rows(struct Mamba *m) {
    const uint32_t n_selected = m->is_2 ? 0 : m->dt_rank + 2 * m->n_state;
    const struct {
        struct Rows *rows;
        uint32_t n_cols;
    } all[] = {
        {&m->x, m->n_embd},
        {&m->y, m->n_embd},
        {&m->projected, m->n_inner + m->n_conv + m->n_heads},
        {&m->selected, n_selected},
        {&m->delta, m->is_2 ? m->n_heads : m->n_inner},
        {&m->decay, m->n_heads},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int r = rows_init(all[i].rows, m->compute->max_tokens, all[i].n_cols);
        if (r < 0) return r;
    }
    int r = rows_init(&m->ones, 1, n_selected);
    for (uint32_t i = 0; r == 0 && i < n_selected; i++) m->ones.data[i] = 1;
    return r;
}

static int start_inputs(struct Mamba *m) {
    Forms forms = form_of(&m->head), convolved_forms = 0;
    uint32_t widest = m->n_embd > m->n_inner ? m->n_embd : m->n_inner;
    if (!m->is_2 && widest < m->dt_rank) widest = m->dt_rank;
    for (uint32_t i = 0; i < m->n_layers; i++) {
        const struct MambaLayer *layer = &m->layers[i];
        forms |= form_of(&layer->in) | form_of(&layer->out);
        if (m->is_2) continue;
        forms |= form_of(&layer->dt_proj);
        convolved_forms |= form_of(&layer->x_proj);
    }
    int r = input_init(&m->input, forms, m->compute->max_tokens, widest);
    if (r < 0) return r;
    return input_init(&m->convolved, convolved_forms, m->compute->max_tokens, m->n_conv);
}

int mamba_start(void *model, const struct Compute *compute) {
    struct Mamba *m = model;
    m->compute = compute;
    if (m->is_tied) m->head = m->embedding;
    int r = start_lanes(m);
    if (r == 0) r = start_rows(m);
    if (r == 0) r = start_inputs(m);
    return r;
}

void mamba_close(void *model) {
    struct Mamba *m = model;
    struct Rows *rows[] = {&m->ones,     &m->x,     &m->y,    &m->projected,
                           &m->selected, &m->delta, &m->decay};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) rows_done(rows[i]);
    input_done(&m->input);
    input_done(&m->convolved);
    recurrent_pool_done(&m->pool);
    free(m->lanes);
    free(m->layers);
    free(m);
}

const struct Family family_mamba = {
    .name = "mamba",
    .open = mamba_open,
    .close = mamba_close,
    .start = mamba_start,
    .step = mamba_step,
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
