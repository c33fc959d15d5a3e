/*
 * Hostile memory and hostile numbers for the kernels: buffers whose end is a page that can't be
 * touched, so that they are also misaligned whenever their length is odd, and fills from harmless
 * to extreme.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

/* Buffers that are in use at a time. */
enum Slot {
    SLOT_A,
    SLOT_B,
    SLOT_C,
    SLOT_D,
    SLOT_E,
    SLOT_F,
    SLOT_G,
    SLOT_H,
    SLOT_I,
    SLOT_J,
    SLOT_K,
    N_SLOTS,
};

/* What a slot can hold. */
#define SLOT_SIZE ((size_t)256 << 20)

/* `size` bytes, the last of them just before a page without access. Filled with 0xa5. The same slot
 * gives the same memory again. */
void *guarded(enum Slot slot, size_t size);

/* As above, moved down to a multiple of 64. */
void *guarded_aligned(enum Slot slot, size_t size);

/* The same numbers in every run. */
uint32_t random_u32(void);
float random_float(void); /* -1 to 1 */

enum Fill {
    FILL_RANDOM,  /* -1 to 1 */
    FILL_ZERO,    /* of both signs */
    FILL_WIDE,    /* -100 to 100 */
    FILL_EXTREME, /* zeros, denormals, largest and smallest numbers among random ones */
    FILL_SPECIAL, /* and infinities and NaNs */
    N_FILLS,
};

float random_fill(enum Fill fill);
void fill_floats(enum Fill fill, float *x, size_t n);
void fill_halves(enum Fill fill, uint16_t *x, size_t n);

/* guarded() floats: filled, or as those of another slot. */
float *new_floats(enum Slot slot, enum Fill fill, size_t n);
float *copy_of(enum Slot slot, const float *x, size_t n);

/* Lengths of vectors that end at, before and behind what registers and blocks hold. */
#define N_VECTOR_SIZES 22
extern const uint32_t vector_sizes[N_VECTOR_SIZES];

/* For every size and every fill. */
#define FOR_EACH_SIZE_AND_FILL(n, fill)                                                            \
    for (const uint32_t *size_ = vector_sizes; size_ < vector_sizes + N_VECTOR_SIZES; size_++)     \
        for (uint32_t n = *size_, once_ = 1; once_; once_ = 0)                                     \
            for (enum Fill fill = 0; fill < N_FILLS; fill++)

/* Reports the first difference, named after tier and case. Equal bits, or both NaN. */
void check_same_floats(const struct Kernels *tier, const float *actual, const float *expected,
                       size_t n, const char *format, ...) __attribute__((format(printf, 5, 6)));
void check_same_bytes(const struct Kernels *tier, const void *actual, const void *expected,
                      size_t size, const char *format, ...) __attribute__((format(printf, 5, 6)));
