/*
 * The input of matrix products: a batch of vectors in every form that the matrices reading them
 * want, quantised once and shared.
 *
 * Write each vector to input_row(), then input_seal() it for the matrices that follow (rows may be
 * done on different threads), then input_multiply() any number of matrices.
 */
#pragma once

#include <stdint.h>

#include "engine/compute.h"
#include "engine/rows.h"
#include "kernels/kernels.h"

#define N_ACTIVATION_FORMS 3

/* A set of enum ActivationForm. */
typedef unsigned Forms;

struct Input {
    struct Activations activations[N_ACTIVATION_FORMS];
    struct Rows f32;
    int8_t *i8[N_ACTIVATION_FORMS];
    float *scales[N_ACTIVATION_FORMS];
    int32_t *sums[N_ACTIVATION_FORMS];
    size_t stride; /* of i8, in elements */
};

static inline Forms form_of(const struct Matrix *matrix) {
    return 1u << matrix_activation_form(matrix->layout);
}

/* `forms`: all that will ever be asked for. */
int input_init(struct Input *input, Forms forms, uint32_t max_vectors, uint32_t max_cols);
void input_done(struct Input *input);

/* A new batch. The old one is gone. */
void input_begin(struct Input *input, uint32_t n_vectors, uint32_t n_cols);
static inline float *input_row(const struct Input *input, uint32_t i) {
    return row_of(&input->f32, i);
}
void input_seal(struct Input *input, const struct Kernels *kernels, uint32_t i, Forms forms);

struct Product {
    const struct Matrix *matrix; /* n_cols as in input_begin() */
    const struct Rows *y;        /* y[i] = matrix * input_row(i) */
    const struct Input *input;   /* NULL: that of input_multiply(); others have as many vectors */
};
/* All products in one go: their tiles together are shared out over the threads (engine/shares.h),
 * by the bytes that there are to read. */
void input_multiply(const struct Input *input, const struct Compute *compute,
                    const struct Product *products, unsigned n_products);
