/*
 * Cache blocking: how the integer products of a large batch are cut up.
 *
 * A panel is PANEL_TILES tiles x at most PANEL_COLS columns whose weights were unpacked to what the
 * tier's instruction multiplies as it is, bytes or int16: 16 to 32 KiB that stay in L1, or at its
 * edge, while all vectors pass by. The vectors' same columns were copied before into slabs, one for
 * each block of vectors, in the order in which they are read; up to 256 KiB that stay in L2 while
 * all panels pass by. Between two stretches of columns y holds what was summed so far: it comes
 * from L3 and goes there, the less often the longer the stretches are.
 *
 * Against one tile at a time with its codes unpacked for every 8 vectors this takes a quarter of
 * the loads per product, which a CPU with two VNNI ports cannot feed otherwise.
 */
#pragma once

#include "kernels/x86/blocks.h"

#define PANEL_TILES 2u
#define PANEL_COLS 1024u
#define PANEL_VECTORS 256u /* the most whose slabs lie side by side */

/* Vectors in one block at most, over all kernels. */
#define PANEL_MAX_BLOCK 12u

/* Columns that have scales of their own fill a panel with half as many: more of them, with their
 * scales, take L1 from what passes by (Zen 4: 18 % slower with 16 vectors). */
#define PANEL_SCALED_COLS 512u

/* Weights and activations come in words of 4 bytes: 4 columns as bytes, or 2 as int16, first the
 * even ones of 4 columns and then the odd ones. A panel has for each word one of each of 16 rows of
 * each tile; with ACTIVATION_I8_BLOCK there are, behind the words of 32 columns, 16 float scales of
 * each tile. */
#define PANEL_WORD (PANEL_TILES * 64)
#define PANEL_MAX_SIZE (PANEL_COLS / 4 * PANEL_WORD)
_Static_assert(PANEL_SCALED_COLS / I8_BLOCK * 9 * PANEL_WORD <= PANEL_MAX_SIZE, "scales have room");

/* A slab has for each word one of each vector, then, with ACTIVATION_I8_BLOCK, each vector's scale
 * and what its dots start from. */
#define SLAB_SCALES 2u
#define SLAB_MAX_WORDS (PANEL_COLS / 4)
_Static_assert(PANEL_SCALED_COLS / I8_BLOCK * (8 + SLAB_SCALES) <= SLAB_MAX_WORDS,
               "scales have room");

/* One panel's part of a product. */
struct PanelStep {
    const struct Matrix *matrix;
    const struct Activations *x;
    float *y;
    size_t y_stride;
    uint32_t tile, n_tiles; /* n_tiles: PANEL_TILES or less; what else the panel has is no matter */
    uint32_t column, n_cols; /* n_cols: a multiple of 4, or of I8_BLOCK (ACTIVATION_I8_BLOCK) */
    const char *panel;
};

/* Writes the columns of `tile` as tile number t of the panel. */
typedef void PanelUnpack(const struct PanelStep *step, uint32_t tile, unsigned t, char *panel);

PanelUnpack avx2_unpack_t1_6, avx2_unpack_lut, avx512_vbmi_unpack_t1_6;

/* Multiplies the panel with the vectors from v on, whose slab that is. */
typedef void PanelBlock(const struct PanelStep *step, const int32_t *slab, uint32_t v);

struct PanelKernel {
    PanelUnpack *unpack;
    PanelBlock *const *blocks; /* [n] for n vectors, 1 to max_block */
    uint32_t max_block;
    uint32_t word_cols; /* columns of a word, 4 or 2 */
    uint32_t max_cols;  /* of a panel: whole groups of the layout, at most PANEL_COLS bytes a row */
    int32_t zero; /* what was added to each weight to make it unsigned (ACTIVATION_I8_BLOCK) */
};

ALWAYS_INLINE bool panel_is_first(const struct PanelStep *step) {
    return step->column == 0;
}

ALWAYS_INLINE bool panel_is_last(const struct PanelStep *step) {
    return step->column + step->n_cols >= step->matrix->n_cols;
}

ALWAYS_INLINE float *panel_y(const struct PanelStep *step, size_t v, size_t t) {
    return step->y + v * step->y_stride + (step->tile + t) * TILE_ROWS;
}

/* The even ones of four int8, or the odd ones, as two int16. */
static inline int32_t two_of_four(const int8_t *q, unsigned odd) {
    return (int32_t)((uint16_t)q[odd] | (uint32_t)q[odd + 2] << 16);
}

/* `n` vectors' words of n_cols columns, vectors side by side. */
ALWAYS_INLINE int32_t *slab_words(const int8_t *q, size_t stride, size_t n, uint32_t n_cols,
                                  const uint32_t word_cols, int32_t *slab) {
    for (size_t i = 0; i < n; i++, q += stride) {
        int32_t *to = slab + i;
        for (uint32_t c = 0; c < n_cols; c += 4) UNROLL
        for (unsigned odd = 0; odd < 4 / word_cols; odd++, to += n)
            *to = word_cols == 4 ? load_4x8(q + c) : two_of_four(q + c, odd);
    }
    return slab + n_cols / word_cols * n;
}

/* A block's scales, and what makes up for weights that are unsigned. */
static inline int32_t *slab_scales(const struct Activations *x, size_t at, uint32_t n,
                                   const struct PanelKernel *kernel, int32_t *slab) {
    const size_t per_vector = x->stride / I8_BLOCK;
    for (uint32_t i = 0; i < n; i++, at += per_vector) {
        memcpy(slab + i, x->scales + at, sizeof *slab);
        slab[n + i] = -kernel->zero * x->sums[at];
    }
    return slab + 2 * (size_t)n;
}

/* The slab of n vectors from v on. */
static inline int32_t *slab_fill(const struct PanelStep *step, const struct PanelKernel *kernel,
                                 uint32_t v, uint32_t n, int32_t *slab) {
    const struct Activations *x = step->x;
    const int8_t *q = x->i8 + v * x->stride + step->column;
    if (x->form == ACTIVATION_I8_TOKEN)
        return slab_words(q, x->stride, n, step->n_cols, kernel->word_cols, slab);
    for (uint32_t c = 0; c < step->n_cols; c += I8_BLOCK) {
        slab = slab_words(q + c, x->stride, n, I8_BLOCK, kernel->word_cols, slab);
        slab = slab_scales(x, (v * x->stride + step->column + c) / I8_BLOCK, n, kernel, slab);
    }
    return slab;
}

/* What a block will add to is not in L1, and in no order that the hardware foresees. */
static inline void panel_prefetch_y(const struct PanelStep *step, uint32_t v, uint32_t n) {
    for (uint32_t i = v; i < v + n; i++)
        for (unsigned t = 0; t < step->n_tiles; t++) __builtin_prefetch(panel_y(step, i, t), 1);
}

/* What the next panel will be unpacked from, some lines with each block. Without this a prompt
 * spends a tenth of its time waiting for weights: their pieces are too short for the hardware to
 * see a stream. */
struct PanelAhead {
    const char *tiles[PANEL_TILES];
    size_t n_lines;
};

static inline struct PanelAhead panel_ahead(const struct PanelStep *step, uint32_t n_blocks) {
    const enum MatrixLayout layout = step->matrix->layout;
    const size_t at = matrix_tile_size(layout, step->column);
    struct PanelAhead ahead;
    for (unsigned t = 0; t < PANEL_TILES; t++)
        ahead.tiles[t] = block_tile(step->matrix, (size_t)step->tile + PANEL_TILES + t) + at;
    ahead.n_lines = (matrix_tile_size(layout, step->n_cols) / 64 + n_blocks - 1) / n_blocks;
    return ahead;
}

ALWAYS_INLINE void panel_prefetch_next(struct PanelAhead *ahead) {
    for (unsigned t = 0; t < PANEL_TILES; t++) {
        for (size_t line = 0; line < ahead->n_lines; line++)
            __builtin_prefetch(ahead->tiles[t] + line * 64, 0, 2);
        ahead->tiles[t] += ahead->n_lines * 64;
    }
}

/* One panel times the vectors [v0, v0 + n). */
static inline void panel_multiply(const struct PanelStep *step, const struct PanelKernel *kernel,
                                  uint32_t v0, uint32_t n, const int32_t *slabs) {
    const uint32_t n_blocks = (n + kernel->max_block - 1) / kernel->max_block;
    const size_t n_scales = step->x->form == ACTIVATION_I8_BLOCK ? SLAB_SCALES : 0;
    const size_t per_vector = step->n_cols / kernel->word_cols + step->n_cols / I8_BLOCK * n_scales;
    struct PanelAhead ahead = panel_ahead(step, n_blocks);
    for (uint32_t i = 0; i < n_blocks; i++) {
        const uint32_t v = block_cut(n, n_blocks, i), end = block_cut(n, n_blocks, i + 1);
        panel_prefetch_next(&ahead);
        if (end < n) panel_prefetch_y(step, v0 + end, block_cut(n, n_blocks, i + 2) - end);
        kernel->blocks[end - v](step, slabs + v * per_vector, v0 + v);
    }
}

/* All panels of the step's columns times the vectors [v0, v0 + n). */
static inline void panel_columns(struct PanelStep *step, const struct PanelKernel *kernel,
                                 uint32_t tile0, uint32_t tile1, uint32_t v0, uint32_t n) {
    _Alignas(64) int32_t slabs[PANEL_VECTORS * SLAB_MAX_WORDS];
    _Alignas(64) char panel[PANEL_MAX_SIZE];
    const uint32_t n_blocks = (n + kernel->max_block - 1) / kernel->max_block;
    int32_t *slab = slabs;

    for (uint32_t i = 0; i < n_blocks; i++) {
        const uint32_t v = block_cut(n, n_blocks, i);
        slab = slab_fill(step, kernel, v0 + v, block_cut(n, n_blocks, i + 1) - v, slab);
    }
    step->panel = panel;
    for (step->tile = tile0; step->tile < tile1; step->tile += PANEL_TILES) {
        step->n_tiles = tile1 - step->tile < PANEL_TILES ? tile1 - step->tile : PANEL_TILES;
        for (unsigned t = 0; t < PANEL_TILES; t++)
            kernel->unpack(step, step->tile + (t < step->n_tiles ? t : 0), t, panel);
        panel_multiply(step, kernel, v0, n, slabs);
    }
}

static inline void matmul_in_panels(const struct PanelKernel *kernel, const struct Matrix *matrix,
                                    uint32_t tile0, uint32_t tile1, const struct Activations *x,
                                    float *y, size_t y_stride) {
    const uint32_t group = x->form == ACTIVATION_I8_BLOCK ? I8_BLOCK : 4;
    const uint32_t n_cols = (matrix->n_cols + group - 1) / group * group;
    struct PanelStep step = {.matrix = matrix, .x = x, .y = y, .y_stride = y_stride};

    for (uint32_t v = 0; v < x->n_vectors; v += PANEL_VECTORS) {
        const uint32_t n = x->n_vectors - v < PANEL_VECTORS ? x->n_vectors - v : PANEL_VECTORS;
        step.column = 0;
        do { /* once where there are no columns, for y is to be written */
            const uint32_t left = n_cols - step.column;
            step.n_cols = left < kernel->max_cols ? left : kernel->max_cols;
            panel_columns(&step, kernel, tile0, tile1, v, n);
        } while ((step.column += kernel->max_cols) < n_cols);
    }
}

/* Defines the blocks of 1 to n vectors from an inline function that has the number of vectors as
 * its last parameter, and a kernel from its blocks. */
#define DEFINE_PANEL_BLOCK(name, n)                                                                \
    static void name##_##n(const struct PanelStep *step, const int32_t *slab, uint32_t v) {        \
        name(step, slab, v, n);                                                                    \
    }
#define DEFINE_PANEL_BLOCKS(name, n) DEFINE_BLOCK_TABLE(PanelBlock, DEFINE_PANEL_BLOCK, name, n)
#define DEFINE_PANEL_MATMUL(name, unpack, blocks, word_cols, max_cols, zero)                       \
    void name(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,                         \
              const struct Activations *x, float *y, size_t y_stride) {                            \
        static const struct PanelKernel kernel = {                                                 \
            unpack, blocks, sizeof(blocks) / sizeof *(blocks)-1, word_cols, max_cols, zero};       \
        matmul_in_panels(&kernel, matrix, tile0, tile1, x, y, y_stride);                           \
    }
