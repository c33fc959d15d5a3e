#include "engine/rows.h"

#include <errno.h>
#include <stdlib.h>

void *rows_allocate(uint64_t n, uint64_t size) {
    uint64_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2) return NULL;
    return aligned_alloc(64, bytes ? (bytes + 63) / 64 * 64 : 64);
}

int rows_init(struct Rows *rows, uint32_t n, uint32_t n_cols) {
    rows->stride = (((size_t)n_cols + 15) / 16 | 1) * 16;
    rows->data = rows_allocate(n, rows->stride * sizeof(float));
    return rows->data ? 0 : -ENOMEM;
}

void rows_done(struct Rows *rows) {
    free(rows->data);
    rows->data = NULL;
}
