/*
 * Sixteen float lanes as AVX-512 has them: one register. lanes-avx2.h has the same words for two
 * registers; vectors.h and attend.h are written in them.
 */
#pragma once

#include "kernels/exp.h"
#include "kernels/x86/x86.h"

typedef __m512 Lanes;

ALWAYS_INLINE __mmask16 lanes_first(uint32_t n) {
    return (__mmask16)((1u << n) - 1);
}

ALWAYS_INLINE Lanes lanes_set(float x) {
    return _mm512_set1_ps(x);
}

ALWAYS_INLINE Lanes lanes_load(const float *x) {
    return _mm512_loadu_ps(x);
}

/* The first n < 16 lanes from memory, zeros above; nothing behind them is touched. */
ALWAYS_INLINE Lanes lanes_load_first(const float *x, uint32_t n) {
    return _mm512_maskz_loadu_ps(lanes_first(n), x);
}

ALWAYS_INLINE void lanes_store(float *y, Lanes a) {
    _mm512_storeu_ps(y, a);
}

ALWAYS_INLINE void lanes_store_first(float *y, uint32_t n, Lanes a) {
    _mm512_mask_storeu_ps(y, lanes_first(n), a);
}

ALWAYS_INLINE Lanes lanes_load_f16(const uint16_t *x) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const void *)x));
}

ALWAYS_INLINE Lanes lanes_load_f16_first(const uint16_t *x, uint32_t n) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lanes_first(n), x));
}

ALWAYS_INLINE Lanes lanes_load_i8(const int8_t *x) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const void *)x)));
}

/* Eight, zeros above. */
ALWAYS_INLINE Lanes lanes_load_8(const float *x) {
    return lanes_load_first(x, 8);
}

/* The first n < 16 lanes, zeros above. */
ALWAYS_INLINE Lanes lanes_keep_first(Lanes a, uint32_t n) {
    return _mm512_maskz_mov_ps(lanes_first(n), a);
}

ALWAYS_INLINE __m256i lanes_to_f16(Lanes a) {
    return _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

ALWAYS_INLINE void lanes_store_f16(uint16_t *y, Lanes a) {
    _mm256_storeu_si256((void *)y, lanes_to_f16(a));
}

ALWAYS_INLINE void lanes_store_f16_first(uint16_t *y, uint32_t n, Lanes a) {
    _mm256_mask_storeu_epi16(y, lanes_first(n), lanes_to_f16(a));
}

ALWAYS_INLINE Lanes lanes_add(Lanes a, Lanes b) {
    return _mm512_add_ps(a, b);
}

ALWAYS_INLINE Lanes lanes_sub(Lanes a, Lanes b) {
    return _mm512_sub_ps(a, b);
}

ALWAYS_INLINE Lanes lanes_mul(Lanes a, Lanes b) {
    return _mm512_mul_ps(a, b);
}

ALWAYS_INLINE Lanes lanes_div(Lanes a, Lanes b) {
    return _mm512_div_ps(a, b);
}

/* a > b ? a : b, so b where either is a NaN. */
ALWAYS_INLINE Lanes lanes_max(Lanes a, Lanes b) {
    return _mm512_max_ps(a, b);
}

ALWAYS_INLINE Lanes lanes_abs(Lanes a) {
    return _mm512_abs_ps(a);
}

ALWAYS_INLINE Lanes lanes_negate(Lanes a) {
    return _mm512_xor_ps(a, lanes_set(-0.0f));
}

ALWAYS_INLINE Lanes lanes_fma(Lanes a, Lanes b, Lanes c) {
    return _mm512_fmadd_ps(a, b, c);
}

/* a * b - c */
ALWAYS_INLINE Lanes lanes_fms(Lanes a, Lanes b, Lanes c) {
    return _mm512_fmsub_ps(a, b, c);
}

/* Even lanes, or odd ones, each doubled into its neighbour. */
ALWAYS_INLINE Lanes lanes_even(Lanes a) {
    return _mm512_moveldup_ps(a);
}

ALWAYS_INLINE Lanes lanes_odd(Lanes a) {
    return _mm512_movehdup_ps(a);
}

/* a[0], b[0], a[1], ... b[7] */
ALWAYS_INLINE Lanes lanes_interleave(const float *a, const float *b) {
    const __m512i order = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    return _mm512_permutex2var_ps(lanes_load_first(a, 8), order, lanes_load_first(b, 8));
}

/* a * 2^n where b has n in its lowest bits. */
ALWAYS_INLINE Lanes lanes_scale(Lanes a, Lanes b) {
    __m512i n = _mm512_slli_epi32(_mm512_castps_si512(b), 23);
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), n));
}

/* Whether least <= a <= most in all lanes. */
ALWAYS_INLINE bool lanes_all_within(Lanes a, float least, float most) {
    __mmask16 above = _mm512_cmp_ps_mask(a, lanes_set(least), _CMP_GE_OQ);
    return _mm512_mask_cmp_ps_mask(above, a, lanes_set(most), _CMP_LE_OQ) == 0xffff;
}

/* x where x is a NaN, less where x < least, more where x > most, else a. */
ALWAYS_INLINE Lanes lanes_limit(Lanes x, float least, float less, float most, float more, Lanes a) {
    a = _mm512_mask_mov_ps(a, _mm512_cmp_ps_mask(x, lanes_set(least), _CMP_LT_OQ), lanes_set(less));
    a = _mm512_mask_mov_ps(a, _mm512_cmp_ps_mask(x, lanes_set(most), _CMP_GT_OQ), lanes_set(more));
    return _mm512_mask_mov_ps(a, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), x);
}

ALWAYS_INLINE float lanes_largest(Lanes a) {
    return _mm512_reduce_max_ps(a);
}

/* Rounds sixteen values within -128..127 into q; NaN gives 0. Returns what it wrote. */
ALWAYS_INLINE Lanes lanes_to_i8(Lanes a, int8_t *q) {
    __m512i rounded = _mm512_maskz_cvtps_epi32(_mm512_cmp_ps_mask(a, a, _CMP_ORD_Q), a);
    _mm_storeu_si128((void *)q, _mm512_cvtsepi32_epi8(rounded));
    return _mm512_cvtepi32_ps(rounded);
}

/* Lanes of state that a scan keeps in registers. */
#define LANES_STATES 8u

/* How many sums lanes_trees() makes in one go. */
#define LANES_TREES 16u

/* What a tree puts two lanes together with. */
typedef Lanes LanesPair(Lanes a, Lanes b);

/* The lower, then the upper halves of a and b together: 8 lanes of a, 8 of b. */
ALWAYS_INLINE Lanes tree_8(LanesPair *pair, Lanes a, Lanes b) {
    return pair(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
}

ALWAYS_INLINE Lanes tree_4(LanesPair *pair, Lanes a, Lanes b) {
    return pair(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
}

ALWAYS_INLINE Lanes tree_2(LanesPair *pair, Lanes a, Lanes b) {
    __m512d a2 = _mm512_castps_pd(a), b2 = _mm512_castps_pd(b);
    return pair(_mm512_castpd_ps(_mm512_unpacklo_pd(a2, b2)),
                _mm512_castpd_ps(_mm512_unpackhi_pd(a2, b2)));
}

ALWAYS_INLINE Lanes tree_1(LanesPair *pair, Lanes a, Lanes b) {
    return pair(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xdd));
}

ALWAYS_INLINE void trees(LanesPair *pair, Lanes a[LANES_TREES], float results[LANES_TREES]) {
    const __m512i transposed =
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    UNROLL for (unsigned i = 0; i < 8; i++) a[i] = tree_8(pair, a[2 * i], a[2 * i + 1]);
    UNROLL for (unsigned i = 0; i < 4; i++) a[i] = tree_4(pair, a[2 * i], a[2 * i + 1]);
    UNROLL for (unsigned i = 0; i < 2; i++) a[i] = tree_2(pair, a[2 * i], a[2 * i + 1]);
    lanes_store(results, _mm512_permutexvar_ps(transposed, tree_1(pair, a[0], a[1])));
}

/* sums[i] = the tree ((l, l+8), (l, l+4), (l, l+2), (l, l+1)) of a[i]; a is overwritten. */
ALWAYS_INLINE void lanes_trees(Lanes a[LANES_TREES], float sums[LANES_TREES]) {
    trees(lanes_add, a, sums);
}

/* largest[i] = the largest lane of a[i]; a is overwritten. */
ALWAYS_INLINE void lanes_each_largest(Lanes a[LANES_TREES], float largest[LANES_TREES]) {
    trees(lanes_max, a, largest);
}

ALWAYS_INLINE float lanes_tree(Lanes a) {
    a = tree_8(lanes_add, a, a);
    a = tree_4(lanes_add, a, a);
    a = tree_2(lanes_add, a, a);
    return _mm512_cvtss_f32(tree_1(lanes_add, a, a));
}
