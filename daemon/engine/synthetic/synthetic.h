/*
 * Models of real shapes with random weights: what benchmarks measure, and tests of size run on,
 * where the real file cannot be had.
 *
 * A shape is a row of the table in shapes.c: hyper-parameters as the published model has them, and
 * the tensors of its family. The file is an ordinary GGUF file that other engines read as well. Its
 * vocabulary is made up: bytes, then words that stand for nothing.
 */
#pragma once

#include <stdint.h>

#include "engine/reason.h"

struct SyntheticOptions {
    const char *shape;   /* "bitnet-2b4t", "mamba-2.8b", ...: synthetic_shape_name() */
    const char *weights; /* tensor type of the large matrices, as llama.cpp writes it; NULL: the
                            shape's own */
    uint32_t n_layers, n_vocab; /* 0: the shape's own */
    uint64_t seed;
};

/* The i-th name; NULL past the last. */
const char *synthetic_shape_name(unsigned i);

/* Writes the model to `fd` from its current position. `progress` may be NULL; nonzero cancels with
 * -ECANCELED. -EINVAL: no such shape, or no such type; -ENOSPC and others as write() has them. */
int synthetic_write(int fd, const struct SyntheticOptions *options,
                    int (*progress)(void *userdata, uint64_t done, uint64_t total), void *userdata,
                    Reason *why);

/* What synthetic_write() would write: layers, and bytes of all tensors. Errors as there. */
int synthetic_measure(const struct SyntheticOptions *options, uint32_t *ret_n_layers,
                      uint64_t *ret_size, Reason *why);

/* The largest matrix in a layer of a shape, the first of several. -EINVAL: no such shape. */
int synthetic_largest_matrix(const char *shape, uint32_t *ret_n_rows, uint32_t *ret_n_cols);
