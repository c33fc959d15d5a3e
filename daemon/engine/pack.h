/*
 * One tensor of a GGUF file becomes a packed matrix, on all threads. What becomes what is in
 * engine/weights.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"
#include "engine/pool.h"
#include "engine/quant.h"
#include "engine/reason.h"
#include "kernels/kernels.h"

struct PackSource {
    struct QuantMatrix matrix;
    float factor;               /* multiplies all weights */
    bool ternary;               /* floats that are exactly ternary become MATRIX_T2 */
    enum Requantise requantise; /* what weights that are not become */
};

/* Looks at the whole tensor where its type does not say everything. *ret_scale, which has `factor`
 * in it, is 1 but for MATRIX_T2; `*ret_requantised` is whether the layout holds less than the file
 * does because it was asked for. */
int pack_choose(Pool *pool, const struct PackSource *source, uint32_t *ret_layout, float *ret_scale,
                bool *ret_requantised, Reason *why);

/* Fills `dst` with the matrix that `shape`, chosen above, describes. `ret_error` is the root mean
 * square of what requantising changed over that of the weights; 0 for matrices that were not.
 * -EBADMSG: numbers that are not finite, or that are too large for the layout. -ENOMEM. */
int pack_matrix(Pool *pool, const struct PackSource *source, const struct Matrix *shape, void *dst,
                double *ret_error, Reason *why);
