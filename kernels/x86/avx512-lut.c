/* The AVX-512 tier: MATRIX_LUT. A register holds sixteen rows of four triples. */
#include "kernels/x86/lut.h"

/* Adds what is found, or takes it away where the row's trits are negative. */
ALWAYS_INLINE __m512i add_signed(__m512i sum, const char *table, __m512i index,
                                 __mmask64 negative) {
    const __m512i found = _mm512_shuffle_epi8(_mm512_loadu_si512(table), index);
    return _mm512_add_epi8(sum,
                           _mm512_mask_sub_epi8(found, negative, _mm512_setzero_si512(), found));
}

/* Sums of the low and of the high parts of eight triples, as int16. */
ALWAYS_INLINE __m512i join(__m512i low_high) {
    return _mm512_maddubs_epi16(_mm512_set1_epi16(1 | LUT_BASE << 8), low_high);
}

/* Lanes are triples; sums[0] are the first eight rows. */
ALWAYS_INLINE void add_group(const char *group, const char *tables, __m512i sums[2]) {
    const __m512i signs = _mm512_loadu_si512(group + LUT_SIGNS);
    __m512i low = _mm512_setzero_si512(), high = low;

    UNROLL
    for (unsigned k = 0; k < LUT_TRIPLES; k++, tables += 128) {
        const __m512i both = _mm512_loadu_si512(group + k / 2 * 64);
        const __m512i index =
            _mm512_and_si512(k % 2 ? _mm512_srli_epi16(both, 4) : both, _mm512_set1_epi8(15));
        const __mmask64 negative =
            _mm512_test_epi8_mask(signs, _mm512_set1_epi8((char)(0x80 >> k)));
        low = add_signed(low, tables, index, negative);
        high = add_signed(high, tables + 64, index, negative);
    }
    sums[0] = _mm512_add_epi16(sums[0], join(_mm512_unpacklo_epi8(low, high)));
    sums[1] = _mm512_add_epi16(sums[1], join(_mm512_unpackhi_epi8(low, high)));
}

/* The lanes of int16 sums, added up. */
ALWAYS_INLINE __m256i add_lanes(__m512i a) {
    const __m512i two = _mm512_add_epi32(_mm512_cvtepi16_epi32(_mm512_castsi512_si256(a)),
                                         _mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(a, 1)));
    return _mm256_add_epi32(_mm512_castsi512_si256(two), _mm512_extracti64x4_epi64(two, 1));
}

/* Groups whose sums fit into int16: in each lane eight triples a group. */
#define GROUPS_PER_SUM 10u
_Static_assert(GROUPS_PER_SUM *LUT_TRIPLES * 3 * 128 <= INT16_MAX, "int16 sums overflow");

ALWAYS_INLINE void dots_of(const char *tile, size_t tile_size, const char *tables,
                           uint32_t n_groups, int32_t dots[][TILE_ROWS], const unsigned n_tiles) {
    __m256i dot[BLOCK_MAX_TILES][2];

    UNROLL
    for (unsigned i = 0; i < 2 * n_tiles; i++) dot[i / 2][i % 2] = _mm256_setzero_si256();
    for (uint32_t group = 0; group < n_groups;) {
        const uint32_t end = n_groups - group < GROUPS_PER_SUM ? n_groups : group + GROUPS_PER_SUM;
        __m512i sums[BLOCK_MAX_TILES][2];
        UNROLL
        for (unsigned i = 0; i < 2 * n_tiles; i++) sums[i / 2][i % 2] = _mm512_setzero_si512();
        for (; group < end; group++, tile += LUT_GROUP_SIZE, tables += LUT_TABLES) UNROLL
        for (unsigned t = 0; t < n_tiles; t++) {
            lut_prefetch(tile + t * tile_size);
            add_group(tile + t * tile_size, tables, sums[t]);
        }
        UNROLL
        for (unsigned i = 0; i < 2 * n_tiles; i++)
            dot[i / 2][i % 2] = _mm256_add_epi32(dot[i / 2][i % 2], add_lanes(sums[i / 2][i % 2]));
    }
    UNROLL
    for (unsigned i = 0; i < 2 * n_tiles; i++)
        _mm256_storeu_si256((void *)(dots[i / 2] + i % 2 * 8), dot[i / 2][i % 2]);
}

void avx512_matmul_lut(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,
                       const struct Activations *x, float *y, size_t y_stride) {
    lut_matmul(dots_of, 2, avx512_panels_lut, matrix, tile0, tile1, x, y, y_stride);
}
