/*
 * One tensor of a GGUF file becomes a packed matrix, on all threads. What becomes what is in
 * engine/weights.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/pool.h"
#include "engine/quant.h"
#include "engine/reason.h"
#include "kernels/kernels.h"

/* Looks at the whole tensor where its type does not say everything. `ternary`: floats that are
 * exactly ternary become MATRIX_T2. *ret_scale is 1 but for MATRIX_T2. */
int pack_choose(Pool *pool, const struct QuantMatrix *source, bool ternary, uint32_t *ret_layout,
                float *ret_scale, Reason *why);

/* Fills `dst` with the matrix that `shape` describes, weights multiplied by `factor` unless that is
 * in shape->scale already (MATRIX_T2). -EBADMSG: not finite. -ENOMEM. */
int pack_matrix(Pool *pool, const struct QuantMatrix *source, float factor,
                const struct Matrix *shape, void *dst, Reason *why);
