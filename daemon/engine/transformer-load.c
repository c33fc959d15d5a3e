/* A transformer's tensors, and the buffers of a step. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/limits.h"
#include "engine/transformer.h"

/* ---- Tensors ---- */

/* What sizes a dimension of a layer's tensors. */
enum Size { SIZE_EMBD, SIZE_Q, SIZE_K, SIZE_V, SIZE_ATTENDED, SIZE_FF, SIZE_HEAD };

static uint32_t size_of(const struct Transformer *t, const struct Layer *layer, enum Size size) {
    switch (size) {
    case SIZE_Q:
        return layer->n_heads * t->key_size;
    case SIZE_K:
        return layer->n_kv_heads * t->key_size;
    case SIZE_V:
        return layer->n_kv_heads * t->value_size;
    case SIZE_ATTENDED:
        return layer->n_heads * t->value_size;
    case SIZE_FF:
        return layer->n_ff;
    case SIZE_HEAD:
        return t->key_size;
    default:
        return t->n_embd;
    }
}

static const struct LinearTensor {
    const char *name;
    size_t offset;
    enum Size rows, cols;
} linear_tensors[] = {
    {"attn_q", offsetof(struct Layer, q), SIZE_Q, SIZE_EMBD},
    {"attn_k", offsetof(struct Layer, k), SIZE_K, SIZE_EMBD},
    {"attn_v", offsetof(struct Layer, v), SIZE_V, SIZE_EMBD},
    {"attn_output", offsetof(struct Layer, attn_output), SIZE_EMBD, SIZE_ATTENDED},
    {"ffn_gate", offsetof(struct Layer, gate), SIZE_FF, SIZE_EMBD},
    {"ffn_up", offsetof(struct Layer, up), SIZE_FF, SIZE_EMBD},
    {"ffn_down", offsetof(struct Layer, down), SIZE_EMBD, SIZE_FF},
};

enum Owner { OF_ALL, OF_BITNET, OF_HEAD_NORMS };

static const struct NormTensor {
    const char *name;
    size_t offset;
    enum Size size;
    enum Owner owner;
} norm_tensors[] = {
    {"attn_norm", offsetof(struct Layer, attn_norm), SIZE_EMBD, OF_ALL},
    {"attn_q_norm", offsetof(struct Layer, q_norm), SIZE_HEAD, OF_HEAD_NORMS},
    {"attn_k_norm", offsetof(struct Layer, k_norm), SIZE_HEAD, OF_HEAD_NORMS},
    {"attn_sub_norm", offsetof(struct Layer, attn_sub_norm), SIZE_ATTENDED, OF_BITNET},
    {"ffn_norm", offsetof(struct Layer, ffn_norm), SIZE_EMBD, OF_ALL},
    {"ffn_sub_norm", offsetof(struct Layer, ffn_sub_norm), SIZE_FF, OF_BITNET},
};

#define N_OF(array) (sizeof(array) / sizeof *(array))

/* "blk.I.NAME.SUFFIX" */
struct Name {
    char text[64];
};

static struct Name layer_tensor(uint32_t layer, const char *name, const char *suffix) {
    struct Name ret;
    snprintf(ret.text, sizeof ret.text, "blk.%u.%s%s", layer, name, suffix);
    return ret;
}

/* Ternary conversions of any model keep their linear layers as floats -s, 0 and s; weights.h finds
 * out. */
static int load_linear(struct Transformer *t, struct Weights *weights, uint32_t i,
                       const struct LinearTensor *tensor, Reason *why) {
    struct Layer *layer = &t->layers[i];
    struct Linear *ret = (struct Linear *)((char *)layer + tensor->offset);
    const uint32_t n_rows = size_of(t, layer, tensor->rows);
    int r = weights_matrix(weights, layer_tensor(i, tensor->name, "").text, WEIGHTS_TERNARY, n_rows,
                           size_of(t, layer, tensor->cols), &ret->weight, why);
    if (r < 0) return r;
    r = weights_vector(weights, layer_tensor(i, tensor->name, ".bias").text, WEIGHTS_OPTIONAL,
                       n_rows, &ret->bias, why);
    return r < 0 ? r : 0;
}

static bool has_norm(const struct Transformer *t, const struct NormTensor *tensor) {
    if (tensor->owner == OF_BITNET) return t->variant->is_bitnet;
    return tensor->owner == OF_ALL || t->variant->has_head_norms;
}

static int load_norm(struct Transformer *t, struct Weights *weights, uint32_t i,
                     const struct NormTensor *tensor, Reason *why) {
    struct Layer *layer = &t->layers[i];
    const float **ret = (const float **)((char *)layer + tensor->offset);
    if (!has_norm(t, tensor)) return 0;
    return weights_vector(weights, layer_tensor(i, tensor->name, ".weight").text, 0,
                          size_of(t, layer, tensor->size), ret, why);
}

static int load_layer(struct Transformer *t, struct Weights *weights, uint32_t i, Reason *why) {
    int r = 0;
    for (size_t j = 0; r == 0 && j < N_OF(norm_tensors); j++)
        r = load_norm(t, weights, i, &norm_tensors[j], why);
    for (size_t j = 0; r == 0 && j < N_OF(linear_tensors); j++)
        r = load_linear(t, weights, i, &linear_tensors[j], why);
    return r;
}

static int load_head(struct Transformer *t, struct Weights *weights, Reason *why) {
    t->is_tied = true;
    if (t->variant->is_bitnet) return 0;
    int r = weights_matrix(weights, "output", WEIGHTS_OPTIONAL, t->n_vocab, t->n_embd,
                           &t->head.weight, why);
    if (r < 0) return r;
    t->is_tied = r == WEIGHTS_ABSENT;
    r = weights_vector(weights, "output.bias", WEIGHTS_OPTIONAL, t->n_vocab, &t->head.bias, why);
    return r < 0 ? r : 0;
}

static int load_tensors(struct Transformer *t, struct Weights *weights, Reason *why) {
    int r = weights_matrix(weights, "token_embd", 0, t->n_vocab, t->n_embd, &t->embedding, why);
    if (r == 0)
        r = weights_vector(weights, "output_norm.weight", 0, t->n_embd, &t->output_norm, why);
    if (r == 0) r = rope_load(&t->rope, weights, why);
    if (r == 0) r = load_head(t, weights, why);
    for (uint32_t i = 0; r == 0 && i < t->n_layers; i++) r = load_layer(t, weights, i, why);
    return r;
}

/* ---- Tensors that nobody would look at: a model that has them computes something else ---- */

static const char *const end_tensors[] = {
    "token_embd", "output_norm", "output", "rope_freqs", "rope_factors_short", "rope_factors_long",
};

static const char *const suffixes[] = {".weight", ".bias", ".scale", ".weight_scale"};

/* Whether `name` is `stem` and one of the first n suffixes. */
static bool is_tensor(const char *name, const char *stem, size_t n) {
    const size_t length = strlen(stem);
    if (strncmp(name, stem, length) != 0) return false;
    for (size_t i = 0; i < n; i++)
        if (strcmp(name + length, suffixes[i]) == 0) return true;
    return false;
}

static bool is_known_in_layer(const struct Transformer *t, const char *name) {
    for (size_t i = 0; i < N_OF(linear_tensors); i++)
        if (is_tensor(name, linear_tensors[i].name, N_OF(suffixes))) return true;
    for (size_t i = 0; i < N_OF(norm_tensors); i++)
        if (has_norm(t, &norm_tensors[i]) && is_tensor(name, norm_tensors[i].name, 1)) return true;
    return false;
}

static bool is_known(const struct Transformer *t, const char *name) {
    unsigned layer;
    int at = 0;
    if (sscanf(name, "blk.%9u.%n", &layer, &at) == 1 && at > 0)
        return layer < t->n_layers && is_known_in_layer(t, name + at);
    for (size_t i = 0; i < N_OF(end_tensors); i++)
        if (is_tensor(name, end_tensors[i], N_OF(suffixes))) return true;
    return false;
}

/* A packed file has none left in its metadata. */
static int refuse_unknown_tensors(const struct Transformer *t, const struct Gguf *file,
                                  Reason *why) {
    for (size_t i = 0; i < gguf_n_tensors(file); i++) {
        const char *name = gguf_tensor_at(file, i)->name;
        if (!is_known(t, name))
            return reason_set(why, ENOTSUP, "the architecture %s has no tensor %s",
                              t->variant->architecture, name);
    }
    return 0;
}

/* ---- Opening ---- */

static int init_kv(struct Transformer *t, const char *type, Reason *why) {
    uint32_t n_heads[MODEL_MAX_LAYERS];
    const struct KvShape shape = {t->n_layers, n_heads, t->key_size, t->value_size, t->n_ctx};
    for (uint32_t i = 0; i < t->n_layers; i++) n_heads[i] = t->layers[i].n_kv_heads;
    int r = kv_pool_init(&t->kv, &shape, type);
    if (r == -EINVAL) return reason_set(why, EINVAL, "keys and values cannot be kept as %s", type);
    return r;
}

int transformer_open(const struct ModelFile *file, struct ModelShape *ret_shape, void **ret,
                     Reason *why) {
    struct Transformer *t = calloc(1, sizeof *t);
    if (!t) return -ENOMEM;
    int r = transformer_read_shape(t, file, why);
    if (r == 0) r = load_tensors(t, file->weights, why);
    if (r == 0) r = refuse_unknown_tensors(t, file->gguf, why);
    if (r == 0) r = init_kv(t, file->kv_type, why);
    if (r < 0) {
        transformer_close(t);
        return r;
    }
    *ret_shape = (struct ModelShape){t->n_layers,
                                     t->n_embd,
                                     t->n_vocab,
                                     t->n_ctx,
                                     .kv_type = kv_type_name(&t->kv),
                                     .variant = t->rope.is_short};
    *ret = t;
    return 0;
}

/* ---- What a step needs ---- */

/* The widest layer's. */
static uint32_t widest(const struct Transformer *t, enum Size size) {
    uint32_t ret = 0;
    for (uint32_t i = 0; i < t->n_layers; i++) {
        uint32_t n = size_of(t, &t->layers[i], size);
        if (n > ret) ret = n;
    }
    return ret;
}

static Forms forms_of(const struct Transformer *t) {
    Forms forms = form_of(&t->head.weight);
    for (uint32_t i = 0; i < t->n_layers; i++)
        for (size_t j = 0; j < N_OF(linear_tensors); j++) {
            const char *layer = (const char *)&t->layers[i];
            forms |= form_of(&((const struct Linear *)(layer + linear_tensors[j].offset))->weight);
        }
    return forms;
}

static int start_input(struct Transformer *t) {
    uint32_t n = t->n_embd;
    for (size_t i = 0; i < N_OF(linear_tensors); i++) {
        const uint32_t n_cols = widest(t, linear_tensors[i].cols);
        if (n_cols > n) n = n_cols;
    }
    return input_init(&t->input, forms_of(t), t->compute->max_tokens, n);
}

static int start_rows(struct Transformer *t) {
    const struct {
        struct Rows *rows;
        uint32_t n_cols;
    } all[] = {
        {&t->x, t->n_embd},
        {&t->q, widest(t, SIZE_Q)},
        {&t->k, widest(t, SIZE_K)},
        {&t->v, widest(t, SIZE_V)},
        {&t->attended, widest(t, SIZE_ATTENDED)},
        {&t->gate, widest(t, SIZE_FF)},
        {&t->up, widest(t, SIZE_FF)},
        {&t->y, t->n_embd},
        {&t->rotation, t->rope.n_rot},
    };
    for (size_t i = 0; i < N_OF(all); i++) {
        int r = rows_init(all[i].rows, t->compute->max_tokens, all[i].n_cols);
        if (r < 0) return r;
    }
    return 0;
}

int transformer_start(void *model, const struct Compute *compute) {
    struct Transformer *t = model;
    t->compute = compute;
    if (t->is_tied) t->head.weight = t->embedding;
    int r = start_input(t);
    if (r == 0) r = start_rows(t);
    if (r == 0) r = rope_start(&t->rope);
    if (r == 0) r = transformer_attend_start(t);
    return r;
}

void transformer_close(void *model) {
    struct Transformer *t = model;
    struct Rows *rows[] = {&t->x,    &t->q,  &t->k, &t->v,       &t->attended,
                           &t->gate, &t->up, &t->y, &t->rotation};
    for (size_t i = 0; i < N_OF(rows); i++) rows_done(rows[i]);
    input_done(&t->input);
    transformer_attend_done(t);
    kv_pool_done(&t->kv);
    rope_done(&t->rope);
    free(t->layers);
    free(t);
}
