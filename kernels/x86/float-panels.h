/*
 * MATRIX_F32 and MATRIX_F16 times many vectors, for any width of vector. The includer defines what
 * float-matmul.h wants.
 *
 * Columns come in four classes, k = column mod 4, and each row and vector has a partial sum for
 * each class. With few registers only one class at a time is summed up for as many vectors as fit,
 * the columns of a panel being gone over four times: a panel is FLOAT_PANEL_TILES tiles x at most
 * FLOAT_PANEL_COLS columns, 16 KiB of floats that stay in L1 while all vectors pass by. Halves are
 * converted into a panel once, floats are multiplied where they lie. Partial sums wait in L2 for
 * the next columns.
 */
#pragma once

#include "kernels/x86/blocks.h"

#define FLOAT_PANEL_TILES 2u
#define FLOAT_PANEL_COLS 128u
#define FLOAT_PANEL_VECTORS 256u /* the most whose partial sums lie side by side */

/* Of a vector: those of one tile after those of the other. */
typedef float FloatSums[FLOAT_PANEL_TILES][4][TILE_ROWS];

/* One panel's part of a product. */
struct FloatStep {
    const struct Matrix *matrix;
    const struct Activations *x;
    float *y;
    size_t y_stride;
    uint32_t tile, n_tiles; /* n_tiles: FLOAT_PANEL_TILES or less */
    uint32_t column, n_cols;
    size_t column_size;                    /* bytes of a column of a tile */
    const float *panel[FLOAT_PANEL_TILES]; /* [n_cols][TILE_ROWS] of each tile */
    const char *next[FLOAT_PANEL_TILES];   /* what the next panel will be made from */
};

/* Multiplies the panel with the vectors from v on, whose partial sums these are. */
typedef void FloatBlock(const struct FloatStep *step, uint32_t v, FloatSums *sums, bool asks);

struct FloatKernel {
    FloatBlock *const *blocks; /* [n] for n vectors, 1 to max_block */
    uint32_t max_block;
};

/* Class k of one tile. The first vectors that pass by ask for the next panel's columns, one by one:
 * else few vectors would wait for memory first and multiply then. */
ALWAYS_INLINE void float_class(const struct FloatStep *step, const unsigned t, const float *x,
                               FloatSums *sums, unsigned k, const bool asks,
                               const unsigned n_vectors) {
    const size_t stride = step->x->stride, column_size = step->column_size;
    const float *panel = step->panel[t] + k * TILE_ROWS;
    const char *next = step->next[t] + k * column_size;
    Rows p[BLOCK_MAX_VECTORS][N_SLICES];

    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) UNROLL
    for (unsigned s = 0; s < N_SLICES; s++)
        p[v][s] = step->column == 0 ? rows_set(0) : rows_f32(&sums[v][t][k][s * ROWS]);
    x += k;
    for (uint32_t c = k; c < step->n_cols; c += 4) {
        Rows w[N_SLICES];
        if (asks) __builtin_prefetch(next, 0, 2);
        UNROLL
        for (unsigned s = 0; s < N_SLICES; s++) w[s] = rows_f32(panel + s * ROWS);
        UNROLL
        for (unsigned v = 0; v < n_vectors; v++) {
            const Rows broadcast = rows_set(x[v * stride]);
            UNROLL
            for (unsigned s = 0; s < N_SLICES; s++) p[v][s] = rows_fma(w[s], broadcast, p[v][s]);
        }
        x += 4;
        panel += 4 * TILE_ROWS;
        next += 4 * column_size;
    }
    UNROLL
    for (unsigned v = 0; v < n_vectors; v++) UNROLL
    for (unsigned s = 0; s < N_SLICES; s++) rows_store(&sums[v][t][k][s * ROWS], p[v][s]);
}

static inline void float_finish(const struct FloatStep *step, size_t v, unsigned t,
                                FloatSums *sums) {
    for (unsigned r = 0; r < TILE_ROWS; r += ROWS) {
        Rows p[4];
        for (unsigned k = 0; k < 4; k++) p[k] = rows_f32(&(*sums)[t][k][r]);
        rows_store(block_y(step->y, step->y_stride, v, step->tile + t) + r,
                   rows_add(rows_add(p[0], p[1]), rows_add(p[2], p[3])));
    }
}

ALWAYS_INLINE void float_panel(const struct FloatStep *step, uint32_t v0, FloatSums *sums,
                               bool asks, const unsigned n_vectors) {
    const float *x = step->x->f32 + v0 * step->x->stride + step->column;
    const bool is_last = step->column + step->n_cols >= step->matrix->n_cols;

    for (unsigned t = 0; t < step->n_tiles; t++) {
        for (unsigned k = 0; k < 4; k++)
            if (asks)
                float_class(step, t, x, sums, k, true, n_vectors);
            else
                float_class(step, t, x, sums, k, false, n_vectors);
        for (unsigned v = 0; v < n_vectors && is_last; v++) float_finish(step, v0 + v, t, sums + v);
    }
}

/* The weights of the step's columns as floats, in `panel` where they are not. */
static inline void float_unpack(struct FloatStep *step,
                                float panel[][FLOAT_PANEL_COLS * TILE_ROWS]) {
    for (unsigned t = 0; t < step->n_tiles; t++) {
        const char *tile =
            block_tile(step->matrix, step->tile + t) + step->column * step->column_size;
        step->panel[t] = panel[t];
        step->next[t] = tile + step->n_cols * step->column_size;
        if (step->matrix->layout == MATRIX_F32)
            step->panel[t] = (const void *)tile;
        else
            for (size_t i = 0; i < (size_t)step->n_cols * TILE_ROWS; i += ROWS)
                rows_store(panel[t] + i, rows_f16((const uint16_t *)(const void *)tile + i));
    }
}

/* The step's tiles times the vectors [v0, v0 + n). */
static inline void float_tiles(struct FloatStep *step, const struct FloatKernel *kernel,
                               uint32_t v0, uint32_t n) {
    _Alignas(64) float panel[FLOAT_PANEL_TILES][FLOAT_PANEL_COLS * TILE_ROWS];
    _Alignas(64) FloatSums sums[FLOAT_PANEL_VECTORS];
    const uint32_t n_blocks = (n + kernel->max_block - 1) / kernel->max_block;

    step->column = 0;
    do { /* once where there are no columns, for y is to be written */
        const uint32_t left = step->matrix->n_cols - step->column;
        step->n_cols = left < FLOAT_PANEL_COLS ? left : FLOAT_PANEL_COLS;
        float_unpack(step, panel);
        for (uint32_t i = 0; i < n_blocks; i++) {
            const uint32_t v = block_cut(n, n_blocks, i), end = block_cut(n, n_blocks, i + 1);
            kernel->blocks[end - v](step, v0 + v, sums + v, i == 0);
        }
    } while ((step->column += FLOAT_PANEL_COLS) < step->matrix->n_cols);
}

static inline void matmul_in_float_panels(const struct FloatKernel *kernel,
                                          const struct Matrix *matrix, uint32_t tile0,
                                          uint32_t tile1, const struct Activations *x, float *y,
                                          size_t y_stride) {
    struct FloatStep step = {.matrix = matrix, .x = x, .y = y, .y_stride = y_stride};
    step.column_size = matrix_tile_size(matrix->layout, 1);

    for (uint32_t v = 0; v < x->n_vectors; v += FLOAT_PANEL_VECTORS) {
        const uint32_t left = x->n_vectors - v;
        for (step.tile = tile0; step.tile < tile1; step.tile += FLOAT_PANEL_TILES) {
            step.n_tiles =
                tile1 - step.tile < FLOAT_PANEL_TILES ? tile1 - step.tile : FLOAT_PANEL_TILES;
            float_tiles(&step, kernel, v, left < FLOAT_PANEL_VECTORS ? left : FLOAT_PANEL_VECTORS);
        }
    }
}

/* Defines the block of n vectors, and a kernel from its blocks: NULL, then those of 1, 2, ... */
#define DEFINE_FLOAT_BLOCK(name, n)                                                                \
    static void name##_##n(const struct FloatStep *step, uint32_t v, FloatSums *sums, bool asks) { \
        name(step, v, sums, asks, n);                                                              \
    }
#define DEFINE_FLOAT_BLOCKS(name, n) DEFINE_BLOCK_TABLE(FloatBlock, DEFINE_FLOAT_BLOCK, name, n)
#define DEFINE_FLOAT_MATMUL(name, blocks)                                                          \
    static void name(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,                  \
                     const struct Activations *x, float *y, size_t y_stride) {                     \
        static const struct FloatKernel kernel = {blocks, sizeof(blocks) / sizeof *(blocks)-1};    \
        matmul_in_float_panels(&kernel, matrix, tile0, tile1, x, y, y_stride);                     \
    }
