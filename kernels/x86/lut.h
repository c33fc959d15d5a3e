/*
 * Look-ups: MATRIX_LUT times a few vectors, after T-MAC (arXiv 2407.00088).
 *
 * For each triple of columns there is a table of what their activations add up to under the 14
 * magnitudes that three trits can have. Rows look theirs up with a byte shuffle, sixteen rows and
 * 2 or 4 triples at a time, and add it with its sign. T-MAC rounds the sums to a byte; here they
 * are exact in two, of which eight can be added up in a byte each, so that the result is that of
 * the other layouts.
 *
 * Tables are made once a call, which takes a hundredth of what a thread's share of a large matrix
 * does. More vectors than that are multiplied in panels.
 */
#pragma once

#include "kernels/lut.h"
#include "kernels/x86/blocks.h"

/* A sum of three activations is LUT_BASE * high + low, neither being more than 14 in size. */
#define LUT_BASE 28
_Static_assert(LUT_TRIPLES * 14 <= INT8_MAX, "int8 sums overflow");

/* Bytes of the tables of a group: for each k 64 bytes of low parts and 64 of high ones, sixteen for
 * each j. */
#define LUT_TABLES (LUT_TRIPLES * 128)
/* What two vectors of 16384 columns need: 342 KiB of stack. From five vectors on, which take turns
 * in L2, unpacking once for all is faster. */
#define LUT_MAX_GROUPS 342u
#define LUT_MAX_VECTORS 4u

/* What becomes of a triple's activations in each entry of its table. The last two are not used. */
#define LUT_ENTRIES(digit)                                                                         \
    digit(0), digit(1), digit(2), digit(3), digit(4), digit(5), digit(6), digit(7), digit(8),      \
        digit(9), digit(10), digit(11), digit(12), digit(13), digit(14), digit(15)

/* The table of one triple, its parts 64 bytes apart. */
ALWAYS_INLINE void lut_table(const int8_t *q, char *table) {
    static const int16_t digits[3][16] = {
        {LUT_ENTRIES(LUT_DIGIT_0)}, {LUT_ENTRIES(LUT_DIGIT_1)}, {LUT_ENTRIES(LUT_DIGIT_2)}};
    __m256i sum = _mm256_setzero_si256();
    UNROLL
    for (unsigned i = 0; i < 3; i++)
        sum = _mm256_add_epi16(sum, _mm256_sign_epi16(_mm256_set1_epi16(q[4 * i]),
                                                      _mm256_loadu_si256((const void *)digits[i])));
    const __m256i high = _mm256_mulhrs_epi16(sum, _mm256_set1_epi16((1 << 15) / LUT_BASE));
    const __m256i low =
        _mm256_sub_epi16(sum, _mm256_mullo_epi16(high, _mm256_set1_epi16(LUT_BASE)));
    const __m256i both = _mm256_permute4x64_epi64(_mm256_packs_epi16(low, high), 0xd8);
    _mm_storeu_si128((void *)table, _mm256_castsi256_si128(both));
    _mm_storeu_si128((void *)(table + 64), _mm256_extracti128_si256(both, 1));
}

ALWAYS_INLINE void lut_group_tables(const int8_t *q, char *tables) {
    for (unsigned k = 0; k < LUT_TRIPLES; k++, q += 12, tables += 128) UNROLL
    for (unsigned j = 0; j < 4; j++) lut_table(q + j, tables + 16 * j);
}

/* Activations end where they end, a group does not. */
static inline void lut_tables(const int8_t *q, uint32_t n_cols, char *tables) {
    int8_t last[LUT_GROUP] = {0};
    for (; n_cols >= LUT_GROUP; n_cols -= LUT_GROUP, q += LUT_GROUP, tables += LUT_TABLES)
        lut_group_tables(q, tables);
    memcpy(last, q, n_cols);
    if (n_cols > 0) lut_group_tables(last, tables);
}

/* The dots of n_tiles tiles, which lie tile_size apart, with the vector whose tables those are. */
typedef void LutDots(const char *tile, size_t tile_size, const char *tables, uint32_t n_groups,
                     int32_t dots[][TILE_ROWS], unsigned n_tiles);

/* Rows of n_tiles tiles. */
ALWAYS_INLINE void lut_rows(LutDots *dots_of, const struct Matrix *matrix, uint32_t tile,
                            const struct Activations *x, const char *tables, float *y,
                            size_t y_stride, const unsigned n_tiles) {
    const uint32_t n_groups = (matrix->n_cols + LUT_GROUP - 1) / LUT_GROUP;
    int32_t dots[BLOCK_MAX_TILES][TILE_ROWS];

    for (uint32_t v = 0; v < x->n_vectors; v++, tables += (size_t)n_groups * LUT_TABLES) {
        const float scale = matrix->scale * x->scales[v];
        float *to = block_y(y, y_stride, v, tile);
        dots_of(block_tile(matrix, tile), matrix_tile_size(MATRIX_LUT, matrix->n_cols), tables,
                n_groups, dots, n_tiles);
        for (unsigned i = 0; i < n_tiles * TILE_ROWS; i++)
            to[i] = (float)dots[i / TILE_ROWS][i % TILE_ROWS] * scale;
    }
}

/* max_tiles: 1 or 2, that are looked up together. */
ALWAYS_INLINE void lut_matmul(LutDots *dots_of, const unsigned max_tiles, Matmul *many,
                              const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,
                              const struct Activations *x, float *y, size_t y_stride) {
    _Alignas(64) char tables[LUT_MAX_GROUPS * LUT_TABLES];
    const uint32_t n_groups = (matrix->n_cols + LUT_GROUP - 1) / LUT_GROUP;

    if (x->n_vectors > LUT_MAX_VECTORS || x->n_vectors * n_groups > LUT_MAX_GROUPS) {
        many(matrix, tile0, tile1, x, y, y_stride);
        return;
    }
    for (uint32_t v = 0; v < x->n_vectors; v++)
        lut_tables(x->i8 + v * x->stride, matrix->n_cols,
                   tables + (size_t)v * n_groups * LUT_TABLES);
    for (; max_tiles == 2 && tile1 - tile0 >= 2 && tile0 < tile1; tile0 += 2)
        lut_rows(dots_of, matrix, tile0, x, tables, y, y_stride, 2);
    for (; tile0 < tile1; tile0++) lut_rows(dots_of, matrix, tile0, x, tables, y, y_stride, 1);
}

/* Asks for a group that will be read, in L2: from there the hardware goes on, and L1 is full of
 * tables. On a Zen 4 this is a third to a half faster than asking for it in L1 or for less. */
#define LUT_AHEAD 16384
ALWAYS_INLINE void lut_prefetch(const char *group) {
    UNROLL
    for (unsigned at = 0; at < LUT_GROUP_SIZE; at += 64)
        _mm_prefetch(group + LUT_AHEAD + at, _MM_HINT_T1);
}
