/*
 * The family "mamba": Mamba (arXiv 2312.00752) with FalconMamba's norms (arXiv 2410.05355), and
 * Mamba-2 (arXiv 2405.21060), as their loading (mamba-load.c) and their forward pass (mamba.c) see
 * them.
 *
 * Names follow the papers and GGUF: C is the width of the residual stream x, Di of the blocks
 * inside, N the number of states a channel, K the taps of the convolution, Dc the channels that go
 * through it.
 *   Mamba:   R is the rank of the time step delta; Dc = Di
 *   Mamba-2: H heads of P = Di / H channels, G groups of heads that share B and C; Dc = Di + 2 G N
 *
 * A sequence's state is, layer by layer, [K - 1][conv_stride] inputs of the convolution and then
 * the scan's h as kernels/kernels.h has it: [ceil(Di / 16)][N][16], for Mamba-2 once a head with P.
 */
#pragma once

#include "engine/architecture.h"
#include "engine/input.h"
#include "engine/recurrent.h"
#include "engine/rows.h"

struct MambaLayer {
    const float *norm; /* [C] */
    /* Rows x, z: [2 Di][C]. Mamba-2: z, x, B, C, delta: [Di + Dc + H][C] */
    struct Matrix in;
    const float *conv, *conv_bias; /* [Dc][K], [Dc] */
    struct Matrix x_proj;          /* [R + 2 N][Di] rows delta, B, C; Mamba only */
    struct Matrix dt_proj;         /* [Di][R], Mamba only */
    const float *dt_bias;          /* [Di]; Mamba-2: [H] */
    const float *a, *d;            /* [Di][N], [Di]; Mamba-2: [H], [H]. A is negative. */
    const float *y_norm;           /* [Di], Mamba-2 only */
    struct Matrix out;             /* [C][Di] */

    /* As the kernels want them, made in start() */
    const float *conv_taps; /* [K][conv_stride] */
    const float *a_lanes;   /* A log2(e): [ceil(Di / 16)][N][16], Mamba only */
};

struct Mamba {
    struct RecurrentPool pool; /* first */
    bool is_2, has_bc_norms;
    uint32_t n_layers, n_embd, n_vocab, n_ctx;
    uint32_t n_inner, n_state, n_taps; /* Di, N, K */
    uint32_t dt_rank;                  /* R */
    uint32_t n_heads, n_groups;        /* H, G */
    float norm_epsilon;

    uint32_t n_conv;     /* Dc */
    size_t conv_stride;  /* Dc in whole lanes */
    size_t layer_floats; /* of a sequence's state */
    struct Matrix embedding, head;
    bool is_tied;
    const float *output_norm; /* [C] */
    struct MambaLayer *layers;

    /* Made in start(), used in step() */
    const struct Compute *compute;
    float *lanes;          /* what conv_taps and a_lanes of all layers point into */
    struct Rows ones;      /* one row: the weights of norms that have none */
    struct Rows x, y;      /* [C] residual stream, and what is added to it */
    struct Rows projected; /* what `in` gives */
    struct Rows selected;  /* what x_proj gives */
    struct Rows delta;     /* [Di]; Mamba-2: [H] */
    struct Rows decay;     /* [H], Mamba-2: exp(delta A) */
    struct Input input;
    struct Input convolved; /* [Dc] */
};

int mamba_open(const struct ModelFile *file, struct ModelShape *ret_shape, void **ret, Reason *why);
void mamba_close(void *model);
int mamba_start(void *model, const struct Compute *compute);
void mamba_step(void *model, const struct Batch *batch);
