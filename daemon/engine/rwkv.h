/*
 * The family "rwkv": RWKV-6 (Finch, arXiv 2404.05892) and RWKV-7 (Goose, arXiv 2503.14456), as
 * their loading (rwkv-load.c), what both passes share (rwkv.c) and what each version is
 * (rwkv6.c, rwkv7.c) see it.
 *
 * Names follow the papers and GGUF: C channels are heads of size Hs, F is the width of the channel
 * mix, x the residual stream, h a normed copy of it. A step has one row a token in every Rows; all
 * products of matrices are made for all rows at once, and what depends on the token before (the
 * token shift, the recurrence) goes along each span.
 */
#pragma once

#include "engine/architecture.h"
#include "engine/input.h"
#include "engine/recurrent.h"
#include "engine/rows.h"

/* Inputs of matrices that are made at once: as many as there are lerps. */
#define RWKV_MAX_MIXES 6
/* Products that are made at once. */
#define RWKV_MAX_PRODUCTS 7
#define RWKV_GROUP_NORM_EPSILON 64e-5f

/* Widths that tensors have. */
enum RwkvSize {
    RWKV_C,
    RWKV_F,
    RWKV_RANK_MIX, /* 6: of each of the five data-dependent lerps; E in the files */
    RWKV_RANK_W,   /* the decay's; Q in RWKV-6 files */
    RWKV_RANK_A,   /* 7: the in-context learning rate's */
    RWKV_RANK_V,   /* 7: the value residual's */
    RWKV_RANK_G,   /* 7: the gate's */
    RWKV_N_SIZES,
};

struct RwkvNorm {
    const float *weight, *bias; /* [C] */
};

/* bias + up act(down x) */
struct RwkvLora {
    struct Matrix down; /* [rank][C] */
    struct Matrix up;   /* [C][rank] */
    const float *bias;  /* [C] */
};

struct RwkvLayer {
    struct RwkvNorm attn_norm, attn_norm_2, time_mix_ln;
    const float *lerp_fused;                      /* [n_mixes][C], or NULL */
    const float *lerp[RWKV_MAX_MIXES];            /* [C] each, in the order of lerp_fused */
    struct Matrix receptance, key, value, output; /* [C][C] */
    struct RwkvLora w;

    const float *channel_lerp_k; /* [C] */
    struct Matrix channel_key;   /* [F][C] */
    struct Matrix channel_value; /* [C][F] */

    /* RWKV-6 */
    const float *lerp_x;                      /* [C] */
    struct Matrix mix_down;                   /* [5 E][C] */
    struct Matrix mix_up[RWKV_MAX_MIXES - 1]; /* [C][E] each */
    const float *first;                       /* [C]: u */
    struct Matrix gate;                       /* [C][C] */
    const float *channel_lerp_r;              /* [C] */
    struct Matrix channel_receptance;         /* [C][C] */

    /* RWKV-7 */
    struct RwkvLora a, v, g;      /* no v in layer 0, no bias in g */
    const float *k_k, *k_a, *r_k; /* [C] */
};

struct Rwkv;
struct RwkvPass;

struct RwkvVersion {
    const char *architecture;
    const char *lerps; /* one letter each, in the order of the file */
    void (*time_mix)(struct RwkvPass *pass);
    void (*channel_mix)(struct RwkvPass *pass);
};
extern const struct RwkvVersion rwkv_version_6, rwkv_version_7;

struct Rwkv {
    struct RecurrentPool pool; /* first, as engine/recurrent.h wants it */
    const struct RwkvVersion *version;
    uint32_t n_layers, n_vocab, n_ctx;
    uint32_t sizes[RWKV_N_SIZES];
    uint32_t n_heads, head_size;
    uint32_t rescale_every; /* 6: x is halved behind every so many layers; 0: never */
    float norm_epsilon;

    struct Matrix embedding, head; /* [n_vocab][C] */
    struct RwkvNorm embedding_norm, output_norm;
    struct RwkvLayer *layers;

    /* Made in start(), used in step() */
    const struct Compute *compute;
    struct Input inputs[RWKV_MAX_MIXES];
    struct Rows x, h;              /* [C] */
    struct Rows r, w, k, v, g, y;  /* [C] */
    struct Rows a, kk, b, v_first; /* [C], 7 */
    struct Rows down[4];           /* [rank] what went down in a lora; [0] in RWKV-6: [5 E] */
    struct Rows ff;                /* [F] */
};

/* The two halves of a layer. */
enum { RWKV_TIME, RWKV_CHANNEL };

/* What a layer keeps of a sequence, among recurrent_floats(). */
struct RwkvState {
    float *shift[2]; /* [C]: h of the token before, of RWKV_TIME and RWKV_CHANNEL */
    float *wkv;      /* [head][Hs keys][Hs values], in both versions */
};

/* A pass through one layer, as the jobs for rows see it. */
struct RwkvPass {
    struct Rwkv *m;
    const struct Batch *batch;
    const struct Kernels *kernels;
    uint32_t layer_number;
    const struct RwkvLayer *layer;
    const struct RwkvNorm *norm;
    unsigned shift;              /* whose h it is: RWKV_TIME, RWKV_CHANNEL */
    Forms forms[RWKV_MAX_MIXES]; /* what the next matrices want of each input */
    void (*wkv)(const struct Wkv *wkv);
};

/* y = matrix * inputs[input], for all rows. */
struct RwkvProduct {
    unsigned input;
    const struct Matrix *matrix;
    const struct Rows *y;
};

/* ---- What the versions' passes are made of (rwkv.c) ---- */

void rwkv_each_row(struct RwkvPass *pass, RowJob *job);
/* h = ln(x), for the half of the layer that `shift` names */
void rwkv_norm(struct RwkvPass *pass, const struct RwkvNorm *norm, unsigned shift);
/* h of the token before. */
const float *rwkv_previous(const struct RwkvPass *pass, uint32_t row);
/* The last h of every span stays with its sequence: after the last use of rwkv_previous(). */
void rwkv_remember(struct RwkvPass *pass);
/* The job writes rwkv_input() of every input that a product has, and seals it; then all products
 * are made in one go. */
void rwkv_multiply(struct RwkvPass *pass, RowJob *job, const struct RwkvProduct *products,
                   unsigned n);
float *rwkv_input(const struct RwkvPass *pass, unsigned input, uint32_t row);
void rwkv_seal(const struct RwkvPass *pass, unsigned input, uint32_t row);
/* y = wkv(r, w, k, v, ...) for each head along each span. */
void rwkv_recur(struct RwkvPass *pass, void (*wkv)(const struct Wkv *wkv));
/* y = group_norm(y) of a row */
void rwkv_group_norm(const struct RwkvPass *pass, uint32_t row);
/* input 0 = relu(ff)^2, the way back in both channel mixes */
void rwkv_relu2_row(void *userdata, uint32_t row);
/* x += y */
void rwkv_add_row(void *userdata, uint32_t row);

int rwkv_open(const struct ModelFile *file, struct ModelShape *ret_shape, void **ret, Reason *why);
int rwkv_start(void *model, const struct Compute *compute);
void rwkv_close(void *model);
