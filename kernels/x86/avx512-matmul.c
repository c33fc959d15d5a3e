/* The AVX-512 tier: matrix times vectors. */
#include "kernels/x86/blocks.h"

typedef __m512 Rows;
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

ALWAYS_INLINE void rows_store(float *y, Rows a) {
    _mm512_storeu_ps(y, a);
}

#include "kernels/x86/float-matmul.h"

ALWAYS_INLINE void f32(const struct Matrix *matrix, uint32_t tile, const struct Activations *x,
                       uint32_t v, float *y, size_t y_stride, const unsigned n_tiles,
                       const unsigned n_vectors) {
    float_block(MATRIX_F32, matrix, tile, x, v, y, y_stride, n_tiles, n_vectors);
}

ALWAYS_INLINE void f16(const struct Matrix *matrix, uint32_t tile, const struct Activations *x,
                       uint32_t v, float *y, size_t y_stride, const unsigned n_tiles,
                       const unsigned n_vectors) {
    float_block(MATRIX_F16, matrix, tile, x, v, y, y_stride, n_tiles, n_vectors);
}

/* The 64 codes of one byte group, times one broadcast of four activations a row. */
ALWAYS_INLINE __m512i load_codes(const char *tile, size_t group) {
    return _mm512_loadu_si512(tile + group * 64);
}

ALWAYS_INLINE void store_t2(const struct Matrix *matrix, size_t tile, const struct Activations *x,
                            size_t v, float *y, size_t y_stride, __m512i dot) {
    __m512 scale = _mm512_set1_ps(matrix->scale * x->scales[v]);
    _mm512_storeu_ps(y + v * y_stride + tile * TILE_ROWS,
                     _mm512_mul_ps(_mm512_cvtepi32_ps(dot), scale));
}

/*
 * T2 for few vectors, where unpacking costs as much as multiplying: instead of shifting the four
 * codes of a byte down they are multiplied where they stand, as 1, 4, 16 and 64 times the code, and
 * each gets a sum of its own that is shifted once at the end.
 */
ALWAYS_INLINE void t2_few(const struct Matrix *matrix, uint32_t tile, const struct Activations *x,
                          uint32_t v0, float *y, size_t y_stride, const unsigned n_tiles,
                          const unsigned n_vectors) {
    const uint32_t n_groups = (matrix->n_cols + 15) / 16;
    const char *tiles[2] = {block_tile(matrix, tile), block_tile(matrix, tile + 1)};
    __m512i dots[2][2][4];

    UNROLL for (unsigned i = 0; i < 2 * 2 * 4; i++) dots[i / 8][i / 4 % 2][i % 4] =
        _mm512_setzero_si512();
    for (size_t group = 0; group < n_groups; group++)
        UNROLL for (unsigned t = 0; t < n_tiles; t++) {
            __m512i codes = load_codes(tiles[t], group);
            UNROLL for (unsigned g = 0; g < 4; g++) {
                __m512i some = _mm512_and_si512(codes, _mm512_set1_epi8((char)(3 << 2 * g)));
                UNROLL for (unsigned v = 0; v < n_vectors; v++) {
                    const int8_t *q = x->i8 + (v0 + v) * x->stride + group * 16 + 4 * g;
                    dots[t][v][g] =
                        _mm512_dpbusd_epi32(dots[t][v][g], some, _mm512_set1_epi32(load_4x8(q)));
                }
            }
        }
    UNROLL for (unsigned t = 0; t < n_tiles; t++) UNROLL for (unsigned v = 0; v < n_vectors; v++) {
        __m512i dot = _mm512_set1_epi32(-x->sums[v0 + v]);
        UNROLL for (unsigned g = 0; g < 4; g++) dot =
            _mm512_add_epi32(dot, _mm512_srai_epi32(dots[t][v][g], 2 * g));
        store_t2(matrix, tile + t, x, v0 + v, y, y_stride, dot);
    }
}

/* T2 for many vectors: a group's codes are unpacked once for all of them. */
ALWAYS_INLINE void t2_many(const struct Matrix *matrix, uint32_t tile, const struct Activations *x,
                           uint32_t v0, float *y, size_t y_stride, const unsigned n_tiles,
                           const unsigned n_vectors) {
    const uint32_t n_groups = (matrix->n_cols + 15) / 16;
    const char *tiles[2] = {block_tile(matrix, tile), block_tile(matrix, tile + 1)};
    __m512i dots[2][BLOCK_MAX_VECTORS], codes[2];

    UNROLL for (unsigned v = 0; v < n_vectors; v++) dots[0][v] = dots[1][v] =
        _mm512_set1_epi32(-x->sums[v0 + v]);
    for (size_t group = 0; group < n_groups; group++) UNROLL for (unsigned g = 0; g < 4; g++) {
            UNROLL for (unsigned t = 0; t < n_tiles; t++) codes[t] = _mm512_and_si512(
                _mm512_srli_epi16(load_codes(tiles[t], group), 2 * g), _mm512_set1_epi8(3));
            UNROLL for (unsigned v = 0; v < n_vectors; v++) {
                const int8_t *q = x->i8 + (v0 + v) * x->stride + group * 16 + 4 * g;
                __m512i four = _mm512_set1_epi32(load_4x8(q));
                UNROLL for (unsigned t = 0; t < n_tiles; t++) dots[t][v] =
                    _mm512_dpbusd_epi32(dots[t][v], codes[t], four);
            }
        }
    UNROLL for (unsigned t = 0; t < n_tiles; t++) UNROLL for (unsigned v = 0; v < n_vectors; v++)
        store_t2(matrix, tile + t, x, v0 + v, y, y_stride, dots[t][v]);
}

/* I8: the weights are made unsigned by adding 128, which the sum of the activations undoes. */
ALWAYS_INLINE void i8(const struct Matrix *matrix, uint32_t tile, const struct Activations *x,
                      uint32_t v0, float *y, size_t y_stride, const unsigned n_tiles,
                      const unsigned n_vectors) {
    const uint32_t n_blocks = (matrix->n_cols + I8_BLOCK - 1) / I8_BLOCK;
    const size_t per_vector = x->stride / I8_BLOCK, block_size = 576;
    const char *tiles[2] = {block_tile(matrix, tile), block_tile(matrix, tile + 1)};
    __m512 sums[2][BLOCK_MAX_VECTORS];

    UNROLL for (unsigned v = 0; v < n_vectors; v++) sums[0][v] = sums[1][v] = _mm512_setzero_ps();
    for (size_t b = 0; b < n_blocks; b++) {
        __m512i dots[2][BLOCK_MAX_VECTORS], w[2];
        UNROLL for (unsigned v = 0; v < n_vectors; v++) dots[0][v] = dots[1][v] =
            _mm512_set1_epi32(-128 * x->sums[(v0 + v) * per_vector + b]);
        UNROLL for (unsigned g = 0; g < 8; g++) {
            UNROLL for (unsigned t = 0; t < n_tiles; t++) w[t] =
                _mm512_xor_si512(_mm512_loadu_si512(tiles[t] + b * block_size + g * 64),
                                 _mm512_set1_epi8((char)0x80));
            UNROLL for (unsigned v = 0; v < n_vectors; v++) {
                const int8_t *q = x->i8 + (v0 + v) * x->stride + b * I8_BLOCK + 4 * g;
                __m512i four = _mm512_set1_epi32(load_4x8(q));
                UNROLL for (unsigned t = 0; t < n_tiles; t++) dots[t][v] =
                    _mm512_dpbusd_epi32(dots[t][v], w[t], four);
            }
        }
        UNROLL for (unsigned t = 0; t < n_tiles; t++) {
            __m512 w_scales = _mm512_loadu_ps(tiles[t] + b * block_size + 512);
            UNROLL for (unsigned v = 0; v < n_vectors; v++) {
                __m512 x_scale = _mm512_set1_ps(x->scales[(v0 + v) * per_vector + b]);
                sums[t][v] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[t][v]),
                                             _mm512_mul_ps(w_scales, x_scale), sums[t][v]);
            }
        }
    }
    UNROLL for (unsigned t = 0; t < n_tiles; t++) UNROLL for (unsigned v = 0; v < n_vectors; v++)
        _mm512_storeu_ps(y + (v0 + v) * y_stride + (tile + t) * TILE_ROWS, sums[t][v]);
}

DEFINE_BLOCK(f32, 2, 1)
DEFINE_BLOCK(f32, 2, 2)
DEFINE_BLOCK(f32, 2, 3)
DEFINE_BLOCK(f32, 1, 1)
DEFINE_BLOCK(f32, 1, 2)
DEFINE_BLOCK(f32, 1, 3)
static const struct Blocking f32_blocking = {
    2,
    3,
    {NULL, f32_2_1, f32_2_2, f32_2_3},
    {NULL, f32_1_1, f32_1_2, f32_1_3},
};
DEFINE_MATMUL(avx512_matmul_f32, f32_blocking)

DEFINE_BLOCK(f16, 2, 1)
DEFINE_BLOCK(f16, 2, 2)
DEFINE_BLOCK(f16, 2, 3)
DEFINE_BLOCK(f16, 1, 1)
DEFINE_BLOCK(f16, 1, 2)
DEFINE_BLOCK(f16, 1, 3)
static const struct Blocking f16_blocking = {
    2,
    3,
    {NULL, f16_2_1, f16_2_2, f16_2_3},
    {NULL, f16_1_1, f16_1_2, f16_1_3},
};
DEFINE_MATMUL(avx512_matmul_f16, f16_blocking)

DEFINE_BLOCK(i8, 2, 1)
DEFINE_BLOCK(i8, 2, 2)
DEFINE_BLOCK(i8, 2, 3)
DEFINE_BLOCK(i8, 2, 4)
DEFINE_BLOCK(i8, 2, 5)
DEFINE_BLOCK(i8, 2, 6)
DEFINE_BLOCK(i8, 1, 1)
DEFINE_BLOCK(i8, 1, 2)
DEFINE_BLOCK(i8, 1, 3)
DEFINE_BLOCK(i8, 1, 4)
DEFINE_BLOCK(i8, 1, 5)
DEFINE_BLOCK(i8, 1, 6)
static const struct Blocking i8_blocking = {
    2,
    6,
    {NULL, i8_2_1, i8_2_2, i8_2_3, i8_2_4, i8_2_5, i8_2_6},
    {NULL, i8_1_1, i8_1_2, i8_1_3, i8_1_4, i8_1_5, i8_1_6},
};
DEFINE_MATMUL(avx512_matmul_i8, i8_blocking)

DEFINE_BLOCK(t2_few, 2, 1)
DEFINE_BLOCK(t2_few, 2, 2)
DEFINE_BLOCK(t2_many, 2, 3)
DEFINE_BLOCK(t2_many, 2, 4)
DEFINE_BLOCK(t2_many, 2, 5)
DEFINE_BLOCK(t2_many, 2, 6)
DEFINE_BLOCK(t2_many, 2, 7)
DEFINE_BLOCK(t2_many, 2, 8)
DEFINE_BLOCK(t2_few, 1, 1)
DEFINE_BLOCK(t2_few, 1, 2)
DEFINE_BLOCK(t2_many, 1, 3)
DEFINE_BLOCK(t2_many, 1, 4)
DEFINE_BLOCK(t2_many, 1, 5)
DEFINE_BLOCK(t2_many, 1, 6)
DEFINE_BLOCK(t2_many, 1, 7)
DEFINE_BLOCK(t2_many, 1, 8)
static const struct Blocking t2_blocking = {
    2,
    8,
    {NULL, t2_few_2_1, t2_few_2_2, t2_many_2_3, t2_many_2_4, t2_many_2_5, t2_many_2_6, t2_many_2_7,
     t2_many_2_8},
    {NULL, t2_few_1_1, t2_few_1_2, t2_many_1_3, t2_many_1_4, t2_many_1_5, t2_many_1_6, t2_many_1_7,
     t2_many_1_8},
};
DEFINE_MATMUL(avx512_matmul_t2, t2_blocking)
