/*
 * The AVX2 tier: integer matrices times many vectors. A tile takes two registers, its halves.
 *
 * Ternary codes and nibbles are multiplied as bytes, and what `vpmaddubsw` makes of them is added
 * up in int16 for as long as that has room. Weights of a whole byte leave it no room at all: they
 * are multiplied as int16 by `vpmaddwd`, which takes as many instructions as any way around that
 * and is exact.
 */
#include "kernels/scaled.h"
#include "kernels/x86/dots-avx2.h"
#include "kernels/x86/panels.h"

/* 12 of the 16 registers are sums; there are 2 of weights, a word and a product. */
#define MAX_VECTORS 6u

/* Defines the dots of n_words words of a panel's tile, from what adds those of one word to a sum.
 */
#define DEFINE_PANEL_DOTS(name, type, add)                                                         \
    ALWAYS_INLINE void name(const char *panel, const int32_t *slab, uint32_t n_words,              \
                            type sums[MAX_VECTORS][2], const unsigned n_vectors) {                 \
        UNROLL                                                                                     \
        for (unsigned v = 0; v < n_vectors; v++) sums[v][0] = sums[v][1] = (type){0};              \
        for (uint32_t i = 0; i < n_words; i++, panel += PANEL_WORD, slab += n_vectors) {           \
            const __m256i w[2] = {load_32(panel), load_32(panel + 32)};                            \
            UNROLL                                                                                 \
            for (unsigned v = 0; v < n_vectors; v++) {                                             \
                const __m256i word = _mm256_set1_epi32(slab[v]);                                   \
                sums[v][0] = add(sums[v][0], w[0], word);                                          \
                sums[v][1] = add(sums[v][1], w[1], word);                                          \
                KEEP_ORDER(sums[v][1]);                                                            \
            }                                                                                      \
        }                                                                                          \
    }
DEFINE_PANEL_DOTS(dots_of_bytes, PairSums, add_four)
DEFINE_PANEL_DOTS(dots_of_int16, Sums, add_two)

ALWAYS_INLINE void store_half(char *panel, unsigned h, __m256i w) {
    _mm256_store_si256((void *)(panel + h * 32), w);
}

/* ---- T2: y is dots until the last columns are there ---- */

static void t2_unpack(const struct PanelStep *step, uint32_t tile, unsigned t, char *panel) {
    const char *from = block_tile(step->matrix, tile) + (size_t)step->column / 16 * 64;
    panel += t * 64;
    for (uint32_t c = 0; c < step->n_cols; c += 16, from += 64) {
        const __m256i codes[2] = {load_32(from), load_32(from + 32)};
        for (int g = 0; g < 4; g++, panel += PANEL_WORD)
            for (unsigned h = 0; h < 2; h++)
                store_half(
                    panel, h,
                    _mm256_and_si256(_mm256_srli_epi16(codes[h], 2 * g), _mm256_set1_epi8(3)));
    }
}

static void t2_finish(const struct PanelStep *step, uint32_t v, unsigned t, const Sums dots[2]) {
    float *y = panel_y(step, v, t);
    for (unsigned h = 0; h < 2; h++) {
        const Sums dot = dots[h] + (panel_is_first(step) ? (Sums){0} - step->x->sums[v]
                                                         : (Sums)load_32((char *)(y + h * 8)));
        if (panel_is_last(step))
            store_t2(step->matrix, step->x, v, y, h, dot);
        else
            _mm256_storeu_si256((void *)(y + h * 8), (__m256i)dot);
    }
}

/* Words whose products fit into int16: of two codes (at most 2) times an activation (at most 128 in
 * size). */
#define T2_WORDS 60u
_Static_assert(T2_WORDS * 2 * 2 * 128 <= INT16_MAX, "int16 sums overflow");
/* Two times that, and six times the 80 columns that four groups of T1_6 share,
 * five times a group of LUT. */
#define T2_COLS 480u

ALWAYS_INLINE void t2(const struct PanelStep *step, const int32_t *slab, uint32_t v0,
                      const unsigned n_vectors) {
    const uint32_t n_words = step->n_cols / 4;

    for (unsigned t = 0; t < step->n_tiles; t++) {
        const char *panel = step->panel + t * 64;
        Sums dots[MAX_VECTORS][2] = {0};
        for (uint32_t i = 0, n; i < n_words; i += n) {
            PairSums sums[MAX_VECTORS][2];
            n = n_words - i < T2_WORDS ? n_words - i : T2_WORDS;
            dots_of_bytes(panel + (size_t)i * PANEL_WORD, slab + (size_t)i * n_vectors, n, sums,
                          n_vectors);
            UNROLL
            for (unsigned v = 0; v < n_vectors; v++) UNROLL
            for (unsigned h = 0; h < 2; h++) dots[v][h] += add_pairs(sums[v][h]);
        }
        for (unsigned v = 0; v < n_vectors; v++) t2_finish(step, v0 + v, t, dots[v]);
    }
}

/* ---- I8 and I4, whose dots are scaled and added every 32 columns ---- */

ALWAYS_INLINE void store_scales(char *panel, const char *scales) {
    for (unsigned h = 0; h < 2; h++) {
        const __m128i halves = _mm_loadu_si128((const void *)(scales + h * 16));
        store_half(panel, h, _mm256_castps_si256(_mm256_cvtph_ps(halves)));
    }
}

static void i8_unpack(const struct PanelStep *step, uint32_t tile, unsigned t, char *panel) {
    const char *data = block_tile(step->matrix, tile);
    const uint32_t first = step->column / I8_BLOCK, n = step->n_cols / I8_BLOCK;
    panel += t * 64;
    for (uint32_t b = first; b < first + n; b++) {
        const char *from = data + scaled_codes_at(MATRIX_I8, b);
        for (unsigned g = 0; g < 8; g++, panel += 2 * PANEL_WORD)
            for (unsigned h = 0; h < 2; h++) {
                const __m256i w = load_32(from + g * 64 + h * 32);
                store_half(panel, h, _mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8));
                store_half(panel + PANEL_WORD, h, _mm256_srai_epi16(w, 8));
            }
        store_scales(panel, data + scaled_scales_at(MATRIX_I8, b));
        panel += PANEL_WORD;
    }
}

static void i4_unpack(const struct PanelStep *step, uint32_t tile, unsigned t, char *panel) {
    const __m256i low = _mm256_set1_epi8(15);
    const char *data = block_tile(step->matrix, tile);
    const uint32_t first = step->column / I8_BLOCK, n = step->n_cols / I8_BLOCK;
    panel += t * 64;
    for (uint32_t b = first; b < first + n; b++) {
        const char *from = data + scaled_codes_at(MATRIX_I4, b);
        for (unsigned g = 0; g < 4; g++, panel += PANEL_WORD)
            for (unsigned h = 0; h < 2; h++) {
                const __m256i both = load_32(from + g * 64 + h * 32);
                store_half(panel, h, _mm256_and_si256(both, low));
                store_half(panel + 4 * PANEL_WORD, h,
                           _mm256_and_si256(_mm256_srli_epi16(both, 4), low));
            }
        panel += 4 * PANEL_WORD;
        store_scales(panel, data + scaled_scales_at(MATRIX_I4, b));
        panel += PANEL_WORD;
    }
}

/* Eight words of nibbles fit into int16. */
_Static_assert(8 * 2 * 15 * 128 <= INT16_MAX, "int16 sums overflow");

/* The columns of one scale: sums += dots * (weight's scale * activation's scale). */
ALWAYS_INLINE void add_scaled(const char *panel, const int32_t *slab, __m256 sums[][2],
                              const unsigned word_cols, const unsigned n_vectors) {
    const uint32_t n_words = I8_BLOCK / word_cols;
    const int32_t *scales = slab + (size_t)n_words * n_vectors, *starts = scales + n_vectors;
    const char *w_scales = panel + n_words * PANEL_WORD;
    PairSums pairs[MAX_VECTORS][2];
    Sums dots[MAX_VECTORS][2];

    if (word_cols == 2)
        dots_of_int16(panel, slab, n_words, dots, n_vectors);
    else
        dots_of_bytes(panel, slab, n_words, pairs, n_vectors);
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) UNROLL
    for (unsigned h = 0; h < 2; h++) {
        const Sums dot = word_cols == 2 ? dots[v][h] : add_pairs(pairs[v][h]) + starts[v];
        const __m256 x_scale = _mm256_castsi256_ps(_mm256_set1_epi32(scales[v]));
        const __m256 w_scale = _mm256_castsi256_ps(load_32(w_scales + h * 32));
        sums[v][h] = _mm256_fmadd_ps(_mm256_cvtepi32_ps((__m256i)dot),
                                     _mm256_mul_ps(w_scale, x_scale), sums[v][h]);
    }
}

ALWAYS_INLINE void scaled(const struct PanelStep *step, const int32_t *all, uint32_t v0,
                          const unsigned word_cols, const unsigned n_vectors) {
    const uint32_t n_words = I8_BLOCK / word_cols;
    const __m256 scale = _mm256_set1_ps(panel_is_last(step) ? step->matrix->scale : 1);

    for (unsigned t = 0; t < step->n_tiles; t++) {
        const char *panel = step->panel + t * 64;
        const int32_t *slab = all;
        __m256 sums[MAX_VECTORS][2];
        UNROLL
        for (unsigned v = 0; v < n_vectors; v++) UNROLL
        for (unsigned h = 0; h < 2; h++)
            sums[v][h] = panel_is_first(step) ? _mm256_setzero_ps()
                                              : _mm256_loadu_ps(panel_y(step, v0 + v, t) + h * 8);
        for (uint32_t c = 0; c < step->n_cols; c += I8_BLOCK) {
            add_scaled(panel, slab, sums, word_cols, n_vectors);
            panel += (n_words + 1) * PANEL_WORD;
            slab += (n_words + SLAB_SCALES) * n_vectors;
        }
        UNROLL
        for (unsigned v = 0; v < n_vectors; v++) UNROLL
        for (unsigned h = 0; h < 2; h++)
            _mm256_storeu_ps(panel_y(step, v0 + v, t) + h * 8, _mm256_mul_ps(sums[v][h], scale));
    }
}

ALWAYS_INLINE void i8(const struct PanelStep *step, const int32_t *slab, uint32_t v,
                      const unsigned n_vectors) {
    scaled(step, slab, v, 2, n_vectors);
}

ALWAYS_INLINE void i4(const struct PanelStep *step, const int32_t *slab, uint32_t v,
                      const unsigned n_vectors) {
    scaled(step, slab, v, 4, n_vectors);
}

DEFINE_PANEL_BLOCKS(t2, 6)
DEFINE_PANEL_MATMUL(avx2_panels_t2, t2_unpack, t2_blocks, 4, T2_COLS, 0)
DEFINE_PANEL_MATMUL(avx2_panels_t1_6, avx2_unpack_t1_6, t2_blocks, 4, T2_COLS, 0)
DEFINE_PANEL_MATMUL(avx2_panels_lut, avx2_unpack_lut, t2_blocks, 4, T2_COLS, 0)

DEFINE_PANEL_BLOCKS(i8, 6)
DEFINE_PANEL_MATMUL(avx2_panels_i8, i8_unpack, i8_blocks, 2, PANEL_SCALED_COLS / 2, 0)

DEFINE_PANEL_BLOCKS(i4, 6)
DEFINE_PANEL_MATMUL(avx2_panels_i4, i4_unpack, i4_blocks, 4, PANEL_SCALED_COLS, 8)
