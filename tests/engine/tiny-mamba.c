#include "tiny-mamba.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/quant.h"
#include "gguf-writer.h"
#include "tiny-model.h"

const struct TinyMamba tiny_mamba = {
    .architecture = "mamba",
    .n_layers = 2,
    .n_embd = 40,
    .n_inner = 83,
    .n_state = 18,
    .n_taps = 4,
    .n_vocab = 45,
    .n_ctx = 160,
    .dt_rank = 5,
    .has_bc_norms = true,
    .untied = true,
};

const struct TinyMamba tiny_mamba2 = {
    .architecture = "mamba2",
    .n_layers = 2,
    .n_embd = 40,
    .n_inner = 6 * 20,
    .n_state = 23,
    .n_taps = 4,
    .n_vocab = 45,
    .n_ctx = 160,
    .dt_rank = 6,
    .n_groups = 2,
};

/* ---- Keys ---- */

static void write_u32(struct GgufWriter *writer, const struct TinyMamba *s, const char *name,
                      uint32_t value) {
    char key[64];
    if (s->without && strcmp(s->without, name) == 0) return;
    if (s->key && strcmp(s->key, name) == 0) value = s->value;
    snprintf(key, sizeof key, "%s.%s", s->architecture, name);
    gguf_writer_u32(writer, key, value);
}

static void write_keys(struct GgufWriter *writer, const struct TinyMamba *s) {
    char key[64];
    gguf_writer_string(writer, "general.architecture", s->architecture);
    write_u32(writer, s, "context_length", s->n_ctx);
    write_u32(writer, s, "embedding_length", s->n_embd);
    write_u32(writer, s, "feed_forward_length", 0);
    write_u32(writer, s, "attention.head_count", 0);
    write_u32(writer, s, "block_count", s->n_layers);
    write_u32(writer, s, "ssm.conv_kernel", s->n_taps);
    write_u32(writer, s, "ssm.inner_size", s->n_inner);
    write_u32(writer, s, "ssm.state_size", s->n_state);
    write_u32(writer, s, "ssm.time_step_rank", s->dt_rank);
    if (s->n_groups) write_u32(writer, s, "ssm.group_count", s->n_groups);
    snprintf(key, sizeof key, "%s.ssm.dt_b_c_rms", s->architecture);
    gguf_writer_bool(writer, key, s->has_bc_norms);
    snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", s->architecture);
    if (!s->without || !strstr(key, s->without)) gguf_writer_f32(writer, key, 1e-5f);
    tiny_vocabulary(writer, s->n_vocab);
}

/* ---- Tensors ---- */

struct File {
    struct GgufWriter *writer;
    const struct TinyMamba *shape;
    uint64_t random;
};

static double random_unit(struct File *file) {
    file->random = file->random * 6364136223846793005u + 1442695040888963407u;
    return (double)(file->random >> 33) / (double)(1u << 30) - 1; /* -1 to 1 */
}

/* {n0, n1}; every value middle + spread * (-1 to 1) */
static void add(struct File *file, int layer, const char *name, uint32_t n0, uint32_t n1,
                double middle, double spread) {
    const uint64_t dims[] = {n0, n1};
    const size_t n = (size_t)n0 * n1;
    char full[64];
    if (layer < 0)
        snprintf(full, sizeof full, "%s", name);
    else
        snprintf(full, sizeof full, "blk.%d.%s", layer, name);
    if (file->shape->without && strcmp(file->shape->without, full) == 0) return;
    float *values = calloc(n, sizeof *values);
    for (size_t i = 0; i < n; i++) values[i] = (float)(middle + spread * random_unit(file));
    gguf_writer_tensor(file->writer, full, QUANT_F32, n1 == 1 ? 1 : 2, dims, values,
                       n * sizeof *values);
    free(values);
}

/* Keeps the spread of its input, about. */
static void add_matrix(struct File *file, int layer, const char *name, uint32_t n_cols,
                       uint32_t n_rows) {
    add(file, layer, name, n_cols, n_rows, 0, sqrt(3.0 / n_cols));
}

static void add_layer_1(struct File *file, int i) {
    const struct TinyMamba *s = file->shape;
    add_matrix(file, i, "ssm_in.weight", s->n_embd, 2 * s->n_inner);
    add_matrix(file, i, "ssm_conv1d.weight", s->n_taps, s->n_inner);
    add(file, i, "ssm_conv1d.bias", s->n_inner, 1, 0, 0.3);
    add_matrix(file, i, "ssm_x.weight", s->n_inner, s->dt_rank + 2 * s->n_state);
    add_matrix(file, i, "ssm_dt.weight", s->dt_rank, s->n_inner);
    add(file, i, "ssm_dt.bias", s->n_inner, 1, -2, 2);
    add(file, i, "ssm_a", s->n_state, s->n_inner, -2, 1.9);
    add(file, i, "ssm_d", s->n_inner, 1, 1, 0.3);
}

static void add_layer_2(struct File *file, int i) {
    const struct TinyMamba *s = file->shape;
    const uint32_t n_conv = s->n_inner + 2 * s->n_groups * s->n_state;
    add_matrix(file, i, "ssm_in.weight", s->n_embd, s->n_inner + n_conv + s->dt_rank);
    add_matrix(file, i, "ssm_conv1d.weight", s->n_taps, n_conv);
    add(file, i, "ssm_conv1d.bias", n_conv, 1, 0, 0.3);
    add(file, i, "ssm_dt.bias", s->dt_rank, 1, -2, 2);
    add(file, i, "ssm_a", 1, s->dt_rank, -2, 1.9);
    add(file, i, "ssm_d", 1, s->dt_rank, 1, 0.3);
    add(file, i, "ssm_norm.weight", s->n_inner / s->n_groups, s->n_groups, 1, 0.3);
}

int tiny_mamba_fd(const struct TinyMamba *shape) {
    struct File file = {gguf_writer_new(), shape, 1};
    write_keys(file.writer, shape);
    add_matrix(&file, -1, "token_embd.weight", shape->n_embd, shape->n_vocab);
    add(&file, -1, "output_norm.weight", shape->n_embd, 1, 1, 0.3);
    if (shape->untied) add_matrix(&file, -1, "output.weight", shape->n_embd, shape->n_vocab);
    for (int i = 0; i < (int)shape->n_layers; i++) {
        add(&file, i, "attn_norm.weight", shape->n_embd, 1, 1, 0.3);
        (shape->n_groups ? add_layer_2 : add_layer_1)(&file, i);
        add_matrix(&file, i, "ssm_out.weight", shape->n_inner, shape->n_embd);
    }
    return gguf_writer_finish_fd(file.writer);
}
