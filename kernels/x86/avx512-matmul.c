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

#include "kernels/x86/dots-avx512.h"
#include "kernels/x86/float-matmul.h"

/*
 * T2 for few vectors, where unpacking would cost as much as multiplying: instead of shifting the
 * four codes of a byte down they are multiplied where they stand, as 1, 4, 16 and 64 times the
 * code, and each gets a sum of its own that is shifted once at the end.
 */
ALWAYS_INLINE void t2_few(const struct Matrix *matrix, uint32_t tile, const struct Activations *x,
                          uint32_t v0, float *y, size_t y_stride, const unsigned n_vectors) {
    const uint32_t n_groups = (matrix->n_cols + 15) / 16;
    const char *data = block_tile(matrix, tile);
    Sums dots[BLOCK_MAX_VECTORS][4];

    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) UNROLL
    for (unsigned g = 0; g < 4; g++) dots[v][g] = (Sums){0};
    for (size_t group = 0; group < n_groups; group++) {
        __m512i codes = _mm512_loadu_si512(data + group * 64);
        UNROLL
        for (unsigned g = 0; g < 4; g++) {
            __m512i some = _mm512_and_si512(codes, _mm512_set1_epi8((char)(3 << 2 * g)));
            UNROLL
            for (unsigned v = 0; v < n_vectors; v++) {
                const int8_t *q = x->i8 + (v0 + v) * x->stride + group * 16 + 4 * g;
                dots[v][g] = add_dots(dots[v][g], some, q);
            }
        }
    }
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) {
        Sums dot = (Sums){0} - x->sums[v0 + v];
        UNROLL
        for (unsigned g = 0; g < 4; g++) dot += dots[v][g] >> 2 * g;
        store_t2(matrix, x, v0 + v, block_y(y, y_stride, v0 + v, tile), dot);
    }
}

/* T2 for many vectors: a group's codes are unpacked once for all of them. */
ALWAYS_INLINE void t2_many(const struct Matrix *matrix, uint32_t tile, const struct Activations *x,
                           uint32_t v0, float *y, size_t y_stride, const unsigned n_vectors) {
    const uint32_t n_groups = (matrix->n_cols + 15) / 16;
    const char *data = block_tile(matrix, tile);
    Sums dots[BLOCK_MAX_VECTORS];

    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) dots[v] = (Sums){0} - x->sums[v0 + v];
    for (size_t group = 0; group < n_groups; group++) {
        __m512i codes = _mm512_loadu_si512(data + group * 64);
        UNROLL
        for (unsigned g = 0; g < 4; g++) {
            __m512i some = _mm512_and_si512(_mm512_srli_epi16(codes, 2 * g), _mm512_set1_epi8(3));
            UNROLL
            for (unsigned v = 0; v < n_vectors; v++) {
                const int8_t *q = x->i8 + (v0 + v) * x->stride + group * 16 + 4 * g;
                dots[v] = add_dots(dots[v], some, q);
            }
        }
    }
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++)
        store_t2(matrix, x, v0 + v, block_y(y, y_stride, v0 + v, tile), dots[v]);
}

/* The dots of one block of I8 with n_vectors vectors. The weights are made unsigned by adding 128,
 * which the sums of the activations undo. */
ALWAYS_INLINE void i8_dots(const char *block, const int8_t *q, size_t stride, const int32_t *sums,
                           size_t sums_stride, Sums *dots, const unsigned n_vectors) {
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) dots[v] = (Sums){0};
    UNROLL
    for (unsigned g = 0; g < 8; g++) {
        __m512i w =
            _mm512_xor_si512(_mm512_loadu_si512(block + g * 64), _mm512_set1_epi8((char)0x80));
        UNROLL
        for (unsigned v = 0; v < n_vectors; v++)
            dots[v] = add_dots(dots[v], w, q + v * stride + 4 * g);
    }
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) dots[v] -= 128 * ((Sums){0} + sums[v * sums_stride]);
}

ALWAYS_INLINE void i8(const struct Matrix *matrix, uint32_t tile, const struct Activations *x,
                      uint32_t v0, float *y, size_t y_stride, const unsigned n_vectors) {
    const uint32_t n_blocks = (matrix->n_cols + I8_BLOCK - 1) / I8_BLOCK;
    const size_t per_vector = x->stride / I8_BLOCK;
    const char *data = block_tile(matrix, tile);
    __m512 sums[BLOCK_MAX_VECTORS];

    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) sums[v] = _mm512_setzero_ps();
    for (size_t b = 0; b < n_blocks; b++, data += I8_BLOCK_SIZE) {
        Sums dots[BLOCK_MAX_VECTORS];
        i8_dots(data, x->i8 + v0 * x->stride + b * I8_BLOCK, x->stride,
                x->sums + v0 * per_vector + b, per_vector, dots, n_vectors);
        __m512 w_scales = _mm512_loadu_ps(data + I8_SCALES);
        UNROLL
        for (unsigned v = 0; v < n_vectors; v++) {
            __m512 x_scale = _mm512_set1_ps(x->scales[(v0 + v) * per_vector + b]);
            sums[v] = _mm512_fmadd_ps(_mm512_cvtepi32_ps((__m512i)dots[v]),
                                      _mm512_mul_ps(w_scales, x_scale), sums[v]);
        }
    }
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++)
        _mm512_storeu_ps(block_y(y, y_stride, v0 + v, tile), sums[v]);
}

/* The dots of one block of I4. The high nibbles are multiplied where they stand, as 16 times their
 * value, and have sums of their own. */
ALWAYS_INLINE void i4_dots(const char *block, const int8_t *q, size_t stride, const int32_t *sums,
                           size_t sums_stride, Sums *dots, const unsigned n_vectors) {
    Sums high[BLOCK_MAX_VECTORS];
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) {
        dots[v] = (Sums){0} - 8 * sums[v * sums_stride];
        high[v] = (Sums){0};
    }
    UNROLL
    for (unsigned g = 0; g < 4; g++) {
        __m512i both = _mm512_loadu_si512(block + g * 64);
        __m512i w_low = _mm512_and_si512(both, _mm512_set1_epi8(0x0f));
        __m512i w_high = _mm512_and_si512(both, _mm512_set1_epi8((char)0xf0));
        UNROLL
        for (unsigned v = 0; v < n_vectors; v++) {
            const int8_t *from = q + v * stride + 4 * g;
            dots[v] = add_dots(dots[v], w_low, from);
            high[v] = add_dots(high[v], w_high, from + 16);
        }
    }
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) dots[v] += high[v] >> 4;
}

ALWAYS_INLINE void i4(const struct Matrix *matrix, uint32_t tile, const struct Activations *x,
                      uint32_t v0, float *y, size_t y_stride, const unsigned n_vectors) {
    const uint32_t n_blocks = (matrix->n_cols + I8_BLOCK - 1) / I8_BLOCK;
    const size_t per_vector = x->stride / I8_BLOCK;
    const char *data = block_tile(matrix, tile);
    __m512 sums[BLOCK_MAX_VECTORS];

    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) sums[v] = _mm512_setzero_ps();
    for (size_t b = 0; b < n_blocks; b++, data += I4_BLOCK_SIZE) {
        Sums dots[BLOCK_MAX_VECTORS];
        i4_dots(data, x->i8 + v0 * x->stride + b * I8_BLOCK, x->stride,
                x->sums + v0 * per_vector + b, per_vector, dots, n_vectors);
        __m512 w_scales = rows_f16((const uint16_t *)(const void *)(data + I4_SCALES));
        UNROLL
        for (unsigned v = 0; v < n_vectors; v++) {
            __m512 x_scale = _mm512_set1_ps(x->scales[(v0 + v) * per_vector + b]);
            sums[v] = _mm512_fmadd_ps(_mm512_cvtepi32_ps((__m512i)dots[v]),
                                      _mm512_mul_ps(w_scales, x_scale), sums[v]);
        }
    }
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++)
        _mm512_storeu_ps(block_y(y, y_stride, v0 + v, tile), sums[v]);
}

DEFINE_BLOCK(f32, 1)
DEFINE_BLOCK(f32, 2)
DEFINE_BLOCK(f32, 3)
DEFINE_BLOCK(f32, 4)
DEFINE_BLOCK(f32, 5)
DEFINE_BLOCK(f32, 6)
static Block *const f32_blocks[] = {NULL, f32_1, f32_2, f32_3, f32_4, f32_5, f32_6};
DEFINE_MATMUL(avx512_matmul_f32, f32_blocks)

DEFINE_BLOCK(f16, 1)
DEFINE_BLOCK(f16, 2)
DEFINE_BLOCK(f16, 3)
DEFINE_BLOCK(f16, 4)
DEFINE_BLOCK(f16, 5)
DEFINE_BLOCK(f16, 6)
static Block *const f16_blocks[] = {NULL, f16_1, f16_2, f16_3, f16_4, f16_5, f16_6};
DEFINE_MATMUL(avx512_matmul_f16, f16_blocks)

DEFINE_BLOCK(i8, 1)
DEFINE_BLOCK(i8, 2)
DEFINE_BLOCK(i8, 3)
DEFINE_BLOCK(i8, 4)
DEFINE_BLOCK(i8, 5)
DEFINE_BLOCK(i8, 6)
static Block *const i8_blocks[] = {NULL, i8_1, i8_2, i8_3, i8_4, i8_5, i8_6};
DEFINE_MATMUL_OR(avx512_matmul_i8, i8_blocks, 8, avx512_panels_i8)

DEFINE_BLOCK(i4, 1)
DEFINE_BLOCK(i4, 2)
DEFINE_BLOCK(i4, 3)
DEFINE_BLOCK(i4, 4)
DEFINE_BLOCK(i4, 5)
DEFINE_BLOCK(i4, 6)
static Block *const i4_blocks[] = {NULL, i4_1, i4_2, i4_3, i4_4, i4_5, i4_6};
DEFINE_MATMUL_OR(avx512_matmul_i4, i4_blocks, 8, avx512_panels_i4)

DEFINE_BLOCK(t2_few, 1)
DEFINE_BLOCK(t2_few, 2)
DEFINE_BLOCK(t2_few, 3)
DEFINE_BLOCK(t2_few, 4)
DEFINE_BLOCK(t2_many, 5)
DEFINE_BLOCK(t2_many, 6)
DEFINE_BLOCK(t2_many, 7)
DEFINE_BLOCK(t2_many, 8)
static Block *const t2_blocks[] = {NULL,      t2_few_1,  t2_few_2,  t2_few_3, t2_few_4,
                                   t2_many_5, t2_many_6, t2_many_7, t2_many_8};
DEFINE_MATMUL_OR(avx512_matmul_t2, t2_blocks, 8, avx512_panels_t2)
