/*
 * The AVX2 tier, and AVX-512 without VBMI: MATRIX_T1_6. Twenty instructions take 32 codes apart,
 * twice as many as multiply them: from a few vectors on the digits go into a panel.
 */
#include "kernels/base3.h"
#include "kernels/x86/dots-avx2.h"
#include "kernels/x86/panels.h"

/* codes mod unit, these being less than 3 units: what is negative wraps to more than there was. */
ALWAYS_INLINE __m256i rest(__m256i codes, int unit) {
    __m256i one = _mm256_sub_epi8(codes, _mm256_set1_epi8((char)unit));
    __m256i two = _mm256_sub_epi8(codes, _mm256_set1_epi8((char)(2 * unit)));
    return _mm256_min_epu8(_mm256_min_epu8(codes, one), two);
}

/* What a table of 16 bytes has for the low four bits of each code. */
ALWAYS_INLINE __m256i look_up(const char table[16], __m256i codes) {
    const __m128i values = _mm_loadu_si128((const void *)table);
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(values), codes);
}

#define N_DIGITS 5u

/* Digits 1 to 4 of 32 codes, then digit 0, as base3.h numbers them. */
ALWAYS_INLINE void split(__m256i codes, __m256i digits[N_DIGITS]) {
    /* Twice a unit and the unit differ in the low four bits, which are all that a look-up sees. */
    static const char of_27[16] = {[27 % 16] = 1, [54 % 16] = 2};
    static const char of_9[16] = {[9] = 1, [18 % 16] = 2};
    static const char of_3[16] = {0, 0, 0, 1, 1, 1, 2, 2, 2},
                      of_1[16] = {0, 1, 2, 0, 1, 2, 0, 1, 2};
    const __m256i four = rest(codes, 81), three = rest(four, 27), two = rest(three, 9);

    digits[0] = look_up(of_27, _mm256_sub_epi8(four, three));
    digits[1] = look_up(of_9, _mm256_sub_epi8(three, two));
    digits[2] = look_up(of_3, two);
    digits[3] = look_up(of_1, two);
    /* 81 and 162 end in the bits 01 and 10. */
    digits[4] = _mm256_and_si256(_mm256_sub_epi8(codes, four), _mm256_set1_epi8(3));
}

/* Where the columns of digit k of a group are: its first four from c on, the last from c0 on. */
ALWAYS_INLINE uint32_t digit_column(uint32_t c, uint32_t c0, unsigned k) {
    return k < 4 ? c + 4 * k : c0;
}

/* ---- Few vectors ---- */

/* Int16 sums are added to int32 ones after so many stretches of 80 columns, four a word. */
#define STRETCHES_PER_SUM 3u
_Static_assert(STRETCHES_PER_SUM *(BASE3_SHARED / 4) * 2 * 2 * 128 <= INT16_MAX,
               "int16 sums overflow");

typedef PairSums TilePairs[BLOCK_MAX_VECTORS][2];
typedef Sums TileSums[BLOCK_MAX_VECTORS][2];

/* Adds a group, of the n_cols columns at q. */
ALWAYS_INLINE void add_group(const char *group, const int8_t *q, size_t stride, uint32_t c,
                             uint32_t c0, uint32_t n_cols, TilePairs sums,
                             const unsigned n_vectors) {
    block_prefetch(group);
    UNROLL
    for (unsigned h = 0; h < 2; h++) {
        __m256i digits[N_DIGITS];
        split(load_32(group + h * 32), digits);
        UNROLL
        for (unsigned k = 0; k < N_DIGITS; k++) {
            const uint32_t column = digit_column(c, c0, k);
            if (column >= n_cols) continue;
            UNROLL
            for (unsigned v = 0; v < n_vectors; v++)
                sums[v][h] = add_four(sums[v][h], digits[k], four_of(q + v * stride + column));
        }
    }
}

/* Moves what was summed up in int16. */
ALWAYS_INLINE void widen(TilePairs sums, TileSums dots, const unsigned n_vectors) {
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) UNROLL
    for (unsigned h = 0; h < 2; h++) {
        dots[v][h] += add_pairs(sums[v][h]);
        sums[v][h] = (PairSums){0};
    }
}

ALWAYS_INLINE void t1_6(const struct Matrix *matrix, uint32_t tile, const struct Activations *x,
                        uint32_t v0, float *y, size_t y_stride, const unsigned n_vectors) {
    const uint32_t n_stretches = matrix->n_cols / BASE3_SHARED;
    const uint32_t left = matrix->n_cols % BASE3_SHARED, n_left = base3_n_groups(left);
    const char *data = block_tile(matrix, tile);
    const int8_t *q = x->i8 + v0 * x->stride;
    TilePairs sums;
    TileSums dots;

    UNROLL
    for (unsigned i = 0; i < 2 * n_vectors; i++) {
        dots[i / 2][i % 2] = (Sums){0};
        sums[i / 2][i % 2] = (PairSums){0};
    }
    for (uint32_t s = 0; s < n_stretches; s++, q += BASE3_SHARED, data += BASE3_SHARED_SIZE) {
        UNROLL
        for (uint32_t i = 0; i < 4; i++)
            add_group(data + i * 64, q, x->stride, 16 * i, 64 + 4 * i, BASE3_SHARED, sums,
                      n_vectors);
        if (s % STRETCHES_PER_SUM == STRETCHES_PER_SUM - 1) widen(sums, dots, n_vectors);
    }
    widen(sums, dots, n_vectors);
    for (uint32_t i = 0; i < n_left; i++)
        add_group(data + (size_t)i * 64, q, x->stride, 16 * i, 16 * n_left + 4 * i, left, sums,
                  n_vectors);
    widen(sums, dots, n_vectors);
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) UNROLL
    for (unsigned h = 0; h < 2; h++)
        store_t2(matrix, x, v0 + v, block_y(y, y_stride, v0 + v, tile), h,
                 dots[v][h] - x->sums[v0 + v]);
}

DEFINE_BLOCKS(t1_6, 2)
DEFINE_MATMUL(avx2_matmul_t1_6, t1_6_blocks, NULL, avx2_panels_t1_6)

/* ---- Many vectors: the digits as bytes of a panel ---- */

/* What add_group() adds, as far as the panel's n_cols columns go. */
ALWAYS_INLINE void unpack_group(const char *group, char *panel, uint32_t c, uint32_t c0,
                                uint32_t n_cols) {
    for (unsigned h = 0; h < 2; h++) {
        __m256i digits[N_DIGITS];
        split(load_32(group + h * 32), digits);
        for (unsigned k = 0; k < N_DIGITS; k++) {
            const uint32_t column = digit_column(c, c0, k);
            if (column < n_cols)
                _mm256_store_si256((void *)(panel + column / 4 * PANEL_WORD + h * 32), digits[k]);
        }
    }
}

void avx2_unpack_t1_6(const struct PanelStep *step, uint32_t tile, unsigned t, char *panel) {
    const char *from = block_tile(step->matrix, tile) + (size_t)step->column / BASE3_GROUP * 64;
    panel += t * 64;
    for (uint32_t c = 0; c < step->n_cols; c += BASE3_SHARED, from += BASE3_SHARED_SIZE) {
        const uint32_t n = base3_n_groups(step->matrix->n_cols - step->column - c);
        for (uint32_t i = 0; i < n; i++)
            unpack_group(from + i * 64, panel, c + 16 * i, c + 16 * n + 4 * i, step->n_cols);
    }
}
