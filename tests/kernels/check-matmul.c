/* Packed matrices times vectors, and packing. */
#include <math.h>
#include <string.h>

#include "tests/kernels/check.h"
#include "tests/kernels/inputs.h"
#include "tests/kernels/problem.h"

static const uint32_t rows[] = {1, 16, 17, 47, 80};
static const uint32_t columns[] = {0,  1,  3,  15, 16, 17,  20,  21,  31,  32,  33,  40,
                                   61, 63, 79, 80, 96, 100, 161, 255, 256, 257, 1030};
static const uint32_t batches[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 33};

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static void compare_range(const struct Kernels *tier, const struct Problem *p, uint32_t tile0,
                          uint32_t tile1) {
    const struct Matrix *w = &p->matrix;
    uint32_t y_stride = matrix_n_tiles(w->n_rows) * TILE_ROWS + tile0;
    size_t n = p->x.n_vectors ? (p->x.n_vectors - 1) * (size_t)y_stride : 0;
    n += matrix_n_tiles(w->n_rows) * TILE_ROWS;
    /* The whole of y is compared: what lies outside the range keeps the pattern of guarded(). */
    float *expected = guarded(SLOT_E, n * sizeof(float));
    float *actual = guarded(SLOT_F, n * sizeof(float));

    kernels_tier(0)->matmul[w->layout](w, tile0, tile1, &p->x, expected, y_stride);
    tier->matmul[w->layout](w, tile0, tile1, &p->x, actual, y_stride);
    check_same_floats(tier, actual, expected, n, "%ux%u, %u vectors, tiles %u to %u, fill %d",
                      w->n_rows, w->n_cols, p->x.n_vectors, tile0, tile1, (int)p->fill);
}

static void compare_layout(const struct Kernels *tier, enum MatrixLayout layout) {
    uint32_t turn = 0;

    for (unsigned c = 0; c < LENGTH(columns); c++)
        for (unsigned b = 0; b < LENGTH(batches); b++)
            for (enum Fill fill = 0; fill < N_FILLS; fill++) {
                uint32_t n_rows = rows[turn++ % LENGTH(rows)];
                struct Problem p = problem_new(layout, fill, n_rows, columns[c], batches[b]);
                uint32_t n_tiles = matrix_n_tiles(n_rows);
                compare_range(tier, &p, 0, n_tiles);
                compare_range(tier, &p, n_tiles / 2, n_tiles);
                compare_range(tier, &p, n_tiles / 3, n_tiles - n_tiles / 3);
            }
}

/* All weights at one end, all activations at the other, as many columns as there may be: the
 * largest sums. */
static void compare_largest(const struct Kernels *tier, enum MatrixLayout layout) {
    for (unsigned n_vectors = 1; n_vectors <= 4; n_vectors += 3) {
        struct Problem p = problem_new_largest(layout, 17, MATRIX_MAX_COLS, n_vectors);
        compare_range(tier, &p, 0, 2);
    }
}

static void compare_f32(const struct Kernels *tier) {
    compare_layout(tier, MATRIX_F32);
}

static void compare_f16(const struct Kernels *tier) {
    compare_layout(tier, MATRIX_F16);
}

static void compare_i8(const struct Kernels *tier) {
    compare_layout(tier, MATRIX_I8);
    compare_largest(tier, MATRIX_I8);
}

static void compare_t2(const struct Kernels *tier) {
    compare_layout(tier, MATRIX_T2);
    compare_largest(tier, MATRIX_T2);
}

static void compare_i4(const struct Kernels *tier) {
    compare_layout(tier, MATRIX_I4);
    compare_largest(tier, MATRIX_I4);
}

static void compare_t1_6(const struct Kernels *tier) {
    compare_layout(tier, MATRIX_T1_6);
    compare_largest(tier, MATRIX_T1_6);
}

static void compare_lut(const struct Kernels *tier) {
    compare_layout(tier, MATRIX_LUT);
    compare_largest(tier, MATRIX_LUT);
}

/* The C tier against weights and activations as numbers, in double precision. */
static void check_definition(enum MatrixLayout layout) {
    enum { N_ROWS = 37, N_COLS = 300, N_VECTORS = 3, Y_STRIDE = 48 };
    struct Problem p = problem_new(layout, FILL_RANDOM, N_ROWS, N_COLS, N_VECTORS);
    float y[N_VECTORS][Y_STRIDE], row[N_COLS];

    kernels_tier(0)->matmul[layout](&p.matrix, 0, 3, &p.x, y[0], Y_STRIDE);
    for (uint32_t v = 0; v < N_VECTORS; v++)
        for (uint32_t r = 0; r < N_ROWS; r++) {
            double expected = 0, size = 0;
            matrix_row(&p.matrix, r, row);
            for (uint32_t c = 0; c < N_COLS; c++) {
                double product = row[c] * problem_activation(&p, v, c);
                expected += product;
                size += fabs(product);
            }
            if (!(fabs(y[v][r] - expected) <= 1e-6 * size))
                check_failed("C tier, vector %u, row %u: %g, expected %g", v, r, y[v][r], expected);
        }
}

void check_matmul_f32(void) {
    check_definition(MATRIX_F32);
    check_tiers(compare_f32);
}

void check_matmul_f16(void) {
    check_definition(MATRIX_F16);
    check_tiers(compare_f16);
}

void check_matmul_i8(void) {
    check_definition(MATRIX_I8);
    check_tiers(compare_i8);
}

void check_matmul_t2(void) {
    check_definition(MATRIX_T2);
    check_tiers(compare_t2);
}

void check_matmul_i4(void) {
    check_definition(MATRIX_I4);
    check_tiers(compare_i4);
}

void check_matmul_t1_6(void) {
    check_definition(MATRIX_T1_6);
    check_tiers(compare_t1_6);
}

void check_matmul_lut(void) {
    check_definition(MATRIX_LUT);
    check_tiers(compare_lut);
}

/* ---- packing ---- */

static void check_round_trip(enum MatrixLayout layout, uint32_t n_rows, uint32_t n_cols) {
    struct Problem p = problem_new(layout, FILL_RANDOM, n_rows, n_cols, 1);
    float *row = guarded(SLOT_E, n_cols * sizeof *row);

    for (uint32_t r = 0; r < n_rows; r++) {
        matrix_row(&p.matrix, r, row);
        for (uint32_t c = 0; c < n_cols; c++) {
            float expected = problem_weight(&p, r, c);
            if (row[c] != expected)
                check_failed("layout %d, %ux%u, row %u, column %u: %g, expected %g", (int)layout,
                             n_rows, n_cols, r, c, row[c], expected);
        }
    }
}

static void check_sizes(enum MatrixLayout layout, uint32_t bits, uint32_t group) {
    size_t tile = (size_t)bits * group * TILE_ROWS / 8;
    if (matrix_column_group(layout) != group || matrix_tile_size(layout, 0) != 0 ||
        matrix_tile_size(layout, 1) != tile || matrix_tile_size(layout, group + 1) != 2 * tile ||
        matrix_size(layout, 17, group) != 2 * tile || matrix_size(layout, 0, group) != 0)
        check_failed("sizes of layout %d", (int)layout);
}

/* Two groups share a line of scales. */
static void check_scaled_sizes(enum MatrixLayout layout, size_t group) {
    if (matrix_column_group(layout) != 32 || matrix_tile_size(layout, 0) != 0 ||
        matrix_tile_size(layout, 1) != 64 + group ||
        matrix_tile_size(layout, 33) != 64 + 2 * group ||
        matrix_tile_size(layout, 65) != 2 * 64 + 3 * group ||
        matrix_size(layout, 17, 64) != 2 * (64 + 2 * group))
        check_failed("sizes of layout %d", (int)layout);
}

void check_packing(void) {
    static const uint32_t few_columns[] = {0,  1,  15, 16, 17, 20,  32, 33,
                                           41, 79, 80, 95, 96, 100, 257};

    check_sizes(MATRIX_F32, 32, 1);
    check_sizes(MATRIX_F16, 16, 1);
    check_sizes(MATRIX_T2, 2, 16);
    if (matrix_column_group(MATRIX_T1_6) != 20 || matrix_tile_size(MATRIX_T1_6, 21) != 2 * 64 ||
        matrix_size(MATRIX_T1_6, 17, 20) != 2 * 64)
        check_failed("sizes of layout %d", MATRIX_T1_6);
    if (matrix_column_group(MATRIX_LUT) != 96 || matrix_tile_size(MATRIX_LUT, 97) != 2 * 320 ||
        matrix_size(MATRIX_LUT, 17, 96) != 2 * 320)
        check_failed("sizes of layout %d", MATRIX_LUT);
    check_scaled_sizes(MATRIX_I8, 512);
    check_scaled_sizes(MATRIX_I4, 256);
    for (enum MatrixLayout layout = 0; layout < N_MATRIX_LAYOUTS; layout++)
        for (unsigned c = 0; c < LENGTH(few_columns); c++) {
            check_round_trip(layout, 1, few_columns[c]);
            check_round_trip(layout, 33, few_columns[c]);
        }
}
