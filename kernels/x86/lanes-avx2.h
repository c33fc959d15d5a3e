/*
 * Sixteen float lanes as AVX2 (with FMA and F16C) has them: two registers. The words are those of
 * lanes-avx512.h.
 */
#pragma once

#include "kernels/exp.h"
#include "kernels/x86/x86.h"

typedef struct {
    __m256 low, high;
} Lanes;

/* All bits set in the first n of 8 lanes. */
ALWAYS_INLINE __m256i lanes_first(int32_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* f on both halves. */
#define LANES_1(f, a) ((Lanes){f((a).low), f((a).high)})
#define LANES_2(f, a, b) ((Lanes){f((a).low, (b).low), f((a).high, (b).high)})
#define LANES_3(f, a, b, c) ((Lanes){f((a).low, (b).low, (c).low), f((a).high, (b).high, (c).high)})

ALWAYS_INLINE Lanes lanes_set(float x) {
    return (Lanes){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}

ALWAYS_INLINE Lanes lanes_load(const float *x) {
    return (Lanes){_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8)};
}

/* The first n < 16 lanes from memory, zeros above; nothing behind them is touched. */
ALWAYS_INLINE Lanes lanes_load_first(const float *x, uint32_t n) {
    return (Lanes){_mm256_maskload_ps(x, lanes_first((int32_t)n)),
                   n <= 8 ? _mm256_setzero_ps()
                          : _mm256_maskload_ps(x + 8, lanes_first((int32_t)n - 8))};
}

ALWAYS_INLINE void lanes_store(float *y, Lanes a) {
    _mm256_storeu_ps(y, a.low);
    _mm256_storeu_ps(y + 8, a.high);
}

ALWAYS_INLINE void lanes_store_first(float *y, uint32_t n, Lanes a) {
    _mm256_maskstore_ps(y, lanes_first((int32_t)n), a.low);
    if (n > 8) _mm256_maskstore_ps(y + 8, lanes_first((int32_t)n - 8), a.high);
}

ALWAYS_INLINE __m256 load_8_f16(const uint16_t *x) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const void *)x));
}

ALWAYS_INLINE void store_8_f16(uint16_t *y, __m256 a) {
    _mm_storeu_si128((void *)y, _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
}

ALWAYS_INLINE Lanes lanes_load_f16(const uint16_t *x) {
    return (Lanes){load_8_f16(x), load_8_f16(x + 8)};
}

/* There is no masked access to 16-bit elements: by way of the stack. */
ALWAYS_INLINE Lanes lanes_load_f16_first(const uint16_t *x, uint32_t n) {
    uint16_t padded[16] = {0};
    memcpy(padded, x, n * sizeof *x);
    return lanes_load_f16(padded);
}

ALWAYS_INLINE __m256 load_8_i8(const int8_t *x) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)x)));
}

ALWAYS_INLINE Lanes lanes_load_i8(const int8_t *x) {
    return (Lanes){load_8_i8(x), load_8_i8(x + 8)};
}

/* Eight, zeros above. */
ALWAYS_INLINE Lanes lanes_load_8(const float *x) {
    return (Lanes){_mm256_loadu_ps(x), _mm256_setzero_ps()};
}

/* The first n < 16 lanes, zeros above. */
ALWAYS_INLINE Lanes lanes_keep_first(Lanes a, uint32_t n) {
    __m256 low = _mm256_castsi256_ps(lanes_first((int32_t)n));
    __m256 high = _mm256_castsi256_ps(lanes_first((int32_t)n - 8));
    return (Lanes){_mm256_and_ps(a.low, low), _mm256_and_ps(a.high, high)};
}

ALWAYS_INLINE void lanes_store_f16(uint16_t *y, Lanes a) {
    store_8_f16(y, a.low);
    store_8_f16(y + 8, a.high);
}

ALWAYS_INLINE void lanes_store_f16_first(uint16_t *y, uint32_t n, Lanes a) {
    uint16_t padded[16];
    lanes_store_f16(padded, a);
    memcpy(y, padded, n * sizeof *y);
}

ALWAYS_INLINE Lanes lanes_add(Lanes a, Lanes b) {
    return LANES_2(_mm256_add_ps, a, b);
}

ALWAYS_INLINE Lanes lanes_sub(Lanes a, Lanes b) {
    return LANES_2(_mm256_sub_ps, a, b);
}

ALWAYS_INLINE Lanes lanes_mul(Lanes a, Lanes b) {
    return LANES_2(_mm256_mul_ps, a, b);
}

ALWAYS_INLINE Lanes lanes_div(Lanes a, Lanes b) {
    return LANES_2(_mm256_div_ps, a, b);
}

/* a > b ? a : b, so b where either is a NaN. */
ALWAYS_INLINE Lanes lanes_max(Lanes a, Lanes b) {
    return LANES_2(_mm256_max_ps, a, b);
}

ALWAYS_INLINE Lanes lanes_abs(Lanes a) {
    Lanes sign = lanes_set(-0.0f);
    return LANES_2(_mm256_andnot_ps, sign, a);
}

ALWAYS_INLINE Lanes lanes_negate(Lanes a) {
    Lanes sign = lanes_set(-0.0f);
    return LANES_2(_mm256_xor_ps, sign, a);
}

ALWAYS_INLINE Lanes lanes_fma(Lanes a, Lanes b, Lanes c) {
    return LANES_3(_mm256_fmadd_ps, a, b, c);
}

/* a * b - c */
ALWAYS_INLINE Lanes lanes_fms(Lanes a, Lanes b, Lanes c) {
    return LANES_3(_mm256_fmsub_ps, a, b, c);
}

/* Even lanes, or odd ones, each doubled into its neighbour. */
ALWAYS_INLINE Lanes lanes_even(Lanes a) {
    return LANES_1(_mm256_moveldup_ps, a);
}

ALWAYS_INLINE Lanes lanes_odd(Lanes a) {
    return LANES_1(_mm256_movehdup_ps, a);
}

/* a[0], b[0], a[1], ... b[7] */
ALWAYS_INLINE Lanes lanes_interleave(const float *a, const float *b) {
    __m256 a8 = _mm256_loadu_ps(a), b8 = _mm256_loadu_ps(b);
    __m256 low = _mm256_unpacklo_ps(a8, b8), high = _mm256_unpackhi_ps(a8, b8);
    return (Lanes){_mm256_permute2f128_ps(low, high, 0x20),
                   _mm256_permute2f128_ps(low, high, 0x31)};
}

ALWAYS_INLINE __m256 scale_8(__m256 a, __m256 b) {
    __m256i n = _mm256_slli_epi32(_mm256_castps_si256(b), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), n));
}

/* a * 2^n where b has n in its lowest bits. */
ALWAYS_INLINE Lanes lanes_scale(Lanes a, Lanes b) {
    return LANES_2(scale_8, a, b);
}

ALWAYS_INLINE __m256 within_8(__m256 a, float least, float most) {
    return _mm256_and_ps(_mm256_cmp_ps(a, _mm256_set1_ps(least), _CMP_GE_OQ),
                         _mm256_cmp_ps(a, _mm256_set1_ps(most), _CMP_LE_OQ));
}

/* Whether least <= a <= most in all lanes. */
ALWAYS_INLINE bool lanes_all_within(Lanes a, float least, float most) {
    __m256 low = within_8(a.low, least, most), high = within_8(a.high, least, most);
    return _mm256_movemask_ps(_mm256_and_ps(low, high)) == 0xff;
}

ALWAYS_INLINE __m256 limit_8(__m256 x, float least, float less, float most, float more, __m256 a) {
    __m256 below = _mm256_cmp_ps(x, _mm256_set1_ps(least), _CMP_LT_OQ);
    __m256 above = _mm256_cmp_ps(x, _mm256_set1_ps(most), _CMP_GT_OQ);
    a = _mm256_blendv_ps(a, _mm256_set1_ps(less), below);
    a = _mm256_blendv_ps(a, _mm256_set1_ps(more), above);
    return _mm256_blendv_ps(a, x, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}

/* x where x is a NaN, less where x < least, more where x > most, else a. */
ALWAYS_INLINE Lanes lanes_limit(Lanes x, float least, float less, float most, float more, Lanes a) {
    return (Lanes){limit_8(x.low, least, less, most, more, a.low),
                   limit_8(x.high, least, less, most, more, a.high)};
}

ALWAYS_INLINE float lanes_largest(Lanes a) {
    __m256 of_8 = _mm256_max_ps(a.low, a.high);
    __m128 of_4 = _mm_max_ps(_mm256_castps256_ps128(of_8), _mm256_extractf128_ps(of_8, 1));
    __m128 of_2 = _mm_max_ps(of_4, _mm_movehl_ps(of_4, of_4));
    return _mm_cvtss_f32(_mm_max_ss(of_2, _mm_movehdup_ps(of_2)));
}

/* Rounded to integers; NaN gives 0. */
ALWAYS_INLINE __m256i round_8(__m256 a) {
    return _mm256_cvtps_epi32(_mm256_and_ps(a, _mm256_cmp_ps(a, a, _CMP_ORD_Q)));
}

/* Rounds sixteen values within -128..127 into q; NaN gives 0. Returns what it wrote. */
ALWAYS_INLINE Lanes lanes_to_i8(Lanes a, int8_t *q) {
    __m256i low = round_8(a.low), high = round_8(a.high);
    __m256i of_16 = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
    _mm_storeu_si128((void *)q, _mm_packs_epi16(_mm256_castsi256_si128(of_16),
                                                _mm256_extracti128_si256(of_16, 1)));
    return (Lanes){_mm256_cvtepi32_ps(low), _mm256_cvtepi32_ps(high)};
}

/* Lanes of state that a scan keeps in registers. */
#define LANES_STATES 4u

/* How many sums lanes_trees() makes in one go. */
#define LANES_TREES 4u

/* What a tree puts eight lanes and eight others together with. */
typedef __m256 HalvesPair(__m256 a, __m256 b);

ALWAYS_INLINE __m256 add_8(__m256 a, __m256 b) {
    return _mm256_add_ps(a, b);
}

ALWAYS_INLINE __m256 max_8(__m256 a, __m256 b) {
    return _mm256_max_ps(a, b);
}

ALWAYS_INLINE __m256 tree_4(HalvesPair *pair, __m256 a, __m256 b) {
    return pair(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
}

ALWAYS_INLINE __m256 tree_2(HalvesPair *pair, __m256 a, __m256 b) {
    __m256d a2 = _mm256_castps_pd(a), b2 = _mm256_castps_pd(b);
    return pair(_mm256_castpd_ps(_mm256_unpacklo_pd(a2, b2)),
                _mm256_castpd_ps(_mm256_unpackhi_pd(a2, b2)));
}

ALWAYS_INLINE void trees(HalvesPair *pair, const Lanes a[LANES_TREES], float results[LANES_TREES]) {
    __m256 of_8[LANES_TREES];
    UNROLL
    for (unsigned i = 0; i < LANES_TREES; i++) of_8[i] = pair(a[i].low, a[i].high);
    __m256 of_2 = tree_2(pair, tree_4(pair, of_8[0], of_8[1]), tree_4(pair, of_8[2], of_8[3]));
    /* Pairs of 0 and 2 are in the lower half, of 1 and 3 in the upper. */
    __m256 of_1 = pair(of_2, _mm256_movehdup_ps(of_2));
    __m128 even = _mm256_castps256_ps128(of_1), odd = _mm256_extractf128_ps(of_1, 1);
    __m128 of_02_13 = _mm_shuffle_ps(even, odd, 0x88);
    _mm_storeu_ps(results, _mm_shuffle_ps(of_02_13, of_02_13, 0xd8));
}

/* sums[i] = the tree ((l, l+8), (l, l+4), (l, l+2), (l, l+1)) of a[i]. */
ALWAYS_INLINE void lanes_trees(Lanes a[LANES_TREES], float sums[LANES_TREES]) {
    trees(add_8, a, sums);
}

/* largest[i] = the largest lane of a[i]. */
ALWAYS_INLINE void lanes_each_largest(Lanes a[LANES_TREES], float largest[LANES_TREES]) {
    trees(max_8, a, largest);
}

ALWAYS_INLINE float lanes_tree(Lanes a) {
    __m256 of_8 = _mm256_add_ps(a.low, a.high);
    __m128 of_4 = _mm_add_ps(_mm256_castps256_ps128(of_8), _mm256_extractf128_ps(of_8, 1));
    __m128 of_2 = _mm_add_ps(of_4, _mm_movehl_ps(of_4, of_4));
    return _mm_cvtss_f32(_mm_add_ss(of_2, _mm_movehdup_ps(of_2)));
}
