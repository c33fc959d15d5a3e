#include "tiny-rwkv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/quant.h"
#include "gguf-writer.h"
#include "tiny-model.h"

const struct TinyRwkv tiny_rwkv6 = {
    .architecture = "rwkv6",
    .n_layers = 3,
    .n_heads = 3,
    .head_size = 24,
    .n_ff = 101,
    .n_vocab = 45,
    .n_ctx = 160,
    .ranks = {5, 7},
    .rescale = 2,
};

const struct TinyRwkv tiny_rwkv7 = {
    .architecture = "rwkv7",
    .n_layers = 3,
    .n_heads = 5,
    .head_size = 16,
    .n_ff = 99,
    .n_vocab = 45,
    .n_ctx = 160,
    .ranks = {9, 7, 5, 11},
};

static bool is_6(const struct TinyRwkv *shape) {
    return strcmp(shape->architecture, "rwkv6") == 0;
}

/* ---- Keys ---- */

static const char *const rank_keys[2][4] = {
    {"attention.decay_lora_rank", "attention.iclr_lora_rank",
     "attention.value_residual_mix_lora_rank", "attention.gate_lora_rank"},
    {"time_mix_extra_dim", "time_decay_extra_dim", NULL, NULL},
};

static void write_u32(struct GgufWriter *writer, const struct TinyRwkv *s, const char *name,
                      uint32_t value) {
    char key[64];
    if (s->without && strcmp(s->without, name) == 0) return;
    if (s->key && strcmp(s->key, name) == 0) value = s->value;
    snprintf(key, sizeof key, "%s.%s", s->architecture, name);
    gguf_writer_u32(writer, key, value);
}

static void write_keys(struct GgufWriter *writer, const struct TinyRwkv *s) {
    static const char *const epsilon = "attention.layer_norm_epsilon";
    char key[64];
    gguf_writer_string(writer, "general.architecture", s->architecture);
    write_u32(writer, s, "context_length", s->n_ctx);
    write_u32(writer, s, "embedding_length", s->n_heads * s->head_size);
    write_u32(writer, s, "block_count", s->n_layers);
    write_u32(writer, s, "wkv.head_size", s->head_size);
    write_u32(writer, s, "feed_forward_length", s->n_ff);
    write_u32(writer, s, "attention.head_count", 0);
    write_u32(writer, s, "token_shift_count", 2);
    if (s->rescale) write_u32(writer, s, "rescale_every_n_layers", s->rescale);
    for (unsigned i = 0; !s->without_ranks && i < 4 && rank_keys[is_6(s)][i]; i++)
        write_u32(writer, s, rank_keys[is_6(s)][i], s->ranks[i]);
    snprintf(key, sizeof key, "%s.%s", s->architecture, epsilon);
    if (!s->without || strcmp(s->without, epsilon)) gguf_writer_f32(writer, key, 1e-5f);
    tiny_vocabulary(writer, s->n_vocab);
}

/* ---- Tensors ---- */

struct File {
    struct GgufWriter *writer;
    const struct TinyRwkv *shape;
};

/* Every value middle + spread * (-1 to 1). */
static void fill(float *values, size_t n, const char *name, double middle, double spread) {
    uint64_t random = 1;
    for (; *name; name++) random = random * 31 + (unsigned char)*name;
    for (size_t i = 0; i < n; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        values[i] = (float)(middle + spread * ((double)(random >> 33) / (double)(1u << 30) - 1));
    }
}

static void add_values(struct File *file, const char *name, uint32_t n_dims, const uint64_t *dims,
                       const float *values, size_t n) {
    if (file->shape->without && strcmp(file->shape->without, name) == 0) return;
    gguf_writer_tensor(file->writer, name, QUANT_F32, n_dims, dims, values, n * sizeof *values);
}

/* {n0, n1, n2} */
static void add(struct File *file, int layer, const char *name, uint32_t n0, uint32_t n1,
                uint32_t n2, double middle, double spread) {
    const uint64_t dims[] = {n0, n1, n2};
    const size_t n = (size_t)n0 * n1 * n2;
    char full[64];
    if (layer < 0)
        snprintf(full, sizeof full, "%s.weight", name);
    else
        snprintf(full, sizeof full, "blk.%d.%s.weight", layer, name);
    float *values = calloc(n, sizeof *values);
    fill(values, n, full, middle, spread);
    add_values(file, full, n2 > 1 ? 3 : n1 > 1 ? 2 : 1, dims, values, n);
    free(values);
}

/* Keeps the spread of its input, about. */
static void add_matrix(struct File *file, int layer, const char *name, uint32_t n_cols,
                       uint32_t n_rows) {
    add(file, layer, name, n_cols, n_rows, 1, 0, sqrt(3.0 / n_cols));
}

static void add_norm(struct File *file, int layer, const char *name) {
    const uint64_t n = file->shape->n_heads * file->shape->head_size;
    char full[64];
    add(file, layer, name, (uint32_t)n, 1, 1, 1, 0.3);
    if (layer < 0)
        snprintf(full, sizeof full, "%s.bias", name);
    else
        snprintf(full, sizeof full, "blk.%d.%s.bias", layer, name);
    float *values = calloc(n, sizeof *values);
    fill(values, n, full, 0, 0.3);
    add_values(file, full, 1, &n, values, n);
    free(values);
}

/* The same values in one tensor or in several. */
static void add_lerps(struct File *file, int layer) {
    const char *const letters = is_6(file->shape) ? "wkvrg" : "rwkvag";
    const size_t n_lerps = strlen(letters), n = file->shape->n_heads * file->shape->head_size;
    float *values = calloc(n_lerps * n, sizeof *values);
    char name[64];
    for (size_t i = 0; i < n_lerps; i++) {
        snprintf(name, sizeof name, "blk.%d.time_mix_lerp_%c.weight", layer, letters[i]);
        fill(values + i * n, n, name, 0.5, 0.5);
        if (file->shape->separate_lerps)
            add_values(file, name, 3, (const uint64_t[]){n, 1, 1}, values + i * n, n);
    }
    snprintf(name, sizeof name, "blk.%d.time_mix_lerp_fused.weight", layer);
    if (!file->shape->separate_lerps)
        add_values(file, name, 4, (const uint64_t[]){n, 1, 1, n_lerps}, values, n_lerps * n);
    free(values);
}

static void add_layer_6(struct File *file, int i) {
    const struct TinyRwkv *s = file->shape;
    const uint32_t n = s->n_heads * s->head_size;
    add(file, i, "time_mix_lerp_x", n, 1, 1, 0.5, 0.5);
    add_matrix(file, i, "time_mix_w1", n, 5 * s->ranks[0]);
    add(file, i, "time_mix_w2", s->ranks[0], n, 5, 0, 0.5);
    add(file, i, "time_mix_first", s->head_size, s->n_heads, 1, 0.5, 1);
    add(file, i, "time_mix_decay", n, 1, 1, -2, 3);
    add_matrix(file, i, "time_mix_decay_w1", n, s->ranks[1]);
    add_matrix(file, i, "time_mix_decay_w2", s->ranks[1], n);
    add_matrix(file, i, "time_mix_gate", n, n);
    add(file, i, "channel_mix_lerp_r", n, 1, 1, 0.5, 0.5);
    add_matrix(file, i, "channel_mix_receptance", n, n);
}

static void add_layer_7(struct File *file, int i) {
    static const char letters[] = "wavg";
    const struct TinyRwkv *s = file->shape;
    const uint32_t n = s->n_heads * s->head_size;
    char name[32];
    for (unsigned j = 0; j < 4; j++) {
        /* What layer 0 has for v is as wide as a's, and stands for nothing. */
        const uint32_t rank = i == 0 && letters[j] == 'v' ? s->ranks[1] : s->ranks[j];
        snprintf(name, sizeof name, "time_mix_%c1", letters[j]);
        add_matrix(file, i, name, n, rank);
        snprintf(name, sizeof name, "time_mix_%c2", letters[j]);
        add_matrix(file, i, name, rank, n);
        snprintf(name, sizeof name, "time_mix_%c0", letters[j]);
        if (letters[j] != 'g') add(file, i, name, n, 1, 1, -1, 2);
    }
    add(file, i, "time_mix_k_k", n, 1, 1, 0.8, 0.3);
    add(file, i, "time_mix_k_a", n, 1, 1, 1, 0.3);
    add(file, i, "time_mix_r_k", n, 1, 1, 0, 0.5);
}

static void add_layer(struct File *file, int i) {
    const struct TinyRwkv *s = file->shape;
    const uint32_t n = s->n_heads * s->head_size;
    add_norm(file, i, "attn_norm");
    add_norm(file, i, "attn_norm_2");
    add_norm(file, i, "time_mix_ln");
    add_lerps(file, i);
    (is_6(s) ? add_layer_6 : add_layer_7)(file, i);
    add_matrix(file, i, "time_mix_receptance", n, n);
    add_matrix(file, i, "time_mix_key", n, n);
    add_matrix(file, i, "time_mix_value", n, n);
    add_matrix(file, i, "time_mix_output", n, n);
    add(file, i, "channel_mix_lerp_k", n, 1, 1, 0.5, 0.5);
    add_matrix(file, i, "channel_mix_key", n, s->n_ff);
    add_matrix(file, i, "channel_mix_value", s->n_ff, n);
}

int tiny_rwkv_fd(const struct TinyRwkv *shape) {
    const uint32_t n = shape->n_heads * shape->head_size;
    struct File file = {gguf_writer_new(), shape};
    write_keys(file.writer, shape);
    add_matrix(&file, -1, "token_embd", n, shape->n_vocab);
    add_norm(&file, -1, "token_embd_norm");
    add_norm(&file, -1, "output_norm");
    add_matrix(&file, -1, "output", n, shape->n_vocab);
    for (int i = 0; i < (int)shape->n_layers; i++) add_layer(&file, i);
    return gguf_writer_finish_fd(file.writer);
}
