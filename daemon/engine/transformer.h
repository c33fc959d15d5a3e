/*
 * The family "transformer": llama-like decoders and BitNet b1.58, as its hyper-parameters
 * (transformer-shape.c), its loading (transformer-load.c), its forward pass (transformer.c) and its
 * state (transformer-state.c) see it.
 *
 * Names follow the papers and GGUF: x is the residual stream, h a normed copy of it, H query heads
 * share G KV heads with keys of K and values of V dimensions, F is the width of the feed-forward
 * network. H, G and F may differ from layer to layer, as in pruned models.
 */
#pragma once

#include "engine/architecture.h"
#include "engine/input.h"
#include "engine/kv.h"
#include "engine/rope.h"
#include "engine/rows.h"

/* What differs between architectures. */
struct TransformerVariant {
    const char *architecture;
    enum RopePairing pairing;
    bool is_bitnet;      /* ternary weights, sub-norms, the head always tied to the embedding */
    bool has_head_norms; /* every head of queries and keys is normed before it rotates */
    const char *activation;
};

enum TransformerActivation { ACTIVATION_SILU, ACTIVATION_RELU2 };

/* y = W x + b */
struct Linear {
    struct Matrix weight;
    const float *bias; /* NULL: none */
};

struct Layer {
    uint32_t n_heads, n_kv_heads, n_ff; /* H, G, F */

    const float *attn_norm;       /* [n_embd] */
    struct Linear q;              /* [H K][n_embd] */
    struct Linear k;              /* [G K][n_embd] */
    struct Linear v;              /* [G V][n_embd] */
    const float *q_norm, *k_norm; /* [K], or NULL */
    const float *attn_sub_norm;   /* [H V], BitNet only */
    struct Linear attn_output;    /* [n_embd][H V] */

    const float *ffn_norm;     /* [n_embd] */
    struct Linear gate, up;    /* [F][n_embd] */
    const float *ffn_sub_norm; /* [F], BitNet only */
    struct Linear down;        /* [n_embd][F] */
};

struct Transformer {
    const struct TransformerVariant *variant;
    uint32_t n_layers, n_embd, n_vocab, n_ctx;
    uint32_t key_size, value_size; /* K, V */
    struct Rope rope;
    float norm_epsilon;
    float attn_scale; /* 1 / sqrt(K) */
    enum TransformerActivation activation;

    struct Matrix embedding; /* [n_vocab][n_embd] */
    struct Linear head;      /* its weight is a layout of its own, or a copy of `embedding` */
    bool is_tied;
    const float *output_norm; /* [n_embd] */
    struct Layer *layers;

    /* Made in start(), used in step(); as wide as the widest layer */
    const struct Compute *compute;
    struct Rows x;        /* residual stream [n_embd] */
    struct Rows q, k, v;  /* [H K], [G K], [G V] */
    struct Rows attended; /* [H V] */
    struct Rows gate, up; /* [F] */
    struct Rows y;        /* what is added to x [n_embd] */
    struct Rows rotation; /* [n_rot / 2] cosines, [n_rot / 2] sines */
    struct Input input;
    struct KvPool kv;
    struct AttendThread *attend_threads; /* transformer-attend.c */
    float *partials;
};

/* Sets all up to `activation`, and makes `layers` with the numbers of theirs. */
int transformer_read_shape(struct Transformer *t, const struct ModelFile *file, Reason *why);

int transformer_open(const struct ModelFile *file, struct ModelShape *ret_shape, void **ret,
                     Reason *why);
void transformer_close(void *model);
int transformer_start(void *model, const struct Compute *compute);
void transformer_step(void *model, const struct Batch *batch);

/* Positions whose softmax is one: past so many, threads share a row's (transformer-attend.c). */
#define ATTEND_SEGMENT 512u

int transformer_attend_start(struct Transformer *t);
void transformer_attend_done(struct Transformer *t);
/* attended = softmax(q k^T) v for all rows, whose keys and values are in the cache. */
void transformer_attend(struct Transformer *t, const struct Batch *batch, uint32_t layer_number);
