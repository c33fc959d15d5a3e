/* Dots of bytes in AVX2, for products of few vectors and of many. A tile's rows take two registers,
 * its halves. */
#pragma once

#include "kernels/x86/x86.h"

/* Eight int32 sums, and sixteen of int16. Not an __m256i, which to GCC 12 is four int64: it would
 * copy the register before and after every instruction on other integers. */
typedef int Sums __attribute__((vector_size(32)));
typedef short PairSums __attribute__((vector_size(32)));

ALWAYS_INLINE __m256i load_32(const char *w) {
    return _mm256_loadu_si256((const void *)w);
}

/* Four activations, for all rows. */
ALWAYS_INLINE __m256i four_of(const int8_t *q) {
    return _mm256_set1_epi32(load_4x8(q));
}

/* Adds products of four columns, bytes, to sums of two each. */
ALWAYS_INLINE PairSums add_four(PairSums sums, __m256i w, __m256i four) {
    return sums + (PairSums)_mm256_maddubs_epi16(w, four);
}

/* Adds products of two columns, int16. */
ALWAYS_INLINE Sums add_two(Sums sums, __m256i w, __m256i two) {
    return sums + (Sums)_mm256_madd_epi16(w, two);
}

ALWAYS_INLINE Sums add_pairs(PairSums sums) {
    return (Sums)_mm256_madd_epi16((__m256i)sums, _mm256_set1_epi16(1));
}

/* Has the compiler do what comes before this first: it would gather loads and products of several
 * vectors, for which there are no registers. */
#define KEEP_ORDER(sums) __asm__ volatile("" : "+x"(sums))

/* The rows of half h of a tile, from their dots. */
ALWAYS_INLINE void store_t2(const struct Matrix *matrix, const struct Activations *x, size_t v,
                            float *y, unsigned h, Sums dot) {
    __m256 scale = _mm256_set1_ps(matrix->scale * x->scales[v]);
    _mm256_storeu_ps(y + h * 8, _mm256_mul_ps(_mm256_cvtepi32_ps((__m256i)dot), scale));
}
