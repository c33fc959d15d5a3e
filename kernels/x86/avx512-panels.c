/* The AVX-512 tier: integer matrices times many vectors. */
#include "kernels/scaled.h"
#include "kernels/x86/dots-avx512.h"
#include "kernels/x86/panels.h"

/* 28 of the 32 registers of a block are 2 tiles x 12 vectors of sums, their weights and a word. */
#define T2_VECTORS 12u
/* Here each sum of dots has a sum of floats beside it. */
#define I8_VECTORS 6u

/* Four columns of a panel's tiles. */
typedef __m512i Weights[PANEL_TILES];

ALWAYS_INLINE void load_weights(const char *panel, Weights w) {
    UNROLL
    for (unsigned t = 0; t < PANEL_TILES; t++) w[t] = _mm512_load_si512(panel + t * 64);
}

ALWAYS_INLINE void store_weights(char *panel, unsigned t, __m512i w) {
    _mm512_store_si512(panel + t * 64, w);
}

/* Adds the dots of n_words times four columns; each word of the slab is loaded once for all tiles.
 */
ALWAYS_INLINE void panel_dots(const char *panel, const int32_t *slab, uint32_t n_words,
                              Sums dots[][PANEL_TILES], const unsigned n_vectors) {
    for (uint32_t i = 0; i < n_words; i++, panel += PANEL_WORD, slab += n_vectors) {
        Weights w;
        load_weights(panel, w);
        UNROLL
        for (unsigned v = 0; v < n_vectors; v++) {
            __m512i word = _mm512_set1_epi32(slab[v]);
            UNROLL
            for (unsigned t = 0; t < PANEL_TILES; t++)
                dots[v][t] = (Sums)_mm512_dpbusd_epi32((__m512i)dots[v][t], w[t], word);
        }
    }
}

/* ---- T2: y is dots until the last columns are there ---- */

static void t2_unpack(const struct PanelStep *step, uint32_t tile, unsigned t, char *panel) {
    const char *from = block_tile(step->matrix, tile) + (size_t)step->column / 16 * 64;
    for (uint32_t c = 0; c < step->n_cols; c += 16, from += 64) {
        __m512i codes = _mm512_loadu_si512(from);
        for (int g = 0; g < 4; g++, panel += PANEL_WORD)
            store_weights(
                panel, t,
                _mm512_and_si512(_mm512_srli_epi16(codes, 2 * (unsigned)g), _mm512_set1_epi8(3)));
    }
}

static void t2_finish(const struct PanelStep *step, uint32_t v, unsigned t, Sums dot) {
    float *y = panel_y(step, v, t);
    dot += panel_is_first(step) ? (Sums){0} - step->x->sums[v] : (Sums)_mm512_loadu_si512(y);
    if (panel_is_last(step))
        store_t2(step->matrix, step->x, v, y, dot);
    else
        _mm512_storeu_si512(y, (__m512i)dot);
}

ALWAYS_INLINE void t2(const struct PanelStep *step, const int32_t *slab, uint32_t v0,
                      const unsigned n_vectors) {
    Sums dots[T2_VECTORS][PANEL_TILES], done[T2_VECTORS][PANEL_TILES];

    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) UNROLL
    for (unsigned t = 0; t < PANEL_TILES; t++) dots[v][t] = (Sums){0};
    panel_dots(step->panel, slab, step->n_cols / 4, dots, n_vectors);
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) UNROLL
    for (unsigned t = 0; t < PANEL_TILES; t++) done[v][t] = dots[v][t];
    for (unsigned v = 0; v < n_vectors; v++)
        for (unsigned t = 0; t < step->n_tiles; t++) t2_finish(step, v0 + v, t, done[v][t]);
}

/* ---- I8 and I4, whose dots are scaled and added every 32 columns ---- */

ALWAYS_INLINE void store_scales(char *panel, unsigned t, const char *scales) {
    const __m256i halves = _mm256_loadu_si256((const void *)scales);
    store_weights(panel, t, _mm512_castps_si512(_mm512_cvtph_ps(halves)));
}

static void i8_unpack(const struct PanelStep *step, uint32_t tile, unsigned t, char *panel) {
    const char *data = block_tile(step->matrix, tile);
    const uint32_t first = step->column / I8_BLOCK, n = step->n_cols / I8_BLOCK;
    for (uint32_t b = first; b < first + n; b++) {
        const char *from = data + scaled_codes_at(MATRIX_I8, b);
        for (unsigned g = 0; g < 8; g++, panel += PANEL_WORD)
            store_weights(
                panel, t,
                _mm512_xor_si512(_mm512_loadu_si512(from + g * 64), _mm512_set1_epi8((char)0x80)));
        store_scales(panel, t, data + scaled_scales_at(MATRIX_I8, b));
        panel += PANEL_WORD;
    }
}

static void i4_unpack(const struct PanelStep *step, uint32_t tile, unsigned t, char *panel) {
    const __m512i low = _mm512_set1_epi8(15);
    const char *data = block_tile(step->matrix, tile);
    const uint32_t first = step->column / I8_BLOCK, n = step->n_cols / I8_BLOCK;
    for (uint32_t b = first; b < first + n; b++) {
        const char *from = data + scaled_codes_at(MATRIX_I4, b);
        for (unsigned g = 0; g < 4; g++, panel += PANEL_WORD) {
            __m512i both = _mm512_loadu_si512(from + g * 64);
            store_weights(panel, t, _mm512_and_si512(both, low));
            store_weights(panel + 4 * PANEL_WORD, t,
                          _mm512_and_si512(_mm512_srli_epi16(both, 4), low));
        }
        panel += 4 * PANEL_WORD;
        store_scales(panel, t, data + scaled_scales_at(MATRIX_I4, b));
        panel += PANEL_WORD;
    }
}

/* sums += dots * (weight's scale * activation's scale), the scales lying behind what the dots
 * were made of. */
ALWAYS_INLINE void add_scaled(const char *panel, const int32_t *slab, Sums dots[][PANEL_TILES],
                              __m512 sums[][PANEL_TILES], const unsigned n_vectors) {
    Weights scales;
    load_weights(panel, scales);
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) {
        __m512 x_scale = _mm512_castsi512_ps(_mm512_set1_epi32(slab[v]));
        UNROLL
        for (unsigned t = 0; t < PANEL_TILES; t++)
            sums[v][t] =
                _mm512_fmadd_ps(_mm512_cvtepi32_ps((__m512i)dots[v][t]),
                                _mm512_mul_ps(_mm512_castsi512_ps(scales[t]), x_scale), sums[v][t]);
    }
}

ALWAYS_INLINE void i8(const struct PanelStep *step, const int32_t *slab, uint32_t v0,
                      const unsigned n_vectors) {
    const __m512 scale = _mm512_set1_ps(panel_is_last(step) ? step->matrix->scale : 1);
    const char *panel = step->panel;
    __m512 sums[I8_VECTORS][PANEL_TILES];

    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) UNROLL
    for (unsigned t = 0; t < PANEL_TILES; t++)
        sums[v][t] = panel_is_first(step)
                         ? _mm512_setzero_ps()
                         : _mm512_loadu_ps(panel_y(step, v0 + v, t < step->n_tiles ? t : 0));
    for (uint32_t c = 0; c < step->n_cols; c += I8_BLOCK) {
        Sums dots[I8_VECTORS][PANEL_TILES];
        UNROLL
        for (unsigned v = 0; v < n_vectors; v++) UNROLL
        for (unsigned t = 0; t < PANEL_TILES; t++)
            dots[v][t] = (Sums)_mm512_set1_epi32(slab[9 * n_vectors + v]);
        panel_dots(panel, slab, 8, dots, n_vectors);
        add_scaled(panel + 8 * PANEL_WORD, slab + (size_t)8 * n_vectors, dots, sums, n_vectors);
        panel += 9 * PANEL_WORD;
        slab += (8 + SLAB_SCALES) * n_vectors;
    }
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) UNROLL
    for (unsigned t = 0; t < PANEL_TILES; t++)
        if (t < step->n_tiles)
            _mm512_storeu_ps(panel_y(step, v0 + v, t), _mm512_mul_ps(sums[v][t], scale));
}

DEFINE_PANEL_BLOCKS(t2, 12)
DEFINE_PANEL_MATMUL(avx512_panels_t2, t2_unpack, t2_blocks, 4, PANEL_COLS, 0)
/* 960 columns: twelve times the 80 that four groups share. */
DEFINE_PANEL_MATMUL(avx512_panels_t1_6, avx512_vbmi_unpack_t1_6, t2_blocks, 4, 960, 0)

/* and ten times a group of LUT. */
DEFINE_PANEL_MATMUL(avx512_panels_lut, avx2_unpack_lut, t2_blocks, 4, 960, 0)

DEFINE_PANEL_BLOCKS(i8, 6)
DEFINE_PANEL_MATMUL(avx512_panels_i8, i8_unpack, i8_blocks, 4, PANEL_SCALED_COLS, 128)
DEFINE_PANEL_MATMUL(avx512_panels_i4, i4_unpack, i8_blocks, 4, PANEL_SCALED_COLS, 8)
