/*
 * What the files of this folder share. A file is compiled with the flags of one instruction set
 * (meson.build), named by its prefix; a kernel that is the same for several, given their vector
 * type, is written once in a header and included by each.
 */
#pragma once

#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/probe.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Before a loop over an array of vectors that is to live in registers. Clang, told less than
 * "full", unrolls after it has put the array into memory. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

typedef void Matmul(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,
                    const struct Activations *x, float *y, size_t y_stride);

extern const struct Kernels kernels_avx2, kernels_avx512;
extern const struct Probe probe_avx2, probe_avx512;
Matmul avx2_matmul_f32, avx2_matmul_f16, avx2_matmul_i8, avx2_matmul_t2, avx2_matmul_i4;
Matmul avx2_matmul_t1_6, avx512_vbmi_matmul_t1_6;
Matmul avx2_matmul_lut, avx512_matmul_lut, avx2_panels_lut, avx512_panels_lut;
Matmul avx512_matmul_f32, avx512_matmul_f16, avx512_matmul_i8, avx512_matmul_t2, avx512_matmul_i4;
/* for many vectors */
Matmul avx2_panels_t1_6, avx2_panels_t2, avx2_panels_i8, avx2_panels_i4;
Matmul avx512_panels_t1_6, avx512_panels_t2, avx512_panels_i8, avx512_panels_i4;

/* Four int8 activations, to be broadcast. */
ALWAYS_INLINE int load_4x8(const int8_t *q) {
    int four;
    memcpy(&four, q, sizeof four);
    return four;
}
