/*
 * The AVX2 tier, and AVX-512 without VBMI: MATRIX_T1_6. Taking five trits out of a byte costs more
 * than multiplying them, so that a tile is rewritten as one of MATRIX_T2, in L1 or L2, and
 * multiplied with all vectors by T2's kernel.
 */
#include "kernels/base3.h"
#include "kernels/reference.h"
#include "kernels/x86/blocks.h"

typedef __m256i Codes;

ALWAYS_INLINE Codes codes_load(const char *from) {
    return _mm256_loadu_si256((const void *)from);
}

ALWAYS_INLINE void codes_store(char *to, Codes codes) {
    _mm256_storeu_si256((void *)to, codes);
}

ALWAYS_INLINE Codes codes_or(Codes a, Codes b) {
    return _mm256_or_si256(a, b);
}

ALWAYS_INLINE Codes codes_shift(Codes codes) {
    return _mm256_slli_epi16(codes, 2);
}

/* codes mod unit, these being less than 3 units: what is negative wraps to more than there was. */
ALWAYS_INLINE Codes rest(Codes codes, int unit) {
    Codes one = _mm256_sub_epi8(codes, _mm256_set1_epi8((char)unit));
    Codes two = _mm256_sub_epi8(codes, _mm256_set1_epi8((char)(2 * unit)));
    return _mm256_min_epu8(_mm256_min_epu8(codes, one), two);
}

/* a - b, which is 0, unit or 2 * unit, as 0, `one` or `two`. The low four bits tell them apart. */
ALWAYS_INLINE Codes digit(Codes a, Codes b, int unit, int one, int two) {
    char values[16] = {0};
    values[unit % 16] = (char)one;
    values[2 * unit % 16] = (char)two;
    Codes table = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)values));
    return _mm256_shuffle_epi8(table, _mm256_sub_epi8(a, b));
}

ALWAYS_INLINE Codes split(Codes codes, Codes *ret_first) {
    Codes four = rest(codes, 81), three = rest(four, 27), two = rest(three, 9);
    Codes last = rest(two, 3);
    /* 81 and 162 end in the bits 01 and 10. */
    *ret_first = _mm256_and_si256(_mm256_sub_epi8(codes, four), _mm256_set1_epi8(3));
    return codes_or(codes_or(digit(four, three, 27, 1, 2), digit(three, two, 9, 1 << 2, 2 << 2)),
                    codes_or(digit(two, last, 3, 1 << 4, 2 << 4), _mm256_slli_epi16(last, 6)));
}

/* Columns of a tile that is written: 128 KiB of stack. */
#define BASE3_MAX_COLS (1u << 15)

/* Four bytes of T2 from what n groups share, and the one that their d0 make. */
ALWAYS_INLINE void unpack_shared(const char *from, char *to, const uint32_t n) {
    for (uint32_t at = 0; at < 64; at += sizeof(Codes)) {
        Codes firsts, first;
        codes_store(to + (n - 1) * 64 + at, split(codes_load(from + (n - 1) * 64 + at), &firsts));
        for (uint32_t i = n - 1; i-- > 0;) {
            codes_store(to + i * 64 + at, split(codes_load(from + i * 64 + at), &first));
            firsts = codes_or(codes_shift(firsts), first);
        }
        codes_store(to + n * 64 + at, firsts);
    }
}

/* `to` has room for 64 bytes more than the tile. */
static void unpack(const char *from, uint32_t n_cols, char *to) {
    uint32_t c = 0;
    for (; n_cols - c >= BASE3_SHARED; c += BASE3_SHARED, from += BASE3_SHARED_SIZE, to += 5 * 64)
        unpack_shared(from, to, 4);
    if (c < n_cols) unpack_shared(from, to, base3_n_groups(n_cols - c));
}

/* n_cols: at most BASE3_MAX_COLS. */
static void matmul_as_t2(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,
                         const struct Activations *x, float *y, size_t y_stride) {
    _Alignas(64) char data[BASE3_MAX_COLS * TILE_ROWS / 4 + 64];
    const struct Matrix tile_t2 = {MATRIX_T2, TILE_ROWS, matrix->n_cols, matrix->scale, data};

    for (size_t tile = tile0; tile < tile1; tile++) {
        unpack(block_tile(matrix, tile), matrix->n_cols, data);
        avx2_matmul_t2(&tile_t2, 0, 1, x, y + tile * TILE_ROWS, y_stride);
    }
}

/* Wider ones than the buffer holds are slow, but no model has them. */
void avx2_matmul_t1_6(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,
                      const struct Activations *x, float *y, size_t y_stride) {
    Matmul *matmul = matrix->n_cols <= BASE3_MAX_COLS ? matmul_as_t2 : c_matmul_t1_6;
    matmul(matrix, tile0, tile1, x, y, y_stride);
}
