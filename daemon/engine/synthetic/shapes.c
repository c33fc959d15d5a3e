#include "engine/synthetic/shapes.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "engine/quant.h"

/* What lists tensors: where they go, and the type of large matrices. */
struct Lister {
    const struct Shape *shape;
    uint32_t weights;
    uint32_t layer;
    TensorSink *sink;
    void *userdata;
    int r; /* what the sink said last; negative: no more */
};

struct ShapeFamily {
    const char *architecture;
    void (*write_keys)(const struct Shape *shape, GgufWriter *writer);
    void (*list_ends)(struct Lister *lister);
    void (*list_layer)(struct Lister *lister);
};

/* ---- Tensors, by what they are for ---- */

static void emit(struct Lister *lister, struct TensorSpec *tensor, const char *name) {
    if (lister->r < 0) return;
    if (lister->layer == UINT32_MAX)
        snprintf(tensor->name, sizeof tensor->name, "%s", name);
    else
        snprintf(tensor->name, sizeof tensor->name, "blk.%u.%s", lister->layer, name);
    lister->r = lister->sink(lister->userdata, tensor);
}

/* Outputs of about the size of the inputs: variance 1 / n_in. Ternary weights are 0 a third of the
 * time, others are drawn evenly. */
static float matrix_spread(uint32_t type, uint64_t n_in) {
    const double variance = quant_type(type)->trits ? 2.0 / 3 : 1.0 / 3;
    return (float)sqrt(1 / (variance * (double)n_in));
}

static void matrix_of(struct Lister *lister, const char *name, uint32_t type, uint64_t n_in,
                      uint64_t n_out) {
    struct TensorSpec tensor = {
        .type = type,
        .n_dims = 2,
        .dims = {n_in, n_out},
        .spread = matrix_spread(type, n_in),
    };
    emit(lister, &tensor, name);
}

/* As converters do: what has no whole blocks a row stays halves. */
static void matrix(struct Lister *lister, const char *name, uint64_t n_in, uint64_t n_out) {
    const bool fits = n_in % quant_type(lister->weights)->block_elements == 0;
    matrix_of(lister, name, fits ? lister->weights : QUANT_F16, n_in, n_out);
}

/* Ternary formats are for the layers: the ends of such a model are halves. */
static void end_matrix(struct Lister *lister, const char *name) {
    const uint32_t type = quant_type(lister->weights)->trits ? QUANT_F16 : lister->weights;
    matrix_of(lister, name, type, lister->shape->n_embd, lister->shape->n_vocab);
}

static void floats(struct Lister *lister, const char *name, const uint64_t dims[4], float mean,
                   float spread) {
    struct TensorSpec tensor = {.type = QUANT_F32, .mean = mean, .spread = spread};
    for (; tensor.n_dims < 4 && dims[tensor.n_dims] > 0; tensor.n_dims++)
        tensor.dims[tensor.n_dims] = dims[tensor.n_dims];
    emit(lister, &tensor, name);
}

static void vector(struct Lister *lister, const char *name, uint64_t n, float mean, float spread) {
    floats(lister, name, (const uint64_t[4]){n}, mean, spread);
}

static void norm(struct Lister *lister, const char *name, uint64_t n) {
    vector(lister, name, n, 1, 0.1f);
}

/* A layer norm: NAME.weight and NAME.bias. */
static void norm_with_bias(struct Lister *lister, const char *name, uint64_t n) {
    char full[64];
    snprintf(full, sizeof full, "%s.weight", name);
    norm(lister, full, n);
    snprintf(full, sizeof full, "%s.bias", name);
    vector(lister, full, n, 0, 0.1f);
}

/* ---- Keys ---- */

__attribute__((format(printf, 4, 5))) static void
key_u32(GgufWriter *writer, const struct Shape *shape, uint32_t value, const char *format, ...) {
    char name[64], key[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    snprintf(key, sizeof key, "%s.%s", shape->family->architecture, name);
    gguf_writer_u32(writer, key, value);
}

static void key_f32(GgufWriter *writer, const struct Shape *shape, float value, const char *name) {
    char key[128];
    snprintf(key, sizeof key, "%s.%s", shape->family->architecture, name);
    gguf_writer_f32(writer, key, value);
}

/* ---- llama and bitnet ---- */

static void transformer_keys(const struct Shape *shape, GgufWriter *writer) {
    key_u32(writer, shape, shape->n_ff, "feed_forward_length");
    key_u32(writer, shape, shape->n_heads, "attention.head_count");
    key_u32(writer, shape, shape->n_kv_heads, "attention.head_count_kv");
    key_u32(writer, shape, shape->n_embd / shape->n_heads, "rope.dimension_count");
    key_f32(writer, shape, 1e-5f, "attention.layer_norm_rms_epsilon");
    key_f32(writer, shape, shape->rope_base, "rope.freq_base");
}

static void tied_ends(struct Lister *lister) {
    end_matrix(lister, "token_embd.weight");
    norm(lister, "output_norm.weight", lister->shape->n_embd);
}

static void untied_ends(struct Lister *lister) {
    tied_ends(lister);
    end_matrix(lister, "output.weight");
}

static void llama_layer(struct Lister *lister) {
    const struct Shape *shape = lister->shape;
    const uint64_t n = shape->n_embd, n_kv = n / shape->n_heads * shape->n_kv_heads;
    norm(lister, "attn_norm.weight", n);
    matrix(lister, "attn_q.weight", n, n);
    matrix(lister, "attn_k.weight", n, n_kv);
    matrix(lister, "attn_v.weight", n, n_kv);
    matrix(lister, "attn_output.weight", n, n);
    norm(lister, "ffn_norm.weight", n);
    matrix(lister, "ffn_gate.weight", n, shape->n_ff);
    matrix(lister, "ffn_up.weight", n, shape->n_ff);
    matrix(lister, "ffn_down.weight", shape->n_ff, n);
}

static void bitnet_layer(struct Lister *lister) {
    llama_layer(lister);
    norm(lister, "attn_sub_norm.weight", lister->shape->n_embd);
    norm(lister, "ffn_sub_norm.weight", lister->shape->n_ff);
}

static const struct ShapeFamily llama = {"llama", transformer_keys, untied_ends, llama_layer};
static const struct ShapeFamily llama_tied = {"llama", transformer_keys, tied_ends, llama_layer};
static const struct ShapeFamily bitnet = {"bitnet", transformer_keys, tied_ends, bitnet_layer};

/* ---- mamba and mamba2: F is the inner size ---- */

enum { MAMBA_STATE = 16, MAMBA2_STATE = 128, MAMBA_CONV = 4 };

static uint32_t mamba_rank(const struct Shape *shape) {
    return (shape->n_embd + 15) / 16;
}

static void mamba_keys(const struct Shape *shape, GgufWriter *writer) {
    key_u32(writer, shape, 0, "feed_forward_length");
    key_u32(writer, shape, 0, "attention.head_count");
    key_u32(writer, shape, MAMBA_CONV, "ssm.conv_kernel");
    key_u32(writer, shape, shape->n_ff, "ssm.inner_size");
    key_u32(writer, shape, MAMBA_STATE, "ssm.state_size");
    key_u32(writer, shape, mamba_rank(shape), "ssm.time_step_rank");
    key_f32(writer, shape, 1e-5f, "attention.layer_norm_rms_epsilon");
}

static void mamba_layer(struct Lister *lister) {
    const struct Shape *shape = lister->shape;
    const uint64_t n = shape->n_embd, inner = shape->n_ff, rank = mamba_rank(shape);
    norm(lister, "attn_norm.weight", n);
    matrix(lister, "ssm_in.weight", n, 2 * inner);
    floats(lister, "ssm_conv1d.weight", (const uint64_t[4]){MAMBA_CONV, inner}, 0, 0.5f);
    vector(lister, "ssm_conv1d.bias", inner, 0, 0.1f);
    matrix(lister, "ssm_x.weight", inner, rank + 2 * MAMBA_STATE);
    matrix(lister, "ssm_dt.weight", rank, inner);
    vector(lister, "ssm_dt.bias", inner, -4, 1); /* softplus of it: steps of 0.007 to 0.05 */
    floats(lister, "ssm_a", (const uint64_t[4]){MAMBA_STATE, inner}, -8.5f, 7.5f);
    vector(lister, "ssm_d", inner, 1, 0.1f);
    matrix(lister, "ssm_out.weight", inner, n);
}

/* With norms of delta, B and C. */
static void falcon_mamba_keys(const struct Shape *shape, GgufWriter *writer) {
    mamba_keys(shape, writer);
    gguf_writer_bool(writer, "mamba.ssm.dt_b_c_rms", true);
}

static void mamba2_keys(const struct Shape *shape, GgufWriter *writer) {
    key_u32(writer, shape, 0, "feed_forward_length");
    key_u32(writer, shape, 0, "attention.head_count");
    key_u32(writer, shape, MAMBA_CONV, "ssm.conv_kernel");
    key_u32(writer, shape, shape->n_ff, "ssm.inner_size");
    key_u32(writer, shape, MAMBA2_STATE, "ssm.state_size");
    key_u32(writer, shape, shape->n_heads, "ssm.time_step_rank");
    key_u32(writer, shape, shape->n_kv_heads, "ssm.group_count");
    key_f32(writer, shape, 1e-5f, "attention.layer_norm_rms_epsilon");
}

static void mamba2_layer(struct Lister *lister) {
    const struct Shape *shape = lister->shape;
    const uint64_t n = shape->n_embd, inner = shape->n_ff, heads = shape->n_heads;
    const uint64_t groups = shape->n_kv_heads, conv = inner + 2 * groups * MAMBA2_STATE;
    norm(lister, "attn_norm.weight", n);
    matrix(lister, "ssm_in.weight", n, inner + conv + heads);
    floats(lister, "ssm_conv1d.weight", (const uint64_t[4]){MAMBA_CONV, conv}, 0, 0.5f);
    vector(lister, "ssm_conv1d.bias", conv, 0, 0.1f);
    vector(lister, "ssm_dt.bias", heads, -4, 1);
    floats(lister, "ssm_a", (const uint64_t[4]){1, heads}, -8.5f, 7.5f);
    floats(lister, "ssm_d", (const uint64_t[4]){1, heads}, 1, 0.1f);
    floats(lister, "ssm_norm.weight", (const uint64_t[4]){inner / groups, groups}, 1, 0.1f);
    matrix(lister, "ssm_out.weight", inner, n);
}

static const struct ShapeFamily mamba = {"mamba", mamba_keys, tied_ends, mamba_layer};
static const struct ShapeFamily falcon_mamba = {"mamba", falcon_mamba_keys, untied_ends,
                                                mamba_layer};
static const struct ShapeFamily mamba2 = {"mamba2", mamba2_keys, tied_ends, mamba2_layer};
static const struct ShapeFamily mamba2_untied = {"mamba2", mamba2_keys, untied_ends, mamba2_layer};

/* ---- rwkv7 ---- */

enum { RWKV_HEAD = 64 };

/* The published rule for the ranks of the low-rank layers. */
static uint32_t lora_rank(const struct Shape *shape, double exponent, double factor) {
    double rank = rint(pow(shape->n_embd, exponent) * factor / 32);
    return 32 * (rank < 1 ? 1 : (uint32_t)rank);
}

/* Files of 8 bits have these in 16 or 32, too. */
static const struct {
    const char *key, *letter;
    double exponent, factor;
    float bias, bias_spread;
    enum QuantTypeId type;
} loras[] = {
    {"decay", "w", 0.5, 1.8, -3, 3, QUANT_F32},
    {"iclr", "a", 0.5, 1.8, 0, 0.5f, QUANT_F16},
    {"value_residual_mix", "v", 0.5, 1.3, 0.5f, 0.5f, QUANT_F16},
    {"gate", "g", 0.8, 0.6, 0, 0, QUANT_F16},
};

static void rwkv7_keys(const struct Shape *shape, GgufWriter *writer) {
    key_u32(writer, shape, shape->n_ff, "feed_forward_length");
    key_u32(writer, shape, 0, "attention.head_count");
    key_u32(writer, shape, RWKV_HEAD, "wkv.head_size");
    key_f32(writer, shape, 1e-5f, "attention.layer_norm_epsilon");
    for (size_t i = 0; i < sizeof loras / sizeof *loras; i++)
        key_u32(writer, shape, lora_rank(shape, loras[i].exponent, loras[i].factor),
                "attention.%s_lora_rank", loras[i].key);
}

/* The value residual has no part in the first layer: its tensors there are copies of the rates'. */
static void rwkv7_loras(struct Lister *lister) {
    const uint64_t n = lister->shape->n_embd;
    char name[64];
    for (size_t i = 0; i < sizeof loras / sizeof *loras; i++) {
        const bool is_dummy = lister->layer == 0 && *loras[i].letter == 'v';
        const size_t of = is_dummy ? 1 : i;
        const uint64_t rank = lora_rank(lister->shape, loras[of].exponent, loras[of].factor);
        snprintf(name, sizeof name, "time_mix_%s1.weight", loras[i].letter);
        matrix_of(lister, name, loras[i].type, n, rank);
        snprintf(name, sizeof name, "time_mix_%s2.weight", loras[i].letter);
        matrix_of(lister, name, loras[i].type, rank, n);
        snprintf(name, sizeof name, "time_mix_%s0.weight", loras[i].letter);
        if (*loras[i].letter != 'g') vector(lister, name, n, loras[i].bias, loras[i].bias_spread);
    }
}

static void rwkv7_layer(struct Lister *lister) {
    const uint64_t n = lister->shape->n_embd;
    norm_with_bias(lister, "attn_norm", n);
    norm_with_bias(lister, "attn_norm_2", n);
    floats(lister, "time_mix_lerp_fused.weight", (const uint64_t[4]){n, 1, 1, 6}, 0.5f, 0.5f);
    rwkv7_loras(lister);
    vector(lister, "time_mix_k_k.weight", n, 0.85f, 0.1f);
    vector(lister, "time_mix_k_a.weight", n, 1, 0.1f);
    vector(lister, "time_mix_r_k.weight", n, 0, 0.1f);
    matrix(lister, "time_mix_receptance.weight", n, n);
    matrix(lister, "time_mix_key.weight", n, n);
    matrix(lister, "time_mix_value.weight", n, n);
    matrix(lister, "time_mix_output.weight", n, n);
    norm_with_bias(lister, "time_mix_ln", n);
    floats(lister, "channel_mix_lerp_k.weight", (const uint64_t[4]){n, 1, 1}, 0.5f, 0.5f);
    matrix(lister, "channel_mix_key.weight", n, lister->shape->n_ff);
    matrix(lister, "channel_mix_value.weight", lister->shape->n_ff, n);
}

static void rwkv7_ends(struct Lister *lister) {
    end_matrix(lister, "token_embd.weight");
    norm_with_bias(lister, "token_embd_norm", lister->shape->n_embd);
    norm_with_bias(lister, "output_norm", lister->shape->n_embd);
    end_matrix(lister, "output.weight");
}

static const struct ShapeFamily rwkv7 = {"rwkv7", rwkv7_keys, rwkv7_ends, rwkv7_layer};

/* ---- Shapes ---- */

static const struct Shape shapes[] = {
    /* name, family, weights, L, C, F, V, H, G, context, rope base */
    {"bitnet-2b4t", &bitnet, "TQ2_0", 30, 2560, 6912, 128256, 20, 5, 4096, 500000},
    {"bitnet-7b", &llama, "TQ2_0", 32, 4096, 11008, 32000, 32, 32, 8192, 10000},
    {"bitnet-13b", &llama, "TQ2_0", 40, 5120, 13824, 32000, 40, 40, 8192, 10000},
    {"mamba-2.8b", &mamba, "Q8_0", 64, 2560, 5120, 50280, 0, 0, 1048576, 0},
    {"mamba2-2.7b", &mamba2, "Q8_0", 64, 2560, 5120, 50288, 80, 1, 1048576, 0},
    {"mamba-codestral-7b", &mamba2_untied, "Q8_0", 64, 4096, 8192, 32768, 128, 8, 1048576, 0},
    {"falcon-mamba-7b", &falcon_mamba, "Q8_0", 64, 4096, 8192, 65024, 0, 0, 1048576, 0},
    {"rwkv7-2.9b", &rwkv7, "Q8_0", 32, 2560, 10240, 65536, 0, 0, 1048576, 0},
    {"rwkv7-7.2b", &rwkv7, "F16", 32, 4096, 16384, 65536, 0, 0, 1048576, 0},
    {"draft-350m", &llama_tied, "Q8_0", 24, 1024, 2816, 32000, 16, 16, 8192, 10000},
};

const struct Shape *shape_at(unsigned i) {
    return i < sizeof shapes / sizeof *shapes ? &shapes[i] : NULL;
}

const struct Shape *shape_find(const char *name) {
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (strcmp(shapes[i].name, name) == 0) return &shapes[i];
    return NULL;
}

void shape_write_keys(const struct Shape *shape, GgufWriter *writer) {
    gguf_writer_string(writer, "general.architecture", shape->family->architecture);
    gguf_writer_string(writer, "general.name", shape->name);
    key_u32(writer, shape, shape->n_layers, "block_count");
    key_u32(writer, shape, shape->n_embd, "embedding_length");
    key_u32(writer, shape, shape->n_ctx, "context_length");
    key_u32(writer, shape, shape->n_vocab, "vocab_size");
    shape->family->write_keys(shape, writer);
}

int shape_each_tensor(const struct Shape *shape, uint32_t weights, TensorSink *sink,
                      void *userdata) {
    struct Lister lister = {shape, weights, UINT32_MAX, sink, userdata, 0};
    shape->family->list_ends(&lister);
    for (lister.layer = 0; lister.layer < shape->n_layers; lister.layer++)
        shape->family->list_layer(&lister);
    return lister.r < 0 ? lister.r : 0;
}
