/* Dots of bytes in AVX-512 with VNNI, for products of few vectors and of many. */
#pragma once

#include "kernels/x86/x86.h"

/* Sixteen int32 sums. Not an __m512i, which to GCC 12 is eight int64: it would copy the register
 * before and after every instruction on int32. */
typedef int Sums __attribute__((vector_size(64)));

/* sums + dots of four unsigned bytes of w with the four activations at q. */
ALWAYS_INLINE Sums add_dots(Sums sums, __m512i w, const int8_t *q) {
    return (Sums)_mm512_dpbusd_epi32((__m512i)sums, w, _mm512_set1_epi32(load_4x8(q)));
}

/* Rows of y from their dots. */
ALWAYS_INLINE void store_t2(const struct Matrix *matrix, const struct Activations *x, size_t v,
                            float *y, Sums dot) {
    __m512 scale = _mm512_set1_ps(matrix->scale * x->scales[v]);
    _mm512_storeu_ps(y, _mm512_mul_ps(_mm512_cvtepi32_ps((__m512i)dot), scale));
}
