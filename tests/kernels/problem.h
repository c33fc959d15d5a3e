/*
 * A matrix and the vectors that it is to be multiplied with, in memory that ends at guard pages.
 * There is one at a time: the next one takes its memory.
 */
#pragma once

#include "tests/kernels/inputs.h"

struct Problem {
    enum Fill fill;
    struct Matrix matrix;  /* data in SLOT_A */
    struct Activations x;  /* vectors in SLOT_B, scales in SLOT_C, sums in SLOT_D */
    const float *floats;   /* weights before packing, row-major (F32, F16) */
    const int8_t *bytes;   /* (all but floats) */
    const float *w_scales; /* (I8, I4) */
};

struct Problem problem_new(enum MatrixLayout layout, enum Fill fill, uint32_t n_rows,
                           uint32_t n_cols, uint32_t n_vectors);

/* Layouts of integers, with the largest weights and -128 for every activation. */
struct Problem problem_new_largest(enum MatrixLayout layout, uint32_t n_rows, uint32_t n_cols,
                                   uint32_t n_vectors);

/* The weight that was packed. */
float problem_weight(const struct Problem *p, uint32_t row, uint32_t column);

/* Element `column` of vector v, as a number. */
double problem_activation(const struct Problem *p, uint32_t v, uint32_t column);
