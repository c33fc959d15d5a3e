/* A transformer's hyper-parameters. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/limits.h"
#include "engine/transformer.h"

static const struct TransformerVariant variants[] = {
    {"llama", ROPE_NORM, .activation = "silu"},
    {"qwen2", ROPE_NEOX, .activation = "silu"},
    {"qwen3", ROPE_NEOX, .has_head_norms = true, .activation = "silu"},
    {"bitnet", ROPE_NEOX, .is_bitnet = true, .activation = "silu"},
    {"bitnet-b1.58", ROPE_NEOX, .is_bitnet = true, .activation = "relu2"},
    {"bitnet-25", ROPE_NEOX, .is_bitnet = true, .activation = "relu2"},
};

static const struct TransformerVariant *find_variant(const char *architecture) {
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
        if (strcmp(variants[i].architecture, architecture) == 0) return &variants[i];
    return NULL;
}

/* ---- Numbers ---- */

struct Number {
    const char *name;
    size_t offset;
    uint32_t min, max;
};

static const struct Number model_numbers[] = {
    {"context_length", offsetof(struct Transformer, n_ctx), 1, MODEL_MAX_CONTEXT},
    {"embedding_length", offsetof(struct Transformer, n_embd), 1, MODEL_MAX_WIDTH},
    {"block_count", offsetof(struct Transformer, n_layers), 1, MODEL_MAX_LAYERS},
};

static const struct Number layer_numbers[] = {
    {"feed_forward_length", offsetof(struct Layer, n_ff), 1, MODEL_MAX_WIDTH},
    {"attention.head_count", offsetof(struct Layer, n_heads), 1, MODEL_MAX_HEADS},
    {"attention.head_count_kv", offsetof(struct Layer, n_kv_heads), 1, MODEL_MAX_HEADS},
};

#define N_OF(array) (sizeof(array) / sizeof *(array))

static int read_model_numbers(struct Transformer *t, const struct ModelFile *file, Reason *why) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < N_OF(model_numbers); i++) {
        const struct Number *number = &model_numbers[i];
        uint32_t *field = (uint32_t *)((char *)t + number->offset);
        r = model_u32(file, number->name, number->min, number->max, field, why);
        r = model_require(file, r, number->name, why);
    }
    return r;
}

/* One value for all layers, or an array of them. Without KV heads every head has its own. */
static int read_layer_numbers(struct Transformer *t, const struct ModelFile *file, Reason *why) {
    uint32_t values[MODEL_MAX_LAYERS];
    for (size_t i = 0; i < N_OF(layer_numbers); i++) {
        const struct Number *number = &layer_numbers[i];
        const bool is_optional = number->offset == offsetof(struct Layer, n_kv_heads);
        int r = model_u32s(file, number->name, number->min, number->max, t->n_layers, values, why);
        if (!is_optional) r = model_require(file, r, number->name, why);
        if (r < 0) return r;
        for (uint32_t j = 0; j < t->n_layers; j++) {
            uint32_t *field = (uint32_t *)((char *)&t->layers[j] + number->offset);
            *field = r == GGUF_ABSENT ? t->layers[j].n_heads : values[j];
        }
    }
    return 0;
}

/* ---- Heads ---- */

static int check_layer(const struct Transformer *t, uint32_t i, Reason *why) {
    const struct Layer *layer = &t->layers[i];
    const uint32_t widest = t->key_size > t->value_size ? t->key_size : t->value_size;
    if (layer->n_heads % layer->n_kv_heads != 0)
        return reason_set(why, EBADMSG, "%u attention heads cannot share %u KV heads in layer %u",
                          layer->n_heads, layer->n_kv_heads, i);
    if ((uint64_t)layer->n_heads * widest > MODEL_MAX_WIDTH)
        return reason_set(why, EFBIG, "%u attention heads of %u dimensions", layer->n_heads,
                          widest);
    return 0;
}

static int read_heads(struct Transformer *t, const struct ModelFile *file, Reason *why) {
    const uint32_t size = t->n_embd / t->layers[0].n_heads;
    t->key_size = t->value_size = size;
    int r = model_u32(file, "attention.key_length", 1, MODEL_MAX_HEAD_SIZE, &t->key_size, why);
    if (r >= 0)
        r = model_u32(file, "attention.value_length", 1, MODEL_MAX_HEAD_SIZE, &t->value_size, why);
    if (r < 0) return r;
    if (t->key_size == 0 || t->value_size == 0 || t->key_size > MODEL_MAX_HEAD_SIZE ||
        t->value_size > MODEL_MAX_HEAD_SIZE)
        return reason_set(why, EBADMSG, "%u attention heads in %u dimensions", t->layers[0].n_heads,
                          t->n_embd);
    r = 0;
    for (uint32_t i = 0; r == 0 && i < t->n_layers; i++) r = check_layer(t, i, why);
    return r;
}

static int read_rope(struct Transformer *t, const struct ModelFile *file, Reason *why) {
    uint32_t n_rot = t->key_size;
    int r = model_u32(file, "rope.dimension_count", 0, MODEL_MAX_HEAD_SIZE, &n_rot, why);
    if (r < 0) return r;
    if (n_rot % 2 != 0 || n_rot > t->key_size)
        return reason_set(why, EBADMSG, "%u of %u dimensions of a head rotate", n_rot, t->key_size);
    return rope_read(&t->rope, file, n_rot, t->n_ctx, why);
}

/* ---- The rest ---- */

static int read_activation(struct Transformer *t, const struct ModelFile *file, Reason *why) {
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

static int read_attention(struct Transformer *t, const struct ModelFile *file, Reason *why) {
    const char *key = "attention.layer_norm_rms_epsilon";
    int r = model_require(file, model_f32(file, key, &t->norm_epsilon, why), key, why);
    if (r < 0) return r;
    if (!(t->norm_epsilon >= 0 && t->norm_epsilon < 1))
        return reason_set(why, EBADMSG, "%s is %g", key, (double)t->norm_epsilon);
    t->attn_scale = 0;
    r = model_f32(file, "attention.scale", &t->attn_scale, why);
    if (r < 0) return r;
    if (t->attn_scale == 0) t->attn_scale = (float)(1 / sqrt((double)t->key_size));
    return 0;
}

/* Mixtures of experts go by the names of dense models. */
static int refuse_experts(const struct ModelFile *file, Reason *why) {
    uint32_t n = 0;
    int r = model_u32(file, "expert_count", 0, UINT32_MAX, &n, why);
    if (r >= 0 && n > 0)
        return reason_set(why, ENOTSUP, "a mixture of %u experts is not supported", n);
    return r < 0 ? r : 0;
}

int transformer_read_shape(struct Transformer *t, const struct ModelFile *file, Reason *why) {
    t->variant = find_variant(file->architecture);
    int r = read_model_numbers(t, file, why);
    if (r == 0) r = refuse_experts(file, why);
    if (r < 0) return r;
    t->layers = calloc(t->n_layers, sizeof *t->layers);
    if (!t->layers) return -ENOMEM;
    r = read_layer_numbers(t, file, why);
    if (r == 0) r = read_heads(t, file, why);
    if (r == 0) r = read_rope(t, file, why);
    if (r == 0) r = read_attention(t, file, why);
    if (r == 0) r = read_activation(t, file, why);
    if (r == 0) r = model_vocabulary(file, &t->n_vocab, why);
    return r;
}
