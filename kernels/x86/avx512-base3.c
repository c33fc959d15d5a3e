/*
 * The AVX-512 tier where the CPU has VBMI: MATRIX_T1_6.
 *
 * With rest = code mod 81, code - rest is 81 d0, a weight that is multiplied as it stands, the sum
 * being divided in the end; for the four digits of the rest there is a table of 128 bytes, and one
 * `vpermi2b`. Six instructions take 64 codes apart, where T2 has none; on Zen 4 they and the nine
 * of the products are still faster than two cores read memory.
 */
#include "kernels/base3.h"
#include "kernels/x86/dots-avx512.h"
#include "kernels/x86/panels.h"

/* 27 d1 + 9 d2 + 3 d3 + d4 as d1 | d2 << 2 | d3 << 4 | d4 << 6. */
#define FOUR(n) ((n) / 27 | (n) / 9 % 3 << 2 | (n) / 3 % 3 << 4 | (n) % 3 << 6)
#define FOURS_3(n) FOUR(n), FOUR((n) + 1), FOUR((n) + 2)
#define FOURS_9(n) FOURS_3(n), FOURS_3((n) + 3), FOURS_3((n) + 6)
#define FOURS_27(n) FOURS_9(n), FOURS_9((n) + 9), FOURS_9((n) + 18)
static const uint8_t fours[128] = {FOURS_27(0), FOURS_27(27), FOURS_27(54)};

/* Returns d1 to d4. The smallest of code, code - 81 and code - 162 is code mod 81, what is negative
 * having wrapped to more than there was. */
ALWAYS_INLINE __m512i split(__m512i codes, __m512i *ret_81_d0) {
    __m512i one = _mm512_sub_epi8(codes, _mm512_set1_epi8(81));
    __m512i two = _mm512_sub_epi8(codes, _mm512_set1_epi8((char)162));
    __m512i rest = _mm512_min_epu8(_mm512_min_epu8(codes, one), two);
    *ret_81_d0 = _mm512_sub_epi8(codes, rest);
    return _mm512_permutex2var_epi8(_mm512_loadu_si512(fours), rest,
                                    _mm512_loadu_si512(fours + 64));
}

/* ---- Few vectors ---- */

/*
 * As T2: digits are multiplied where they stand, each with a sum of its own that is divided in the
 * end, as far as there are registers for that. With n_sums sums digit k of the four is in sum
 * k % n_sums, as 1, 4, 16 or 64 times what it is; with 5, the last one has 81 d0.
 */
ALWAYS_INLINE unsigned n_sums_of(const unsigned n_tiles, const unsigned n_vectors) {
    return n_tiles * n_vectors <= 4 ? 5 : n_tiles * n_vectors <= 8 ? 2 : 1;
}

typedef Sums DigitSums[BLOCK_MAX_VECTORS][BLOCK_MAX_TILES][5];

/* Digit k of the four, or d0, and which sum it belongs to. */
ALWAYS_INLINE __m512i digit(__m512i four, __m512i first, unsigned k, const unsigned n_sums,
                            unsigned *ret_sum) {
    *ret_sum = k == 4 ? (n_sums == 5 ? 4 : 0) : n_sums == 5 ? k : k % n_sums;
    if (k == 4 && n_sums == 5) return first;
    /* 81 and 162 end in the bits 01 and 10. */
    if (k == 4) return _mm512_and_si512(first, _mm512_set1_epi8(3));
    return _mm512_and_si512(_mm512_srli_epi16(four, 2 * (k - *ret_sum)),
                            _mm512_set1_epi8((char)(3 << 2 * *ret_sum)));
}

/* Adds a group of tiles that lie tile_size apart: d1 to d4 from column c on, d0 from column c0 on,
 * of the n_cols at q. */
ALWAYS_INLINE void add_group(const char *group, size_t tile_size, const int8_t *q, size_t stride,
                             uint32_t c, uint32_t c0, uint32_t n_cols, DigitSums sums,
                             const unsigned n_tiles, const unsigned n_vectors) {
    const unsigned n_sums = n_sums_of(n_tiles, n_vectors);
    __m512i four[BLOCK_MAX_TILES], first[BLOCK_MAX_TILES], some[BLOCK_MAX_TILES];

    UNROLL
    for (unsigned t = 0; t < n_tiles; t++) {
        four[t] = split(_mm512_loadu_si512(group + t * tile_size), &first[t]);
        block_prefetch_line(group + t * tile_size, c / 16, n_vectors <= 2);
    }
    UNROLL
    for (unsigned k = 0; k < 5; k++) {
        const uint32_t column = k < 4 ? c + 4 * k : c0;
        unsigned at = 0;
        if (column >= n_cols) continue;
        UNROLL
        for (unsigned t = 0; t < n_tiles; t++) some[t] = digit(four[t], first[t], k, n_sums, &at);
        UNROLL
        for (unsigned v = 0; v < n_vectors; v++) UNROLL
        for (unsigned t = 0; t < n_tiles; t++)
            sums[v][t][at] = add_dots(sums[v][t][at], some[t], q + v * stride + column);
    }
}

/* 81 times this is 1 mod 2^32: it divides what is a multiple of 81. */
#define INVERSE_81 0x781948b1

ALWAYS_INLINE Sums dot_of(const Sums sums[5], const unsigned n_sums) {
    const unsigned n_shifted = n_sums == 5 ? 4 : n_sums;
    Sums dot = {0};
    if (n_sums == 5)
        dot = (Sums)_mm512_mullo_epi32((__m512i)sums[4], _mm512_set1_epi32(INVERSE_81));
    UNROLL
    for (unsigned i = 0; i < n_shifted; i++) dot += sums[i] >> 2 * i;
    return dot;
}

ALWAYS_INLINE void t1_6(const struct Matrix *matrix, uint32_t tile, const struct Activations *x,
                        uint32_t v0, float *y, size_t y_stride, const unsigned n_tiles,
                        const unsigned n_vectors) {
    const unsigned n_sums = n_sums_of(n_tiles, n_vectors);
    const size_t tile_size = matrix_tile_size(MATRIX_T1_6, matrix->n_cols);
    const char *data = block_tile(matrix, tile);
    const int8_t *q = x->i8 + v0 * x->stride;
    uint32_t left = matrix->n_cols;
    DigitSums sums;

    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) UNROLL
    for (unsigned i = 0; i < n_tiles * n_sums; i++) sums[v][i / n_sums][i % n_sums] = (Sums){0};
    for (; left >= BASE3_SHARED; left -= BASE3_SHARED) {
        UNROLL
        for (uint32_t i = 0; i < 4; i++)
            add_group(data + i * 64, tile_size, q, x->stride, 16 * i, 64 + 4 * i, BASE3_SHARED,
                      sums, n_tiles, n_vectors);
        q += BASE3_SHARED;
        data += BASE3_SHARED_SIZE;
    }
    const uint32_t n = base3_n_groups(left);
    for (uint32_t i = 0; i < n; i++)
        add_group(data + (size_t)i * 64, tile_size, q, x->stride, 16 * i, 16 * n + 4 * i, left,
                  sums, n_tiles, n_vectors);
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) UNROLL
    for (unsigned t = 0; t < n_tiles; t++)
        store_t2(matrix, x, v0 + v, block_y(y, y_stride, v0 + v, tile + t),
                 dot_of(sums[v][t], n_sums) - x->sums[v0 + v]);
}

DEFINE_TILES_BLOCKS(t1_6)
DEFINE_MATMUL_FEW(avx512_vbmi_matmul_t1_6, t1_6_single_blocks, t1_6_pair_blocks, 32,
                  avx512_panels_t1_6)

/* ---- Many vectors: the digits as bytes of a panel ---- */

/* What add_group() adds, as far as the panel's n_cols columns go. */
ALWAYS_INLINE void unpack_group(const char *group, char *panel, uint32_t c, uint32_t c0,
                                uint32_t n_cols) {
    __m512i d0, four = split(_mm512_loadu_si512(group), &d0);
    for (unsigned k = 0; k < 4 && c + 4 * k < n_cols; k++)
        _mm512_store_si512(panel + (size_t)(c / 4 + k) * PANEL_WORD,
                           _mm512_and_si512(_mm512_srli_epi16(four, 2 * k), _mm512_set1_epi8(3)));
    /* 81 and 162 end in the bits 01 and 10. */
    if (c0 < n_cols)
        _mm512_store_si512(panel + (size_t)c0 / 4 * PANEL_WORD,
                           _mm512_and_si512(d0, _mm512_set1_epi8(3)));
}

void avx512_vbmi_unpack_t1_6(const struct PanelStep *step, uint32_t tile, unsigned t, char *panel) {
    const char *from = block_tile(step->matrix, tile) + (size_t)step->column / BASE3_GROUP * 64;
    panel += t * 64;
    for (uint32_t c = 0; c < step->n_cols; c += BASE3_SHARED, from += BASE3_SHARED_SIZE) {
        const uint32_t n = base3_n_groups(step->matrix->n_cols - step->column - c);
        for (uint32_t i = 0; i < n; i++)
            unpack_group(from + i * 64, panel, c + 16 * i, c + 16 * n + 4 * i, step->n_cols);
    }
}
