#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/limits.h"
#include "engine/transformer.h"

static const struct TransformerVariant variants[] = {
    {"llama", ROPE_NORM, false, "silu"},
    {"bitnet", ROPE_NEOX, true, "silu"},
    {"bitnet-b1.58", ROPE_NEOX, true, "relu2"},
    {"bitnet-25", ROPE_NEOX, true, "relu2"},
};

static const struct TransformerVariant *find_variant(const char *architecture) {
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
        if (strcmp(variants[i].architecture, architecture) == 0) return &variants[i];
    return NULL;
}

/* ---- Hyper-parameters ---- */

struct Number {
    const char *name;
    size_t offset;
    uint32_t min, max;
};

static const struct Number required_numbers[] = {
    {"context_length", offsetof(struct Transformer, n_ctx), 1, MODEL_MAX_CONTEXT},
    {"embedding_length", offsetof(struct Transformer, n_embd), 1, MODEL_MAX_WIDTH},
    {"block_count", offsetof(struct Transformer, n_layers), 1, MODEL_MAX_LAYERS},
    {"feed_forward_length", offsetof(struct Transformer, n_ff), 1, MODEL_MAX_WIDTH},
    {"attention.head_count", offsetof(struct Transformer, n_heads), 1, MODEL_MAX_HEADS},
};

static const struct Number optional_numbers[] = {
    {"attention.head_count_kv", offsetof(struct Transformer, n_kv_heads), 1, MODEL_MAX_HEADS},
    {"attention.key_length", offsetof(struct Transformer, head_size), 1, MODEL_MAX_HEAD_SIZE},
    {"rope.dimension_count", offsetof(struct Transformer, n_rot), 0, MODEL_MAX_HEAD_SIZE},
};

#define N_OF(array) (sizeof(array) / sizeof *(array))

static int read_number(const struct ModelFile *file, struct Transformer *t,
                       const struct Number *number, Reason *why) {
    uint32_t *field = (uint32_t *)((char *)t + number->offset);
    return model_u32(file, number->name, number->min, number->max, field, why);
}

static int read_numbers(const struct ModelFile *file, struct Transformer *t, Reason *why) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < N_OF(required_numbers); i++)
        r = model_require(file, read_number(file, t, &required_numbers[i], why),
                          required_numbers[i].name, why);
    if (r < 0) return r;
    t->n_kv_heads = t->n_heads;
    t->head_size = t->n_embd / t->n_heads;
    t->n_rot = UINT32_MAX;
    for (size_t i = 0; r >= 0 && i < N_OF(optional_numbers); i++)
        r = read_number(file, t, &optional_numbers[i], why);
    if (t->n_rot == UINT32_MAX) t->n_rot = t->head_size;
    return r < 0 ? r : 0;
}

static int check_heads(const struct ModelFile *file, const struct Transformer *t, Reason *why) {
    uint32_t value_length = t->head_size;
    int r = model_u32(file, "attention.value_length", 1, MODEL_MAX_HEAD_SIZE, &value_length, why);
    if (r < 0) return r;
    if (t->n_heads % t->n_kv_heads != 0)
        return reason_set(why, EBADMSG, "%u attention heads cannot share %u KV heads", t->n_heads,
                          t->n_kv_heads);
    if (value_length != t->head_size)
        return reason_set(why, ENOTSUP, "keys of %u and values of %u dimensions", t->head_size,
                          value_length);
    if (t->head_size == 0 || t->head_size % 8 != 0)
        return reason_set(why, ENOTSUP, "attention heads of %u dimensions, not a multiple of 8",
                          t->head_size);
    if ((uint64_t)t->n_heads * t->head_size > MODEL_MAX_WIDTH)
        return reason_set(why, EFBIG, "%u attention heads of %u dimensions", t->n_heads,
                          t->head_size);
    if (t->n_rot % 2 != 0 || t->n_rot > t->head_size)
        return reason_set(why, EBADMSG, "%u of %u dimensions of a head rotate", t->n_rot,
                          t->head_size);
    return 0;
}

static int read_rope(const struct ModelFile *file, struct Transformer *t, Reason *why) {
    char type[32] = "none";
    float factor = 1;
    t->rope_base = 10000;
    int r = model_f32(file, "rope.freq_base", &t->rope_base, why);
    if (r >= 0) r = model_string(file, "rope.scaling.type", type, sizeof type, why);
    if (r < 0) return r;
    r = model_f32(file, "rope.scale_linear", &factor, why); /* files from before the type */
    if (r < 0) return r;
    if (strcmp(type, "linear") == 0)
        r = model_f32(file, "rope.scaling.factor", &factor, why);
    else if (strcmp(type, "none") != 0)
        return reason_set(why, ENOTSUP, "RoPE scaling \"%s\" is not supported", type);
    if (r < 0) return r;
    if (!(t->rope_base > 0) || !(factor > 0))
        return reason_set(why, EBADMSG, "RoPE has a base of %g and a scaling factor of %g",
                          (double)t->rope_base, (double)factor);
    t->rope_scale = 1 / factor;
    return 0;
}

static int read_activation(const struct ModelFile *file, struct Transformer *t, Reason *why) {
    char name[32];
    snprintf(name, sizeof name, "%s", t->variant->activation);
    int r = model_string(file, "hidden_activation", name, sizeof name, why);
    if (r < 0) return r;
    if (strcmp(name, "silu") == 0 || strcmp(name, "swish") == 0)
        t->activation = ACTIVATION_SILU;
    else if (strcmp(name, "relu2") == 0)
        t->activation = ACTIVATION_RELU2;
    else
        return reason_set(why, ENOTSUP, "the activation \"%s\" is not supported", name);
    return 0;
}

static int read_attention(const struct ModelFile *file, struct Transformer *t, Reason *why) {
    const char *key = "attention.layer_norm_rms_epsilon";
    int r = model_require(file, model_f32(file, key, &t->norm_epsilon, why), key, why);
    if (r < 0) return r;
    if (!(t->norm_epsilon >= 0 && t->norm_epsilon < 1))
        return reason_set(why, EBADMSG, "%s is %g", key, (double)t->norm_epsilon);
    t->attn_scale = 0;
    r = model_f32(file, "attention.scale", &t->attn_scale, why);
    if (r < 0) return r;
    if (t->attn_scale == 0) t->attn_scale = (float)(1 / sqrt((double)t->head_size));
    return 0;
}

static int read_hyper_parameters(const struct ModelFile *file, struct Transformer *t, Reason *why) {
    t->variant = find_variant(file->architecture);
    int r = read_numbers(file, t, why);
    if (r == 0) r = check_heads(file, t, why);
    if (r == 0) r = read_rope(file, t, why);
    if (r == 0) r = read_attention(file, t, why);
    if (r == 0) r = read_activation(file, t, why);
    if (r == 0) r = model_vocabulary(file, &t->n_vocab, why);
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

static int load_linear(struct Weights *weights, uint32_t layer, const char *name, bool ternary,
                       uint32_t n_rows, uint32_t n_cols, struct Linear *ret, Reason *why) {
    struct Name weight = layer_tensor(layer, name), bias = weight;
    strncat(bias.text, ".bias", sizeof bias.text - strlen(bias.text) - 1);
    int r = weights_matrix(weights, weight.text, ternary ? WEIGHTS_TERNARY : 0, n_rows, n_cols,
                           &ret->weight, why);
    if (r < 0) return r;
    r = weights_vector(weights, bias.text, WEIGHTS_OPTIONAL, n_rows, &ret->bias, why);
    return r < 0 ? r : 0;
}

static int load_vector(struct Weights *weights, uint32_t layer, const char *name, uint32_t n,
                       const float **ret, Reason *why) {
    return weights_vector(weights, layer_tensor(layer, name).text, 0, n, ret, why);
}

static int load_layer(struct Transformer *t, struct Weights *weights, uint32_t i, Reason *why) {
    struct Layer *layer = &t->layers[i];
    const uint32_t n_q = t->n_heads * t->head_size, n_kv = t->n_kv_heads * t->head_size;
    const bool ternary = t->variant->is_bitnet;
    int r = load_vector(weights, i, "attn_norm.weight", t->n_embd, &layer->attn_norm, why);
    if (r == 0) r = load_linear(weights, i, "attn_q", ternary, n_q, t->n_embd, &layer->q, why);
    if (r == 0) r = load_linear(weights, i, "attn_k", ternary, n_kv, t->n_embd, &layer->k, why);
    if (r == 0) r = load_linear(weights, i, "attn_v", ternary, n_kv, t->n_embd, &layer->v, why);
    if (r == 0 && ternary)
        r = load_vector(weights, i, "attn_sub_norm.weight", n_q, &layer->attn_sub_norm, why);
    if (r == 0)
        r = load_linear(weights, i, "attn_output", ternary, t->n_embd, n_q, &layer->attn_output,
                        why);
    if (r == 0) r = load_vector(weights, i, "ffn_norm.weight", t->n_embd, &layer->ffn_norm, why);
    if (r == 0)
        r = load_linear(weights, i, "ffn_gate", ternary, t->n_ff, t->n_embd, &layer->gate, why);
    if (r == 0) r = load_linear(weights, i, "ffn_up", ternary, t->n_ff, t->n_embd, &layer->up, why);
    if (r == 0 && ternary)
        r = load_vector(weights, i, "ffn_sub_norm.weight", t->n_ff, &layer->ffn_sub_norm, why);
    if (r == 0)
        r = load_linear(weights, i, "ffn_down", ternary, t->n_embd, t->n_ff, &layer->down, why);
    return r;
}

static int load_ends(struct Transformer *t, struct Weights *weights, Reason *why) {
    int r = weights_matrix(weights, "token_embd", 0, t->n_vocab, t->n_embd, &t->embedding, why);
    if (r < 0) return r;
    r = weights_vector(weights, "output_norm.weight", 0, t->n_embd, &t->output_norm, why);
    if (r < 0) return r;
    r = weights_vector(weights, "rope_freqs.weight", WEIGHTS_OPTIONAL, t->n_rot / 2,
                       &t->rope_factors, why);
    if (r < 0) return r;
    t->is_tied = true;
    if (t->variant->is_bitnet) return 0;
    r = weights_matrix(weights, "output", WEIGHTS_OPTIONAL, t->n_vocab, t->n_embd, &t->head, why);
    t->is_tied = r == WEIGHTS_ABSENT;
    return r < 0 ? r : 0;
}

static int load_tensors(struct Transformer *t, struct Weights *weights, Reason *why) {
    t->layers = calloc(t->n_layers, sizeof *t->layers);
    if (!t->layers) return -ENOMEM;
    int r = load_ends(t, weights, why);
    for (uint32_t i = 0; r == 0 && i < t->n_layers; i++) r = load_layer(t, weights, i, why);
    return r;
}

static int init_kv(struct Transformer *t, const char *type, Reason *why) {
    int r = kv_pool_init(&t->kv, t->n_layers, t->n_kv_heads, t->head_size, t->n_ctx, type);
    if (r == -EINVAL) return reason_set(why, EINVAL, "keys and values cannot be kept as %s", type);
    return r;
}

int transformer_open(const struct ModelFile *file, struct ModelShape *ret_shape, void **ret,
                     Reason *why) {
    struct Transformer *t = calloc(1, sizeof *t);
    if (!t) return -ENOMEM;
    int r = read_hyper_parameters(file, t, why);
    if (r == 0) r = load_tensors(t, file->weights, why);
    if (r == 0) r = init_kv(t, file->kv_type, why);
    if (r < 0) {
        transformer_close(t);
        return r;
    }
    *ret_shape = (struct ModelShape){t->n_layers, t->n_embd, t->n_vocab, t->n_ctx,
                                     .kv_type = kv_type_name(&t->kv)};
    *ret = t;
    return 0;
}

/* ---- What a step needs ---- */

static Forms forms_of_layer(const struct Layer *layer) {
    return form_of(&layer->q.weight) | form_of(&layer->k.weight) | form_of(&layer->v.weight) |
           form_of(&layer->attn_output.weight) | form_of(&layer->gate.weight) |
           form_of(&layer->up.weight) | form_of(&layer->down.weight);
}

static int start_input(struct Transformer *t) {
    Forms forms = form_of(&t->head);
    uint32_t widest = t->n_heads * t->head_size;
    for (uint32_t i = 0; i < t->n_layers; i++) forms |= forms_of_layer(&t->layers[i]);
    if (widest < t->n_embd) widest = t->n_embd;
    if (widest < t->n_ff) widest = t->n_ff;
    return input_init(&t->input, forms, t->compute->max_tokens, widest);
}

static int start_rows(struct Transformer *t) {
    const uint32_t n_q = t->n_heads * t->head_size, n_kv = t->n_kv_heads * t->head_size;
    const struct {
        struct Rows *rows;
        uint32_t n_cols;
    } all[] = {
        {&t->x, t->n_embd}, {&t->q, n_q},        {&t->k, n_kv},
        {&t->v, n_kv},      {&t->attended, n_q}, {&t->gate, t->n_ff},
        {&t->up, t->n_ff},  {&t->y, t->n_embd},  {&t->rotation, t->n_rot},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int r = rows_init(all[i].rows, t->compute->max_tokens, all[i].n_cols);
        if (r < 0) return r;
    }
    return 0;
}

/* theta_i = position * base^(-2i / n_rot) / factor_i, in double: position times this. */
static int start_rope(struct Transformer *t) {
    uint32_t n = t->n_rot / 2;
    t->rope_frequencies = rows_allocate(n, sizeof(double));
    if (!t->rope_frequencies) return -ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        double frequency = pow((double)t->rope_base, -2.0 * i / t->n_rot) * (double)t->rope_scale;
        t->rope_frequencies[i] =
            t->rope_factors ? frequency / (double)t->rope_factors[i] : frequency;
    }
    return 0;
}

int transformer_start(void *model, const struct Compute *compute) {
    struct Transformer *t = model;
    t->compute = compute;
    if (t->is_tied) t->head = t->embedding;
    int r = start_input(t);
    if (r == 0) r = start_rows(t);
    if (r == 0) r = start_rope(t);
    return r;
}

void transformer_close(void *model) {
    struct Transformer *t = model;
    struct Rows *rows[] = {&t->x,    &t->q,  &t->k, &t->v,       &t->attended,
                           &t->gate, &t->up, &t->y, &t->rotation};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) rows_done(rows[i]);
    input_done(&t->input);
    kv_pool_done(&t->kv);
    free(t->rope_frequencies);
    free(t->layers);
    free(t);
}
