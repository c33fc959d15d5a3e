/* The AVX2 tier: matrix times vectors. A register holds half a tile's rows. */
#include "kernels/x86/blocks.h"
#include "kernels/x86/dots-avx2.h"

typedef __m256 Rows;
typedef Sums Dots;
#define ROWS 8u

ALWAYS_INLINE Rows rows_set(float x) {
    return _mm256_set1_ps(x);
}

ALWAYS_INLINE Rows rows_f32(const float *w) {
    return _mm256_loadu_ps(w);
}

ALWAYS_INLINE Rows rows_f16(const uint16_t *w) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const void *)w));
}

ALWAYS_INLINE Rows rows_fma(Rows a, Rows b, Rows c) {
    return _mm256_fmadd_ps(a, b, c);
}

ALWAYS_INLINE Rows rows_add(Rows a, Rows b) {
    return _mm256_add_ps(a, b);
}

ALWAYS_INLINE Rows rows_mul(Rows a, Rows b) {
    return _mm256_mul_ps(a, b);
}

ALWAYS_INLINE Rows rows_of_dots(Dots dots) {
    return _mm256_cvtepi32_ps((__m256i)dots);
}

ALWAYS_INLINE void rows_store(float *y, Rows a) {
    _mm256_storeu_ps(y, a);
}

#include "kernels/x86/float-matmul.h"
#include "kernels/x86/float-panels.h"
#include "kernels/x86/scaled-matmul.h"

/* Sums of pairs of the two halves of a tile. */
typedef PairSums TilePairs[BLOCK_MAX_VECTORS][2];

ALWAYS_INLINE void clear_pairs(TilePairs pairs, const unsigned n_vectors) {
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) pairs[v][0] = pairs[v][1] = (PairSums){0};
}

/* Adds a group of 16 columns of vectors that lie `stride` apart. */
ALWAYS_INLINE void t2_group(const char *codes, const int8_t *q, size_t stride, TilePairs pairs,
                            const unsigned n_vectors) {
    block_prefetch(codes);
    UNROLL
    for (unsigned g = 0; g < 4; g++) {
        __m256i some[2];
        UNROLL
        for (unsigned h = 0; h < 2; h++)
            some[h] = _mm256_and_si256(_mm256_srli_epi16(load_32(codes + h * 32), 2 * (int)g),
                                       _mm256_set1_epi8(3));
        UNROLL
        for (unsigned v = 0; v < n_vectors; v++) {
            const __m256i four = four_of(q + v * stride + 4 * g);
            UNROLL
            for (unsigned h = 0; h < 2; h++) pairs[v][h] = add_four(pairs[v][h], some[h], four);
        }
    }
}

/* Groups whose products fit into int16: four products a group and lane, each of two codes (at most
 * 2) times an activation (at most 128 in size). */
#define T2_GROUPS_PER_SUM 15u
_Static_assert(T2_GROUPS_PER_SUM * 4 * 2 * 2 * 128 <= INT16_MAX, "int16 sums overflow");

ALWAYS_INLINE void t2(const struct Matrix *matrix, uint32_t tile, const struct Activations *x,
                      uint32_t v0, float *y, size_t y_stride, const unsigned n_vectors) {
    const uint32_t n_groups = (matrix->n_cols + 15) / 16;
    const char *data = block_tile(matrix, tile);
    const int8_t *q = x->i8 + v0 * x->stride;
    Sums dots[BLOCK_MAX_VECTORS][2] = {0};

    for (uint32_t group = 0; group < n_groups;) {
        uint32_t end = n_groups - group < T2_GROUPS_PER_SUM ? n_groups : group + T2_GROUPS_PER_SUM;
        TilePairs pairs;
        clear_pairs(pairs, n_vectors);
        for (; group < end; group++, data += 64, q += 16)
            t2_group(data, q, x->stride, pairs, n_vectors);
        UNROLL
        for (unsigned v = 0; v < n_vectors; v++) UNROLL
        for (unsigned h = 0; h < 2; h++) dots[v][h] += add_pairs(pairs[v][h]);
    }
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) UNROLL
    for (unsigned h = 0; h < 2; h++)
        store_t2(matrix, x, v0 + v, block_y(y, y_stride, v0 + v, tile), h,
                 dots[v][h] - x->sums[v0 + v]);
}

/* Four int8 weights of four rows, as int16. */
ALWAYS_INLINE __m256i load_4x4(const char *w) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)w));
}

/* The sums of neighbours: dots of 4 rows in a, of the next 4 in b. */
ALWAYS_INLINE Sums add_neighbours(Sums a, Sums b) {
    __m256i sums = _mm256_hadd_epi32((__m256i)a, (__m256i)b);
    return (Sums)_mm256_permute4x64_epi64(sums, 0xd8);
}

/* Four rows a register and two sums a row. Products of int16, because maddubs has no room for pairs
 * of bytes of full range. */
ALWAYS_INLINE void i8_dots(const char *codes, size_t tile_size, const struct ScaledColumns *x,
                           BlockDots dots, const unsigned n_tiles, const unsigned n_vectors) {
    Sums halves[BLOCK_MAX_VECTORS][4];
    UNROLL
    for (unsigned i = 0; i < n_vectors * 4; i++) halves[i / 4][i % 4] = (Sums){0};
    UNROLL
    for (unsigned g = 0; g < 8; g++) {
        __m256i four[BLOCK_MAX_VECTORS];
        block_prefetch(codes + g * 64);
        UNROLL
        for (unsigned v = 0; v < n_vectors; v++)
            four[v] = _mm256_cvtepi8_epi16(_mm_set1_epi32(load_4x8(x->q + v * x->stride + 4 * g)));
        UNROLL
        for (unsigned i = 0; i < 4; i++) {
            __m256i w = load_4x4(codes + g * 64 + i * 16);
            UNROLL
            for (unsigned v = 0; v < n_vectors; v++)
                halves[v][i] = add_two(halves[v][i], w, four[v]);
        }
    }
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) UNROLL
    for (unsigned h = 0; h < 2; h++)
        dots[v][h] = add_neighbours(halves[v][2 * h], halves[v][2 * h + 1]);
}

/* Sums of int16 have room: 8 groups of two products of a nibble and an activation. */
_Static_assert(8 * 2 * 15 * 128 <= INT16_MAX, "int16 sums overflow");

ALWAYS_INLINE void i4_dots(const char *codes, const struct ScaledColumns *x, BlockDots dots,
                           const unsigned n_vectors) {
    const __m256i low = _mm256_set1_epi8(15);
    TilePairs pairs;
    clear_pairs(pairs, n_vectors);
    UNROLL
    for (unsigned g = 0; g < 4; g++) {
        __m256i w[2][2];
        block_prefetch(codes + g * 64);
        UNROLL
        for (unsigned h = 0; h < 2; h++) {
            __m256i both = load_32(codes + g * 64 + h * 32);
            w[h][0] = _mm256_and_si256(both, low);
            w[h][1] = _mm256_and_si256(_mm256_srli_epi16(both, 4), low);
        }
        UNROLL
        for (unsigned v = 0; v < n_vectors; v++) {
            const int8_t *from = x->q + v * x->stride + 4 * g;
            const __m256i four[2] = {four_of(from), four_of(from + 16)};
            UNROLL
            for (unsigned i = 0; i < 4; i++)
                pairs[v][i / 2] = add_four(pairs[v][i / 2], w[i / 2][i % 2], four[i % 2]);
        }
    }
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) UNROLL
    for (unsigned h = 0; h < 2; h++)
        dots[v][h] = add_pairs(pairs[v][h]) - 8 * x->sums[v * x->per_vector];
}

/* 12 of the 16 registers are sums; there are 2 of weights and an activation. */
DEFINE_FLOAT_BLOCKS(float_panel, 6)
DEFINE_FLOAT_MATMUL(matmul_floats, float_panel_blocks)

DEFINE_BLOCKS(f32, 1)
DEFINE_MATMUL(avx2_matmul_f32, f32_blocks, NULL, matmul_floats)

DEFINE_BLOCKS(f16, 2)
DEFINE_MATMUL(avx2_matmul_f16, f16_blocks, NULL, matmul_floats)

DEFINE_BLOCKS(i8, 2)
DEFINE_MATMUL(avx2_matmul_i8, i8_blocks, NULL, avx2_panels_i8)

DEFINE_BLOCKS(i4, 4)
DEFINE_MATMUL(avx2_matmul_i4, i4_blocks, NULL, avx2_panels_i4)

DEFINE_BLOCKS(t2, 4)
DEFINE_MATMUL(avx2_matmul_t2, t2_blocks, NULL, avx2_panels_t2)
