/* The AVX2 tier: MATRIX_LUT. A register holds sixteen rows of two triples. */
#include "kernels/x86/dots-avx2.h"
#include "kernels/x86/lut.h"
#include "kernels/x86/panels.h"

/* The magnitudes of triples k. */
ALWAYS_INLINE __m256i magnitudes(__m256i both, unsigned k) {
    return _mm256_and_si256(k % 2 ? _mm256_srli_epi16(both, 4) : both, _mm256_set1_epi8(15));
}

/* Bytes with the signs of triples k, none of them 0. */
ALWAYS_INLINE __m256i signs_of(__m256i signs, unsigned k) {
    const __m256i one = _mm256_set1_epi8(1);
    return k < 7 ? _mm256_slli_epi16(_mm256_or_si256(signs, one), (int)k)
                 : _mm256_or_si256(_mm256_slli_epi16(signs, 7), one);
}

/* ---- Few vectors ---- */

/* Sums of the low and of the high parts of eight triples, as int16. */
ALWAYS_INLINE __m256i join(__m256i low_high) {
    return _mm256_maddubs_epi16(_mm256_set1_epi16(1 | LUT_BASE << 8), low_high);
}

/* Adds half a group: lanes are the two triples with j = 2 * half and the next one; sums[0] are the
 * first eight rows. */
ALWAYS_INLINE void add_half(const char *group, const char *tables, unsigned half, __m256i sums[2]) {
    const __m256i signs = load_32(group + LUT_SIGNS + 32 * half);
    __m256i low = _mm256_setzero_si256(), high = low;

    UNROLL
    for (unsigned k = 0; k < LUT_TRIPLES; k++) {
        const __m256i index = magnitudes(load_32(group + k / 2 * 64 + 32 * half), k);
        const __m256i sign = signs_of(signs, k);
        const char *table = tables + 128 * k + 32 * half;
        low = _mm256_add_epi8(low,
                              _mm256_sign_epi8(_mm256_shuffle_epi8(load_32(table), index), sign));
        high = _mm256_add_epi8(
            high, _mm256_sign_epi8(_mm256_shuffle_epi8(load_32(table + 64), index), sign));
    }
    sums[0] = _mm256_add_epi16(sums[0], join(_mm256_unpacklo_epi8(low, high)));
    sums[1] = _mm256_add_epi16(sums[1], join(_mm256_unpackhi_epi8(low, high)));
}

/* The lanes of int16 sums, added up. */
ALWAYS_INLINE __m256i add_lanes(__m256i a) {
    return _mm256_add_epi32(_mm256_cvtepi16_epi32(_mm256_castsi256_si128(a)),
                            _mm256_cvtepi16_epi32(_mm256_extracti128_si256(a, 1)));
}

/* Groups whose sums fit into int16: in each lane two times eight triples a group. */
#define GROUPS_PER_SUM 5u
_Static_assert(GROUPS_PER_SUM * 2 * LUT_TRIPLES * 3 * 128 <= INT16_MAX, "int16 sums overflow");

ALWAYS_INLINE void dots_of(const char *tile, size_t tile_size, const char *tables,
                           uint32_t n_groups, int32_t dots[][TILE_ROWS], unsigned n_tiles) {
    __m256i dot[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};

    for (uint32_t group = 0; group < n_groups;) {
        const uint32_t end = n_groups - group < GROUPS_PER_SUM ? n_groups : group + GROUPS_PER_SUM;
        __m256i sums[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
        for (; group < end; group++, tile += LUT_GROUP_SIZE, tables += LUT_TABLES) {
            lut_prefetch(tile);
            add_half(tile, tables, 0, sums);
            add_half(tile, tables, 1, sums);
        }
        for (unsigned i = 0; i < 2; i++) dot[i] = _mm256_add_epi32(dot[i], add_lanes(sums[i]));
    }
    for (unsigned i = 0; i < 2; i++) _mm256_storeu_si256((void *)(dots[0] + 8 * i), dot[i]);
}

void avx2_matmul_lut(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,
                     const struct Activations *x, float *y, size_t y_stride) {
    lut_matmul(dots_of, 1, avx2_panels_lut, matrix, tile0, tile1, x, y, y_stride);
}

/* ---- Many vectors: the codes as bytes of a panel, trit + 1, for AVX-512 too ---- */

/* Byte r of lane j becomes byte j of row r. */
static void transpose(const char *from, char *to) {
    __m128i lanes[4], pairs[4];
    for (unsigned j = 0; j < 4; j++) lanes[j] = _mm_loadu_si128((const void *)(from + 16 * j));
    for (unsigned i = 0; i < 2; i++) {
        pairs[i] = _mm_unpacklo_epi8(lanes[2 * i], lanes[2 * i + 1]);
        pairs[2 + i] = _mm_unpackhi_epi8(lanes[2 * i], lanes[2 * i + 1]);
    }
    for (unsigned i = 0; i < 2; i++) {
        __m128i first = pairs[2 * i], second = pairs[2 * i + 1];
        _mm_storeu_si128((void *)(to + 32 * i), _mm_unpacklo_epi16(first, second));
        _mm_storeu_si128((void *)(to + 32 * i + 16), _mm_unpackhi_epi16(first, second));
    }
}

/* A group, of which the panel has the first n_words times four columns. */
static void unpack_group(const char *group, char *panel, uint32_t n_words) {
    static const int8_t digits[3][16] = {
        {LUT_ENTRIES(LUT_DIGIT_0)}, {LUT_ENTRIES(LUT_DIGIT_1)}, {LUT_ENTRIES(LUT_DIGIT_2)}};
    char words[LUT_GROUP_SIZE];

    for (unsigned at = 0; at < LUT_GROUP_SIZE; at += 64) transpose(group + at, words + at);
    UNROLL
    for (unsigned k = 0; k < LUT_TRIPLES; k++)
        for (unsigned half = 0; half < 2; half++) {
            const __m256i index = magnitudes(load_32(words + k / 2 * 64 + 32 * half), k);
            const __m256i sign = signs_of(load_32(words + LUT_SIGNS + 32 * half), k);
            for (unsigned i = 0; i < 3 && 3 * k + i < n_words; i++) {
                const __m256i table =
                    _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)digits[i]));
                const __m256i trits = _mm256_sign_epi8(_mm256_shuffle_epi8(table, index), sign);
                _mm256_store_si256((void *)(panel + (size_t)(3 * k + i) * PANEL_WORD + 32 * half),
                                   _mm256_add_epi8(trits, _mm256_set1_epi8(1)));
            }
        }
}

void avx2_unpack_lut(const struct PanelStep *step, uint32_t tile, unsigned t, char *panel) {
    const char *from = block_tile(step->matrix, tile) + step->column / LUT_GROUP * LUT_GROUP_SIZE;
    panel += t * 64;
    for (uint32_t c = 0; c < step->n_cols; c += LUT_GROUP, from += LUT_GROUP_SIZE)
        unpack_group(from, panel + c / 4 * PANEL_WORD, (step->n_cols - c) / 4);
}
