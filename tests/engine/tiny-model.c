#include "tiny-model.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/gguf.h"

/* ---- Weights ---- */

static double random_unit(struct TinyModel *model) {
    model->random = model->random * 6364136223846793005u + 1442695040888963407u;
    return (double)(model->random >> 33) / (double)(1u << 30) - 1; /* -1 to 1 */
}

static bool is_bitnet(const struct TinyShape *shape) {
    return strncmp(shape->architecture, "bitnet", 6) == 0;
}

static struct TinyTensor *add_tensor(struct TinyModel *model, const char *name, int layer,
                                     uint32_t n_rows, uint32_t n_cols) {
    struct TinyTensor *tensor = &model->tensors[model->n_tensors++];
    if (layer < 0)
        snprintf(tensor->name, sizeof tensor->name, "%s", name);
    else
        snprintf(tensor->name, sizeof tensor->name, "blk.%d.%s", layer, name);
    tensor->n_rows = n_rows;
    tensor->n_cols = n_cols;
    tensor->values = calloc((size_t)n_rows * n_cols, sizeof(float));
    return tensor;
}

/* Values that F32, F16 and Q8_0 (blocks with d = 2^-9) all hold exactly. */
static void add_matrix(struct TinyModel *model, const char *name, int layer, uint32_t n_rows,
                       uint32_t n_cols) {
    struct TinyTensor *tensor = add_tensor(model, name, layer, n_rows, n_cols);
    tensor->is_q8_0 = model->shape.type == QUANT_Q8_0;
    for (size_t i = 0; i < (size_t)n_rows * n_cols; i++)
        tensor->values[i] = (float)((int)(random_unit(model) * 127) / 512.0);
}

static void add_ternary(struct TinyModel *model, const char *name, int layer, uint32_t n_rows,
                        uint32_t n_cols) {
    struct TinyTensor *tensor = add_tensor(model, name, layer, n_rows, n_cols);
    for (size_t i = 0; i < (size_t)n_rows * n_cols; i++)
        tensor->values[i] = (float)((int)(random_unit(model) * 3 + 3) % 3 - 1) * 0.1875f;
}

static void add_vector(struct TinyModel *model, const char *name, int layer, uint32_t n,
                       double middle, double spread) {
    struct TinyTensor *tensor = add_tensor(model, name, layer, 1, n);
    for (uint32_t i = 0; i < n; i++)
        tensor->values[i] = (float)(middle + spread * random_unit(model));
}

static void add_linear(struct TinyModel *model, const char *name, int layer, uint32_t n_rows,
                       uint32_t n_cols) {
    char full[64];
    snprintf(full, sizeof full, "%s.weight", name);
    if (is_bitnet(&model->shape))
        add_ternary(model, full, layer, n_rows, n_cols);
    else
        add_matrix(model, full, layer, n_rows, n_cols);
    snprintf(full, sizeof full, "%s.bias", name);
    if (model->shape.biases) add_vector(model, full, layer, n_rows, 0, 0.2);
}

static void add_layer(struct TinyModel *model, int layer) {
    const struct TinyShape *s = &model->shape;
    const uint32_t n_q = s->n_heads * s->head_size, n_kv = s->n_kv_heads * s->head_size;
    add_vector(model, "attn_norm.weight", layer, s->n_embd, 1, 0.3);
    add_linear(model, "attn_q", layer, n_q, s->n_embd);
    add_linear(model, "attn_k", layer, n_kv, s->n_embd);
    add_linear(model, "attn_v", layer, n_kv, s->n_embd);
    add_linear(model, "attn_output", layer, s->n_embd, n_q);
    add_vector(model, "ffn_norm.weight", layer, s->n_embd, 1, 0.3);
    add_linear(model, "ffn_gate", layer, s->n_ff, s->n_embd);
    add_linear(model, "ffn_up", layer, s->n_ff, s->n_embd);
    add_linear(model, "ffn_down", layer, s->n_embd, s->n_ff);
    if (!is_bitnet(s)) return;
    add_vector(model, "attn_sub_norm.weight", layer, n_q, 1, 0.3);
    add_vector(model, "ffn_sub_norm.weight", layer, s->n_ff, 1, 0.3);
}

struct TinyModel *tiny_model_new(const struct TinyShape *shape) {
    struct TinyModel *model = calloc(1, sizeof *model);
    model->shape = *shape;
    model->random = 1;
    model->tensors = calloc(6 + shape->n_layers * 20, sizeof *model->tensors);
    add_matrix(model, "token_embd.weight", -1, shape->n_vocab, shape->n_embd);
    add_vector(model, "output_norm.weight", -1, shape->n_embd, 1, 0.3);
    if (shape->untied) add_matrix(model, "output.weight", -1, shape->n_vocab, shape->n_embd);
    if (shape->rope_factors) add_vector(model, "rope_freqs.weight", -1, shape->n_rot / 2, 2, 1);
    if (shape->rope_long) {
        add_vector(model, "rope_factors_long.weight", -1, shape->n_rot / 2, 4, 2);
        add_vector(model, "rope_factors_short.weight", -1, shape->n_rot / 2, 1, 0.5);
    }
    for (uint32_t i = 0; i < shape->n_layers; i++) add_layer(model, (int)i);
    return model;
}

struct TinyModel *tiny_model_free(struct TinyModel *model) {
    for (size_t i = 0; i < model->n_tensors; i++) free(model->tensors[i].values);
    free(model->tensors);
    free(model);
    return NULL;
}

/* ---- The file ---- */

void tiny_vocabulary(struct GgufWriter *writer, uint32_t n) {
    char(*texts)[16] = calloc(n, sizeof *texts);
    const char **tokens = calloc(n, sizeof *tokens);
    float *scores = calloc(n, sizeof *scores);
    int32_t *types = calloc(n, sizeof *types);
    static const char *const first[] = {"<unk>", "<s>", "</s>"};
    static const int32_t first_types[] = {2, 3, 3};
    for (uint32_t i = 0; i < n; i++) {
        if (i < 3)
            snprintf(texts[i], sizeof *texts, "%s", first[i]);
        else if (i < 29)
            snprintf(texts[i], sizeof *texts, "%c", 'a' + (int)i - 3);
        else
            snprintf(texts[i], sizeof *texts, "[%u]", i);
        tokens[i] = texts[i];
        types[i] = i < 3 ? first_types[i] : 1;
    }
    gguf_writer_string(writer, "tokenizer.ggml.model", "llama");
    gguf_writer_strings(writer, "tokenizer.ggml.tokens", tokens, n);
    gguf_writer_f32s(writer, "tokenizer.ggml.scores", scores, n);
    gguf_writer_i32s(writer, "tokenizer.ggml.token_type", types, n);
    gguf_writer_u32(writer, "tokenizer.ggml.bos_token_id", 1);
    gguf_writer_u32(writer, "tokenizer.ggml.eos_token_id", 2);
    free(texts);
    free(tokens);
    free(scores);
    free(types);
}

static void write_u32(struct GgufWriter *writer, const char *architecture, const char *name,
                      uint32_t value) {
    char key[128];
    snprintf(key, sizeof key, "%s.%s", architecture, name);
    gguf_writer_u32(writer, key, value);
}

static void write_keys(struct GgufWriter *writer, const struct TinyShape *s) {
    char key[128];
    gguf_writer_string(writer, "general.architecture", s->architecture);
    gguf_writer_string(writer, "general.name", "tiny");
    write_u32(writer, s->architecture, "context_length", s->n_ctx);
    write_u32(writer, s->architecture, "embedding_length", s->n_embd);
    write_u32(writer, s->architecture, "block_count", s->n_layers);
    write_u32(writer, s->architecture, "feed_forward_length", s->n_ff);
    write_u32(writer, s->architecture, "attention.head_count", s->n_heads);
    write_u32(writer, s->architecture, "attention.head_count_kv", s->n_kv_heads);
    write_u32(writer, s->architecture, "attention.key_length", s->head_size);
    write_u32(writer, s->architecture, "attention.value_length", s->head_size);
    write_u32(writer, s->architecture, "rope.dimension_count", s->n_rot);
    snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", s->architecture);
    gguf_writer_f32(writer, key, 1e-5f);
    if (s->rope_long != 0) {
        snprintf(key, sizeof key, "%s.rope.scaling.type", s->architecture);
        gguf_writer_string(writer, key, "longrope");
        write_u32(writer, s->architecture, "rope.scaling.original_context_length", s->rope_long);
    }
    if (s->rope_linear != 0) {
        snprintf(key, sizeof key, "%s.rope.scaling.type", s->architecture);
        gguf_writer_string(writer, key, "linear");
        snprintf(key, sizeof key, "%s.rope.scaling.factor", s->architecture);
        gguf_writer_f32(writer, key, s->rope_linear);
    }
    if (s->activation) {
        snprintf(key, sizeof key, "%s.hidden_activation", s->architecture);
        gguf_writer_string(writer, key, s->activation);
    }
    tiny_vocabulary(writer, s->n_vocab);
}

/* A float that a half holds exactly. */
static uint16_t to_f16(float value) {
    union {
        float f;
        uint32_t u;
    } bits = {value};
    if (value == 0) return 0;
    uint32_t exponent = (bits.u >> 23 & 0xff) - 127 + 15;
    return (uint16_t)((bits.u >> 31) << 15 | exponent << 10 | (bits.u >> 13 & 0x3ff));
}

static void *to_f16s(const float *values, size_t n, size_t *ret_size) {
    uint16_t *data = calloc(n, sizeof *data);
    for (size_t i = 0; i < n; i++) data[i] = to_f16(values[i]);
    *ret_size = n * sizeof *data;
    return data;
}

static void *to_q8_0(const float *values, size_t n, size_t *ret_size) {
    *ret_size = n / 32 * 34;
    uint8_t *data = calloc(*ret_size, 1), *block = data;
    const uint16_t d = to_f16(1 / 512.0f);
    for (size_t i = 0; i < n; i += 32, block += 34) {
        memcpy(block, &d, 2);
        for (size_t j = 0; j < 32; j++) block[2 + j] = (uint8_t)(int8_t)(values[i + j] * 512);
    }
    return data;
}

static void write_tensor(struct GgufWriter *writer, const struct TinyTensor *tensor,
                         uint32_t type) {
    size_t n = (size_t)tensor->n_rows * tensor->n_cols, size = n * sizeof(float);
    const uint64_t dims[] = {tensor->n_cols, tensor->n_rows};
    void *data = NULL;
    if (tensor->n_rows == 1) type = QUANT_F32;
    if (type == QUANT_F16) data = to_f16s(tensor->values, n, &size);
    if (type == QUANT_Q8_0) data = to_q8_0(tensor->values, n, &size);
    gguf_writer_tensor(writer, tensor->name, type, tensor->n_rows == 1 ? 1 : 2, dims,
                       data ? data : tensor->values, size);
    free(data);
}

int tiny_model_fd(const struct TinyModel *model) {
    struct GgufWriter *writer = gguf_writer_new();
    write_keys(writer, &model->shape);
    for (size_t i = 0; i < model->n_tensors; i++)
        write_tensor(writer, &model->tensors[i], model->shape.type);
    return gguf_writer_finish_fd(writer);
}

int fake_model_fd(uint32_t n_vocab, uint32_t n_ctx, uint32_t end_after, uint32_t rewind_step) {
    struct GgufWriter *writer = gguf_writer_new();
    gguf_writer_string(writer, "general.architecture", "fake");
    gguf_writer_string(writer, "general.name", "fake");
    if (n_ctx) gguf_writer_u32(writer, "fake.context_length", n_ctx);
    if (end_after) gguf_writer_u32(writer, "fake.end_after", end_after);
    if (rewind_step) gguf_writer_u32(writer, "fake.rewind_step", rewind_step);
    tiny_vocabulary(writer, n_vocab);
    return gguf_writer_finish_fd(writer);
}
