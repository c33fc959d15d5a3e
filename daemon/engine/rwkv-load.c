#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/limits.h"
#include "engine/rwkv.h"

#define N_OF(array) (sizeof(array) / sizeof *(array))

static const struct RwkvVersion *const versions[] = {&rwkv_version_6, &rwkv_version_7};

/* ---- Hyper-parameters ---- */

struct Number {
    const char *name;
    size_t offset;
    uint32_t min, max;
};

#define SIZE(i) offsetof(struct Rwkv, sizes[i])

static const struct Number required_numbers[] = {
    {"embedding_length", SIZE(RWKV_C), 1, MODEL_MAX_WIDTH},
    {"block_count", offsetof(struct Rwkv, n_layers), 1, MODEL_MAX_LAYERS},
    {"wkv.head_size", offsetof(struct Rwkv, head_size), 1, MODEL_MAX_HEAD_SIZE},
};

/* The converter writes the first one always and knows no limit. */
#define DEFAULT_CONTEXT (1u << 20)

static const struct Number optional_numbers[] = {
    {"context_length", offsetof(struct Rwkv, n_ctx), 1, MODEL_MAX_CONTEXT},
    {"rescale_every_n_layers", offsetof(struct Rwkv, rescale_every), 0, MODEL_MAX_LAYERS},
};

/* Widths that a key says, or, where it is missing, the rows of a tensor. */
static const struct WidthRow {
    const struct RwkvVersion *version; /* NULL: both */
    enum RwkvSize size;
    uint32_t parts; /* how many of them the tensor's rows are */
    uint32_t layer; /* the first that has it */
    const char *key, *tensor;
} widths[] = {
    {NULL, RWKV_F, 1, 0, "feed_forward_length", "channel_mix_key"},
    {&rwkv_version_6, RWKV_RANK_MIX, 5, 0, "time_mix_extra_dim", "time_mix_w1"},
    {&rwkv_version_6, RWKV_RANK_W, 1, 0, "time_decay_extra_dim", "time_mix_decay_w1"},
    {&rwkv_version_7, RWKV_RANK_W, 1, 0, "attention.decay_lora_rank", "time_mix_w1"},
    {&rwkv_version_7, RWKV_RANK_A, 1, 0, "attention.iclr_lora_rank", "time_mix_a1"},
    {&rwkv_version_7, RWKV_RANK_V, 1, 1, "attention.value_residual_mix_lora_rank", "time_mix_v1"},
    {&rwkv_version_7, RWKV_RANK_G, 1, 0, "attention.gate_lora_rank", "time_mix_g1"},
};

static int read_number(const struct ModelFile *file, struct Rwkv *m, const struct Number *number,
                       Reason *why) {
    uint32_t *field = (uint32_t *)((char *)m + number->offset);
    return model_u32(file, number->name, number->min, number->max, field, why);
}

static int read_numbers(const struct ModelFile *file, struct Rwkv *m, Reason *why) {
    int r = 0;
    m->n_ctx = DEFAULT_CONTEXT;
    for (size_t i = 0; r == 0 && i < N_OF(required_numbers); i++)
        r = model_require(file, read_number(file, m, &required_numbers[i], why),
                          required_numbers[i].name, why);
    for (size_t i = 0; r >= 0 && i < N_OF(optional_numbers); i++)
        r = read_number(file, m, &optional_numbers[i], why);
    return r < 0 ? r : 0;
}

static int read_width(const struct ModelFile *file, struct Rwkv *m, const struct WidthRow *width,
                      Reason *why) {
    char name[64];
    if (width->layer >= m->n_layers) return 0;
    int r = model_u32(file, width->key, 1, MODEL_MAX_WIDTH, &m->sizes[width->size], why);
    if (r != GGUF_ABSENT) return r;
    snprintf(name, sizeof name, "blk.%u.%s.weight", width->layer, width->tensor);
    uint64_t n = weights_n_rows(file->weights, name);
    if (n == 0) return reason_set(why, EBADMSG, "the tensor %s is missing", name);
    if (n % width->parts != 0 || n / width->parts > MODEL_MAX_WIDTH)
        return reason_set(why, EBADMSG, "the tensor %s has %llu rows", name, (unsigned long long)n);
    m->sizes[width->size] = (uint32_t)(n / width->parts);
    return 0;
}

static int read_widths(const struct ModelFile *file, struct Rwkv *m, Reason *why) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < N_OF(widths); i++)
        if (!widths[i].version || widths[i].version == m->version)
            r = read_width(file, m, &widths[i], why);
    return r;
}

static int check_heads(struct Rwkv *m, Reason *why) {
    if (m->head_size % 8 != 0)
        return reason_set(why, ENOTSUP, "heads of %u channels, not a multiple of 8", m->head_size);
    if (m->sizes[RWKV_C] % m->head_size != 0)
        return reason_set(why, EBADMSG, "%u channels are no heads of %u", m->sizes[RWKV_C],
                          m->head_size);
    m->n_heads = m->sizes[RWKV_C] / m->head_size;
    return 0;
}

static uint64_t n_floats(const struct Rwkv *m) {
    return (uint64_t)m->n_layers * m->sizes[RWKV_C] * (2 + m->head_size);
}

static int check_state(const struct Rwkv *m, Reason *why) {
    if (n_floats(m) <= RECURRENT_MAX_FLOATS) return 0;
    return reason_set(why, EFBIG, "a sequence's state would have %llu floats",
                      (unsigned long long)n_floats(m));
}

static int read_epsilon(const struct ModelFile *file, struct Rwkv *m, Reason *why) {
    const char *key = "attention.layer_norm_epsilon";
    int r = model_require(file, model_f32(file, key, &m->norm_epsilon, why), key, why);
    if (r < 0) return r;
    if (!(m->norm_epsilon >= 0 && m->norm_epsilon < 1))
        return reason_set(why, EBADMSG, "%s is %g", key, (double)m->norm_epsilon);
    return 0;
}

static int check_token_shifts(const struct ModelFile *file, Reason *why) {
    uint32_t n = 2;
    int r = model_u32(file, "token_shift_count", 0, 2, &n, why);
    if (r < 0) return r;
    if (n != 2) return reason_set(why, ENOTSUP, "layers of %u token shifts instead of two", n);
    return 0;
}

static int read_hyper_parameters(const struct ModelFile *file, struct Rwkv *m, Reason *why) {
    for (size_t i = 0; i < N_OF(versions); i++)
        if (strcmp(versions[i]->architecture, file->architecture) == 0) m->version = versions[i];
    int r = read_numbers(file, m, why);
    if (r == 0) r = check_heads(m, why);
    if (r == 0) r = check_state(m, why);
    if (r == 0) r = check_token_shifts(file, why);
    if (r == 0) r = read_epsilon(file, m, why);
    if (r == 0) r = read_widths(file, m, why);
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

#define FIELD(name) offsetof(struct RwkvLayer, name)

/* All have C values. */
static const struct VectorRow {
    const struct RwkvVersion *version; /* NULL: both */
    const char *name;
    size_t offset;
} vectors[] = {
    {NULL, "attn_norm.weight", FIELD(attn_norm.weight)},
    {NULL, "attn_norm.bias", FIELD(attn_norm.bias)},
    {NULL, "attn_norm_2.weight", FIELD(attn_norm_2.weight)},
    {NULL, "attn_norm_2.bias", FIELD(attn_norm_2.bias)},
    {NULL, "time_mix_ln.weight", FIELD(time_mix_ln.weight)},
    {NULL, "time_mix_ln.bias", FIELD(time_mix_ln.bias)},
    {NULL, "channel_mix_lerp_k.weight", FIELD(channel_lerp_k)},
    {&rwkv_version_6, "channel_mix_lerp_r.weight", FIELD(channel_lerp_r)},
    {&rwkv_version_6, "time_mix_lerp_x.weight", FIELD(lerp_x)},
    {&rwkv_version_6, "time_mix_first.weight", FIELD(first)},
    {&rwkv_version_6, "time_mix_decay.weight", FIELD(w.bias)},
    {&rwkv_version_7, "time_mix_w0.weight", FIELD(w.bias)},
    {&rwkv_version_7, "time_mix_a0.weight", FIELD(a.bias)},
    {&rwkv_version_7, "time_mix_k_k.weight", FIELD(k_k)},
    {&rwkv_version_7, "time_mix_k_a.weight", FIELD(k_a)},
    {&rwkv_version_7, "time_mix_r_k.weight", FIELD(r_k)},
};

static const struct MatrixRow {
    const struct RwkvVersion *version;
    const char *name;
    enum RwkvSize n_rows, n_cols;
    size_t offset;
} matrices[] = {
    {NULL, "time_mix_receptance", RWKV_C, RWKV_C, FIELD(receptance)},
    {NULL, "time_mix_key", RWKV_C, RWKV_C, FIELD(key)},
    {NULL, "time_mix_value", RWKV_C, RWKV_C, FIELD(value)},
    {NULL, "time_mix_output", RWKV_C, RWKV_C, FIELD(output)},
    {NULL, "channel_mix_key", RWKV_F, RWKV_C, FIELD(channel_key)},
    {NULL, "channel_mix_value", RWKV_C, RWKV_F, FIELD(channel_value)},
    {&rwkv_version_6, "channel_mix_receptance", RWKV_C, RWKV_C, FIELD(channel_receptance)},
    {&rwkv_version_6, "time_mix_gate", RWKV_C, RWKV_C, FIELD(gate)},
    {&rwkv_version_6, "time_mix_decay_w1", RWKV_RANK_W, RWKV_C, FIELD(w.down)},
    {&rwkv_version_6, "time_mix_decay_w2", RWKV_C, RWKV_RANK_W, FIELD(w.up)},
    {&rwkv_version_7, "time_mix_w1", RWKV_RANK_W, RWKV_C, FIELD(w.down)},
    {&rwkv_version_7, "time_mix_w2", RWKV_C, RWKV_RANK_W, FIELD(w.up)},
    {&rwkv_version_7, "time_mix_a1", RWKV_RANK_A, RWKV_C, FIELD(a.down)},
    {&rwkv_version_7, "time_mix_a2", RWKV_C, RWKV_RANK_A, FIELD(a.up)},
    {&rwkv_version_7, "time_mix_g1", RWKV_RANK_G, RWKV_C, FIELD(g.down)},
    {&rwkv_version_7, "time_mix_g2", RWKV_C, RWKV_RANK_G, FIELD(g.up)},
};

static int load_vector(const struct Rwkv *m, struct Weights *weights, uint32_t layer,
                       const char *name, const float **ret, Reason *why) {
    return weights_vector(weights, layer_tensor(layer, name).text, 0, m->sizes[RWKV_C], ret, why);
}

static int load_matrix(const struct Rwkv *m, struct Weights *weights, uint32_t layer,
                       const struct MatrixRow *row, struct Matrix *ret, Reason *why) {
    return weights_matrix(weights, layer_tensor(layer, row->name).text, 0, m->sizes[row->n_rows],
                          m->sizes[row->n_cols], ret, why);
}

/* One tensor, or, in files of 2024, one for each lerp. */
static int load_lerps(const struct Rwkv *m, struct Weights *weights, uint32_t i, Reason *why) {
    struct RwkvLayer *layer = &m->layers[i];
    const uint32_t n = (uint32_t)strlen(m->version->lerps);
    const bool may_lack = m->version == &rwkv_version_6;
    int r = weights_vector(weights, layer_tensor(i, "time_mix_lerp_fused.weight").text,
                           may_lack ? WEIGHTS_OPTIONAL : 0, n * m->sizes[RWKV_C],
                           &layer->lerp_fused, why);
    if (r != WEIGHTS_ABSENT) return r;
    for (uint32_t c = 0; c < n; c++) {
        char name[32];
        snprintf(name, sizeof name, "time_mix_lerp_%c.weight", m->version->lerps[c]);
        r = load_vector(m, weights, i, name, &layer->lerp[c], why);
        if (r < 0) return r;
    }
    return 0;
}

static int load_mix(const struct Rwkv *m, struct Weights *weights, uint32_t i, Reason *why) {
    struct RwkvLayer *layer = &m->layers[i];
    const uint32_t n = (uint32_t)N_OF(layer->mix_up), rank = m->sizes[RWKV_RANK_MIX];
    int r = weights_matrix(weights, layer_tensor(i, "time_mix_w1").text, 0, n * rank,
                           m->sizes[RWKV_C], &layer->mix_down, why);
    for (uint32_t c = 0; r == 0 && c < n; c++)
        r = weights_slice(weights, layer_tensor(i, "time_mix_w2").text, c, n, m->sizes[RWKV_C],
                          rank, &layer->mix_up[c], why);
    return r;
}

/* Files have one for layer 0 too, which stands for nothing: there is no value to mix with. */
static int load_value_lora(const struct Rwkv *m, struct Weights *weights, uint32_t i, Reason *why) {
    static const struct MatrixRow down = {NULL, "time_mix_v1", RWKV_RANK_V, RWKV_C, 0},
                                  up = {NULL, "time_mix_v2", RWKV_C, RWKV_RANK_V, 0};
    struct RwkvLora *lora = &m->layers[i].v;
    if (i == 0) return 0;
    int r = load_vector(m, weights, i, "time_mix_v0.weight", &lora->bias, why);
    if (r == 0) r = load_matrix(m, weights, i, &down, &lora->down, why);
    if (r == 0) r = load_matrix(m, weights, i, &up, &lora->up, why);
    return r;
}

static int load_layer(const struct Rwkv *m, struct Weights *weights, uint32_t i, Reason *why) {
    char *layer = (char *)&m->layers[i];
    int r = load_lerps(m, weights, i, why);
    for (size_t j = 0; r == 0 && j < N_OF(vectors); j++)
        if (!vectors[j].version || vectors[j].version == m->version)
            r = load_vector(m, weights, i, vectors[j].name,
                            (const float **)(layer + vectors[j].offset), why);
    for (size_t j = 0; r == 0 && j < N_OF(matrices); j++)
        if (!matrices[j].version || matrices[j].version == m->version)
            r = load_matrix(m, weights, i, &matrices[j],
                            (struct Matrix *)(layer + matrices[j].offset), why);
    if (r < 0) return r;
    return m->version == &rwkv_version_6 ? load_mix(m, weights, i, why)
                                         : load_value_lora(m, weights, i, why);
}

static int load_norm(const struct Rwkv *m, struct Weights *weights, const char *name,
                     struct RwkvNorm *ret, Reason *why) {
    char full[64];
    snprintf(full, sizeof full, "%s.weight", name);
    int r = weights_vector(weights, full, 0, m->sizes[RWKV_C], &ret->weight, why);
    if (r < 0) return r;
    snprintf(full, sizeof full, "%s.bias", name);
    return weights_vector(weights, full, 0, m->sizes[RWKV_C], &ret->bias, why);
}

static int load_tensors(struct Rwkv *m, struct Weights *weights, Reason *why) {
    const uint32_t n = m->sizes[RWKV_C];
    m->layers = calloc(m->n_layers, sizeof *m->layers);
    if (!m->layers) return -ENOMEM;
    int r = weights_matrix(weights, "token_embd", 0, m->n_vocab, n, &m->embedding, why);
    if (r == 0) r = load_norm(m, weights, "token_embd_norm", &m->embedding_norm, why);
    if (r == 0) r = load_norm(m, weights, "output_norm", &m->output_norm, why);
    if (r == 0) r = weights_matrix(weights, "output", 0, m->n_vocab, n, &m->head, why);
    for (uint32_t i = 0; r == 0 && i < m->n_layers; i++) r = load_layer(m, weights, i, why);
    return r;
}

/* ---- As rows of the family ---- */

int rwkv_open(const struct ModelFile *file, struct ModelShape *ret_shape, void **ret, Reason *why) {
    struct Rwkv *m = calloc(1, sizeof *m);
    if (!m) return -ENOMEM;
    int r = read_hyper_parameters(file, m, why);
    if (r == 0) r = load_tensors(m, file->weights, why);
    if (r == 0) r = recurrent_pool_init(&m->pool, n_floats(m));
    if (r < 0) {
        rwkv_close(m);
        return r;
    }
    *ret_shape = (struct ModelShape){m->n_layers, m->sizes[RWKV_C], m->n_vocab, m->n_ctx};
    *ret = m;
    return 0;
}

static Forms forms_of_layer(const struct Rwkv *m, const struct RwkvLayer *layer) {
    Forms forms = 0;
    for (size_t j = 0; j < N_OF(matrices); j++)
        if (!matrices[j].version || matrices[j].version == m->version)
            forms |= form_of((const struct Matrix *)((const char *)layer + matrices[j].offset));
    forms |= form_of(&layer->mix_down) | form_of(&layer->v.down) | form_of(&layer->v.up);
    for (size_t c = 0; c < N_OF(layer->mix_up); c++) forms |= form_of(&layer->mix_up[c]);
    return forms;
}

static int start_inputs(struct Rwkv *m) {
    Forms forms = form_of(&m->head);
    uint32_t widest = 0;
    int r = 0;
    for (uint32_t i = 0; i < m->n_layers; i++) forms |= forms_of_layer(m, &m->layers[i]);
    for (unsigned i = 0; i < RWKV_N_SIZES; i++)
        if (i != RWKV_F && m->sizes[i] > widest) widest = m->sizes[i];
    for (unsigned i = 0; r == 0 && i < RWKV_MAX_MIXES; i++) {
        uint32_t n = i == 0 && m->sizes[RWKV_F] > widest ? m->sizes[RWKV_F] : widest;
        r = input_init(&m->inputs[i], forms, m->compute->max_tokens, n);
    }
    return r;
}

/* Rows that have C values, and those of RWKV-7 alone. */
static const size_t rows_of_c[] = {
    offsetof(struct Rwkv, x), offsetof(struct Rwkv, h), offsetof(struct Rwkv, r),
    offsetof(struct Rwkv, w), offsetof(struct Rwkv, k), offsetof(struct Rwkv, v),
    offsetof(struct Rwkv, g), offsetof(struct Rwkv, y),
};
static const size_t rows_of_7[] = {
    offsetof(struct Rwkv, a),
    offsetof(struct Rwkv, kk),
    offsetof(struct Rwkv, b),
    offsetof(struct Rwkv, v_first),
};

static int start_rows(struct Rwkv *m) {
    const uint32_t n = m->compute->max_tokens, *sizes = m->sizes;
    const bool is_7 = m->version == &rwkv_version_7;
    const uint32_t ranks_6[] = {5 * sizes[RWKV_RANK_MIX], sizes[RWKV_RANK_W], 0, 0};
    const uint32_t ranks_7[] = {sizes[RWKV_RANK_W], sizes[RWKV_RANK_A], sizes[RWKV_RANK_G],
                                sizes[RWKV_RANK_V]};
    int r = rows_init(&m->ff, n, sizes[RWKV_F]);
    for (size_t i = 0; r == 0 && i < N_OF(rows_of_c); i++)
        r = rows_init((struct Rows *)((char *)m + rows_of_c[i]), n, sizes[RWKV_C]);
    for (size_t i = 0; r == 0 && is_7 && i < N_OF(rows_of_7); i++)
        r = rows_init((struct Rows *)((char *)m + rows_of_7[i]), n, sizes[RWKV_C]);
    for (size_t i = 0; r == 0 && i < N_OF(m->down); i++)
        r = rows_init(&m->down[i], n, is_7 ? ranks_7[i] : ranks_6[i]);
    return r;
}

int rwkv_start(void *model, const struct Compute *compute) {
    struct Rwkv *m = model;
    m->compute = compute;
    for (uint32_t i = 0; i < m->n_layers; i++) {
        struct RwkvLayer *layer = &m->layers[i];
        for (size_t c = 0; layer->lerp_fused && c < strlen(m->version->lerps); c++)
            layer->lerp[c] = layer->lerp_fused + c * m->sizes[RWKV_C];
    }
    int r = start_inputs(m);
    return r < 0 ? r : start_rows(m);
}

void rwkv_close(void *model) {
    struct Rwkv *m = model;
    for (size_t i = 0; i < N_OF(rows_of_c); i++)
        rows_done((struct Rows *)((char *)m + rows_of_c[i]));
    for (size_t i = 0; i < N_OF(rows_of_7); i++)
        rows_done((struct Rows *)((char *)m + rows_of_7[i]));
    for (size_t i = 0; i < N_OF(m->down); i++) rows_done(&m->down[i]);
    for (size_t i = 0; i < N_OF(m->inputs); i++) input_done(&m->inputs[i]);
    rows_done(&m->ff);
    recurrent_pool_done(&m->pool);
    free(m->layers);
    free(m);
}
