/*
 * Rotary position embeddings (arXiv 2104.09864): the angles that queries and keys are rotated by.
 *
 * Pair i of a head turns by position * frequency_i with frequency_i = base^(-2i / n_rot), divided
 * by a factor of its own where the file has a list of them. Contexts longer than those of the first
 * training stretch that, by what rope.scaling.type says:
 *
 *   linear    all frequencies are divided by rope.scaling.factor. Also when no type is given
 *   yarn      (arXiv 2309.00071) fast pairs keep their frequency, slow ones are divided, and in
 *             between it is a mix; cosines and sines are multiplied by 1 + 0.1 ln(factor)
 *   longrope  (arXiv 2402.13753) one list of divisors for contexts past the original length, one
 *             for those within it: n_ctx decides when the model is opened
 *   none      as they are
 *
 * The Llama 3 way is a list of divisors (rope_freqs.weight) and no type. rope.scaling.attn_factor
 * multiplies cosines and sines in every case. Keys and their meanings are llama.cpp's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/model.h"

struct Rope {
    uint32_t n_rot; /* dimensions of a head that rotate, even */
    double base;
    double scale;       /* 1 / factor; 1 where nothing is stretched */
    double magnitude;   /* of cosines and sines */
    double mix;         /* YaRN's: how much of a fast pair's frequency stays; 0: none */
    double first, last; /* YaRN's: pairs between which the mix falls from all to nothing */
    bool is_longrope;
    bool is_short;              /* the second list counts */
    const float *factors;       /* [n_rot / 2] divisors of the frequencies, or NULL */
    const float *short_factors; /* LongRoPE's within the original length */
    double *frequencies;        /* [n_rot / 2] radians a position, made by rope_start() */
};

/* The hyper-parameters. n_ctx: what the model was trained for. -ENOTSUP: another type. */
int rope_read(struct Rope *rope, const struct ModelFile *file, uint32_t n_rot, uint32_t n_ctx,
              Reason *why);
/* Asks for the tensors that there are; `rope` must stay where it is. */
int rope_load(struct Rope *rope, struct Weights *weights, Reason *why);
/* The weights are there now. */
int rope_start(struct Rope *rope);
void rope_done(struct Rope *rope);

/* [n_rot / 2] cosines, then [n_rot / 2] sines. */
void rope_angles(const struct Rope *rope, uint32_t position, float *ret);
