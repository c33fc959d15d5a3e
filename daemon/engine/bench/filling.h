/*
 * Matrices of any layout with weights of no meaning.
 */
#pragma once

#include "kernels/kernels.h"

/* "T2", "I8", ... */
const char *filling_name(enum MatrixLayout layout);
/* All n_copies of a matrix, one behind the other at `data`. Its tiles are copies of one: -ENOMEM.
 */
int filling_make(enum MatrixLayout layout, uint32_t n_rows, uint32_t n_cols, unsigned n_copies,
                 void *data);
