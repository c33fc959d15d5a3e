/*
 * The tensors that a family asks for, as packed matrices and vectors of floats.
 *
 * A family asks for all it needs, in an order that depends on nothing but the metadata: each
 * request is checked and given a place. weights_fill() then converts everything at once on all
 * threads and sets the pointers. Over a packed file the same requests are answered from its index,
 * in order, and nothing is converted. `ret` of a request must stay where it is until
 * weights_fill().
 *
 * How a tensor is held follows from its type:
 *   TQ1_0 TQ2_0 Q2_0 I2_S  MATRIX_T2, T1_6 or LUT (engine/pack-ternary.h), or MATRIX_F16 when
 *                          the blocks have different scales
 *   Q8_0                   MATRIX_I8
 *   Q4_0                   MATRIX_I4
 *   F16                    MATRIX_F16
 *   Q4_1 Q5_0 Q5_1 Q4_K Q5_K Q6_K
 *                          MATRIX_F16: values are rounded to half precision, not quantised again
 *   BF16                   MATRIX_F16, or MATRIX_F32 when a value is past the range of halves
 *   F32                    MATRIX_F32
 * F32, F16 and BF16 tensors asked for with WEIGHTS_TERNARY that hold exactly -s, 0 and +s are
 * ternary likewise. A tensor NAME.scale or NAME.weight_scale of one value beside NAME.weight
 * multiplies the weights. Only when EngineOptions.requantise asks for it, matrices that are not
 * ternary become MATRIX_I8 or MATRIX_I4 where that is smaller.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/digest.h"
#include "engine/engine.h"
#include "engine/gguf.h"
#include "engine/pool.h"
#include "engine/reason.h"
#include "kernels/kernels.h"

struct Weights;

/* The layout of a WeightEntry that is a vector. */
#define WEIGHT_VECTOR ((uint32_t)N_MATRIX_LAYOUTS)

/* Where a tensor is among the packed data; also the index of a packed file. */
struct WeightEntry {
    char name[128];  /* of the tensor in the GGUF file, NUL-terminated */
    uint32_t layout; /* enum MatrixLayout or WEIGHT_VECTOR */
    uint32_t n_rows, n_cols;
    float scale;
    uint64_t offset;      /* from the start of the data, a multiple of 64 */
    uint64_t size;        /* bytes */
    struct Digest digest; /* packed_digest(); 0 in memory */
};

/* From a GGUF file, which must outlive the Weights. The pool only scans and packs. */
int weights_new(const struct Gguf *file, Pool *pool, enum Requantise requantise,
                struct Weights **ret);
/* From packed data, checked to lie within data_size and to have the digests of the entries; both
 * must outlive the Weights. -EBADMSG. */
int weights_map(const struct WeightEntry *entries, size_t n_entries, const void *data,
                size_t data_size, Pool *pool, struct Weights **ret, Reason *why);
struct Weights *weights_free(struct Weights *weights); /* and the packed data that it made */

enum WeightFlags {
    WEIGHTS_OPTIONAL = 1 << 0, /* absent: returns WEIGHTS_ABSENT and *ret is as if zeroed */
    WEIGHTS_TERNARY = 1 << 1,  /* the model computes with ternary weights here */
};

enum { WEIGHTS_ABSENT = 1 };

/* `name` is without ".weight". -EBADMSG: missing, or of another shape; -ENOTSUP: a type that cannot
 * be read; -EFBIG: more than MATRIX_MAX_COLS columns. ret->layout, n_rows and n_cols are set at
 * once. */
int weights_matrix(struct Weights *weights, const char *name, unsigned flags, uint32_t n_rows,
                   uint32_t n_cols, struct Matrix *ret, Reason *why);
/* Matrix i of the n that a tensor {n_cols, n_rows, n} holds. All of them are asked for, in order.
 */
int weights_slice(struct Weights *weights, const char *name, uint32_t i, uint32_t n,
                  uint32_t n_rows, uint32_t n_cols, struct Matrix *ret, Reason *why);
/* `name` in full. Any float type; any dimensions whose product is n. */
int weights_vector(struct Weights *weights, const char *name, unsigned flags, uint32_t n,
                   const float **ret, Reason *why);

/* Rows of a matrix, 0 when it is not there: where the file's own tensor says how large something
 * is. */
uint64_t weights_n_rows(const struct Weights *weights, const char *name);

/* What was asked for so far, and the bytes that it takes. */
const struct WeightEntry *weights_entries(const struct Weights *weights, size_t *ret_n);
uint64_t weights_size(const struct Weights *weights);

typedef int WeightsProgress(void *userdata, uint64_t done, uint64_t total);

/* Packs everything, weights_size() bytes: to a file, whose matrices are then not there to compute
 * with, or, NULL, into memory of its own. `progress` may be NULL;
 * nonzero cancels with -ECANCELED. -EBADMSG: weights that are not finite, or too large for what
 * they become. */
struct PackTarget; /* engine/pack.h; its memory is NULL */
int weights_fill(struct Weights *weights, const struct PackTarget *file, WeightsProgress *progress,
                 void *userdata, Reason *why);

/* What requantising changed, errors being known when weights_fill() is done, and what was tried. */
void weights_report(const struct Weights *weights, struct PackReport *ret);
