/*
 * The family "transformer": llama-like decoders and BitNet b1.58, as its loading
 * (transformer-load.c), its forward pass (transformer.c) and its state (transformer-state.c) see
 * it.
 *
 * Names follow the papers and GGUF: x is the residual stream, h a normed copy of it, H query heads
 * share G KV heads of size D, F is the width of the feed-forward network.
 */
#pragma once

#include "engine/architecture.h"
#include "engine/input.h"
#include "engine/kv.h"
#include "engine/rows.h"

/* What differs between architectures. */
struct TransformerVariant {
    const char *architecture;
    enum RopePairing pairing;
    bool is_bitnet; /* ternary weights, sub-norms, the head always tied to the embedding */
    const char *activation;
};

enum TransformerActivation { ACTIVATION_SILU, ACTIVATION_RELU2 };

/* y = W x + b */
struct Linear {
    struct Matrix weight;
    const float *bias; /* NULL: none */
};

struct Layer {
    const float *attn_norm;     /* [n_embd] */
    struct Linear q;            /* [H D][n_embd] */
    struct Linear k, v;         /* [G D][n_embd] */
    const float *attn_sub_norm; /* [H D], BitNet only */
    struct Linear attn_output;  /* [n_embd][H D] */

    const float *ffn_norm;     /* [n_embd] */
    struct Linear gate, up;    /* [F][n_embd] */
    const float *ffn_sub_norm; /* [F], BitNet only */
    struct Linear down;        /* [n_embd][F] */
};

struct Transformer {
    const struct TransformerVariant *variant;
    uint32_t n_layers, n_embd, n_vocab, n_ctx;
    uint32_t n_heads, n_kv_heads, head_size; /* H, G, D */
    uint32_t n_ff;                           /* F */
    uint32_t n_rot;                          /* dimensions of a head that rotate */
    float rope_base, rope_scale;             /* position times rope_scale */
    float norm_epsilon;
    float attn_scale; /* 1 / sqrt(D) */
    enum TransformerActivation activation;

    struct Matrix embedding; /* [n_vocab][n_embd] */
    struct Matrix head;      /* layout of its own, or a copy of `embedding` when tied */
    bool is_tied;
    const float *output_norm;  /* [n_embd] */
    const float *rope_factors; /* [n_rot / 2] divisors of the frequencies, or NULL */
    struct Layer *layers;

    /* Made in start(), used in step() */
    const struct Compute *compute;
    double *rope_frequencies; /* [n_rot / 2] radians a position */
    struct Rows x;            /* residual stream [n_embd] */
    struct Rows q, k, v;      /* [H D], [G D], [G D] */
    struct Rows attended;     /* [H D] */
    struct Rows gate, up;     /* [F] */
    struct Rows y;            /* what is added to x [n_embd] */
    struct Rows rotation;     /* [n_rot / 2] cosines, [n_rot / 2] sines */
    struct Input input;
    struct KvPool kv;
};

int transformer_open(const struct ModelFile *file, struct ModelShape *ret_shape, void **ret,
                     Reason *why);
void transformer_close(void *model);
int transformer_start(void *model, const struct Compute *compute);
void transformer_step(void *model, const struct Batch *batch);
