/* The AVX-512 tier: matrix times vectors. */
#include "kernels/x86/blocks.h"
#include "kernels/x86/dots-avx512.h"

typedef __m512 Rows;
typedef Sums Dots;
#define ROWS 16u

ALWAYS_INLINE Rows rows_set(float x) {
    return _mm512_set1_ps(x);
}

ALWAYS_INLINE Rows rows_f32(const float *w) {
    return _mm512_loadu_ps(w);
}

ALWAYS_INLINE Rows rows_f16(const uint16_t *w) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const void *)w));
}

ALWAYS_INLINE Rows rows_fma(Rows a, Rows b, Rows c) {
    return _mm512_fmadd_ps(a, b, c);
}

ALWAYS_INLINE Rows rows_add(Rows a, Rows b) {
    return _mm512_add_ps(a, b);
}

ALWAYS_INLINE Rows rows_mul(Rows a, Rows b) {
    return _mm512_mul_ps(a, b);
}

ALWAYS_INLINE Rows rows_of_dots(Dots dots) {
    return _mm512_cvtepi32_ps((__m512i)dots);
}

ALWAYS_INLINE void rows_store(float *y, Rows a) {
    _mm512_storeu_ps(y, a);
}

#include "kernels/x86/float-matmul.h"
#include "kernels/x86/scaled-matmul.h"

/*
 * T2: instead of shifting the four codes of a byte down, which would cost as much as multiplying
 * them, they are multiplied where they stand, as 1, 4, 16 and 64 times the code, and each gets a
 * sum of its own that is shifted once at the end. With more vectors than there are registers for
 * that it is 1 and 4 times the code and a shift by 4, or shifts alone.
 */
ALWAYS_INLINE unsigned t2_n_sums(const unsigned n_tiles, const unsigned n_vectors) {
    return n_tiles * n_vectors <= 6 ? 4 : n_tiles * n_vectors <= 12 ? 2 : 1;
}

typedef Sums T2Sums[BLOCK_MAX_VECTORS][BLOCK_MAX_TILES][4];

/* Adds a line, 16 columns, of tiles that lie tile_size apart. */
ALWAYS_INLINE void t2_line(const char *data, size_t line, size_t tile_size, const int8_t *q,
                           size_t stride, T2Sums dots, const unsigned n_tiles,
                           const unsigned n_vectors) {
    const unsigned n_sums = t2_n_sums(n_tiles, n_vectors);
    __m512i codes[BLOCK_MAX_TILES];

    UNROLL
    for (unsigned t = 0; t < n_tiles; t++) {
        codes[t] = _mm512_loadu_si512(data + t * tile_size);
        block_prefetch_line(data + t * tile_size, line, n_vectors <= 2);
    }
    UNROLL
    for (unsigned g = 0; g < 4; g++) {
        const unsigned place = g % n_sums;
        __m512i some[BLOCK_MAX_TILES];
        UNROLL
        for (unsigned t = 0; t < n_tiles; t++)
            some[t] = _mm512_and_si512(_mm512_srli_epi16(codes[t], 2 * (g - place)),
                                       _mm512_set1_epi8((char)(3 << 2 * place)));
        UNROLL
        for (unsigned v = 0; v < n_vectors; v++) UNROLL
        for (unsigned t = 0; t < n_tiles; t++)
            dots[v][t][place] = add_dots(dots[v][t][place], some[t], q + v * stride + 4 * g);
    }
}

ALWAYS_INLINE void t2(const struct Matrix *matrix, uint32_t tile, const struct Activations *x,
                      uint32_t v0, float *y, size_t y_stride, const unsigned n_tiles,
                      const unsigned n_vectors) {
    const unsigned n_sums = t2_n_sums(n_tiles, n_vectors);
    const size_t tile_size = matrix_tile_size(MATRIX_T2, matrix->n_cols);
    const char *data = block_tile(matrix, tile);
    const int8_t *q = x->i8 + v0 * x->stride;
    T2Sums dots;

    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) UNROLL
    for (unsigned i = 0; i < n_tiles * n_sums; i++) dots[v][i / n_sums][i % n_sums] = (Sums){0};
    for (size_t i = 0; i < tile_size / 64; i++, q += 16)
        t2_line(data + i * 64, i, tile_size, q, x->stride, dots, n_tiles, n_vectors);
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) UNROLL
    for (unsigned t = 0; t < n_tiles; t++) {
        Sums dot = (Sums){0} - x->sums[v0 + v];
        UNROLL
        for (unsigned i = 0; i < n_sums; i++) dot += dots[v][t][i] >> 2 * i;
        store_t2(matrix, x, v0 + v, block_y(y, y_stride, v0 + v, tile + t), dot);
    }
}

/* The weights are made unsigned by adding 128, which the sums of the activations undo. */
ALWAYS_INLINE void i8_dots(const char *codes, size_t tile_size, const struct ScaledColumns *x,
                           BlockDots dots, const unsigned n_tiles, const unsigned n_vectors) {
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) UNROLL
    for (unsigned t = 0; t < n_tiles; t++)
        dots[v][t] = (Sums){0} + -128 * x->sums[v * x->per_vector];
    UNROLL
    for (unsigned g = 0; g < 8; g++) {
        __m512i w[BLOCK_MAX_TILES];
        UNROLL
        for (unsigned t = 0; t < n_tiles; t++) {
            const char *line = codes + t * tile_size + g * 64;
            w[t] = _mm512_xor_si512(_mm512_loadu_si512(line), _mm512_set1_epi8((char)0x80));
            block_prefetch_line(line, g, n_vectors <= 2);
        }
        UNROLL
        for (unsigned v = 0; v < n_vectors; v++) UNROLL
        for (unsigned t = 0; t < n_tiles; t++)
            dots[v][t] = add_dots(dots[v][t], w[t], x->q + v * x->stride + 4 * g);
    }
}

/* The high nibbles are multiplied where they stand, as 16 times their value, and have sums of their
 * own. */
ALWAYS_INLINE void i4_dots(const char *codes, const struct ScaledColumns *x, BlockDots dots,
                           const unsigned n_vectors) {
    Sums high[BLOCK_MAX_VECTORS];
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) {
        dots[v][0] = (Sums){0} - 8 * x->sums[v * x->per_vector];
        high[v] = (Sums){0};
    }
    UNROLL
    for (unsigned g = 0; g < 4; g++) {
        __m512i both = _mm512_loadu_si512(codes + g * 64);
        block_prefetch_line(codes + g * 64, g, n_vectors <= 2);
        __m512i w_low = _mm512_and_si512(both, _mm512_set1_epi8(0x0f));
        __m512i w_high = _mm512_and_si512(both, _mm512_set1_epi8((char)0xf0));
        UNROLL
        for (unsigned v = 0; v < n_vectors; v++) {
            const int8_t *from = x->q + v * x->stride + 4 * g;
            dots[v][0] = add_dots(dots[v][0], w_low, from);
            high[v] = add_dots(high[v], w_high, from + 16);
        }
    }
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) dots[v][0] += high[v] >> 4;
}

DEFINE_BLOCKS(f32, 6)
DEFINE_MATMUL(avx512_matmul_f32, f32_blocks, NULL, NULL)

DEFINE_BLOCKS(f16, 6)
DEFINE_MATMUL(avx512_matmul_f16, f16_blocks, NULL, NULL)

DEFINE_TILES_BLOCKS(i8_tiles)
DEFINE_MATMUL_FEW(avx512_matmul_i8, i8_tiles_single_blocks, i8_tiles_pair_blocks, 64,
                  avx512_panels_i8)

DEFINE_BLOCKS(i4, 8)
DEFINE_MATMUL_FEW(avx512_matmul_i4, i4_blocks, NULL, 32, avx512_panels_i4)

DEFINE_TILES_BLOCKS(t2)
DEFINE_MATMUL_FEW(avx512_matmul_t2, t2_single_blocks, t2_pair_blocks, 32, avx512_panels_t2)
