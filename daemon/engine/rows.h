/*
 * Rows of floats for a step, one a token: allocated when a model is opened, each row 64-byte
 * aligned and padded to a multiple of 16, as matrix products want to write them, and to an odd
 * number of cache lines: rows of 4096 floats one behind the other would share a set of the cache.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct Rows {
    float *data;   /* [n][stride] */
    size_t stride; /* floats */
};

int rows_init(struct Rows *rows, uint32_t n, uint32_t n_cols);
void rows_done(struct Rows *rows);

static inline float *row_of(const struct Rows *rows, uint32_t row) {
    return rows->data + row * rows->stride;
}

/* 64-byte aligned; NULL when n * size does not fit or there is no memory. free() it. */
void *rows_allocate(uint64_t n, uint64_t size);
