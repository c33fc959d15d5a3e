#include "tests/kernels/problem.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/f16.h"

static uint32_t n_blocks(uint32_t n) {
    return (n + I8_BLOCK - 1) / I8_BLOCK;
}

/* Weights before packing are read by tests alone, so they need no guard; the largest test decides
 * the size. */
static union {
    float floats[1 << 22];
    int8_t bytes[1 << 24];
} weights;
static float weight_scales[1 << 18];

static void pack_halves(const float *rows, uint32_t n_rows, uint32_t n_cols, void *dst) {
    static uint16_t halves[TILE_ROWS * (1 << 14)];
    size_t n = (size_t)n_rows * n_cols;
    if (n > sizeof halves / sizeof *halves) abort();
    for (size_t i = 0; i < n; i++) halves[i] = f16_encode(rows[i]);
    matrix_pack_f16(halves, n_rows, n_cols, dst);
}

/* The scales of n rows from `row` on. */
static const uint16_t *half_scales(const struct Problem *p, uint32_t row, uint32_t n) {
    static uint16_t scales[TILE_ROWS * MATRIX_MAX_COLS / I8_BLOCK];
    const size_t per_row = n_blocks(p->matrix.n_cols);
    for (size_t i = 0; i < n * per_row; i++) scales[i] = f16_encode(p->w_scales[row * per_row + i]);
    return scales;
}

/* Bytes of -8 to 7 as Q4_0's nibbles. */
static void pack_i4(const struct Problem *p, uint32_t row, uint32_t n, void *dst) {
    const uint32_t n_cols = p->matrix.n_cols, per_row = n_blocks(n_cols);
    static uint8_t nibbles[TILE_ROWS * MATRIX_MAX_COLS / 2];

    memset(nibbles, 0x88, (size_t)n * per_row * 16);
    for (uint32_t r = 0; r < n; r++)
        for (uint32_t c = 0; c < n_cols; c++) {
            uint8_t *byte = &nibbles[((size_t)r * per_row + c / 32) * 16 + c % 16];
            unsigned q = (unsigned)(p->bytes[(size_t)(row + r) * n_cols + c] + 8);
            *byte = c % 32 < 16 ? (*byte & 0xf0) | q : (*byte & 0x0f) | q << 4;
        }
    matrix_pack_i4(nibbles, half_scales(p, row, n), n, n_cols, dst);
}

static void pack_tile(const struct Problem *p, uint32_t row, void *dst) {
    uint32_t n = p->matrix.n_rows - row < TILE_ROWS ? p->matrix.n_rows - row : TILE_ROWS;
    size_t at = (size_t)row * p->matrix.n_cols;

    switch (p->matrix.layout) {
    case MATRIX_F32:
        matrix_pack_f32(p->floats + at, n, p->matrix.n_cols, dst);
        break;
    case MATRIX_F16:
        pack_halves(p->floats + at, n, p->matrix.n_cols, dst);
        break;
    case MATRIX_I8:
        matrix_pack_i8(p->bytes + at, half_scales(p, row, n), n, p->matrix.n_cols, dst);
        break;
    case MATRIX_I4:
        pack_i4(p, row, n, dst);
        break;
    case MATRIX_T1_6:
        matrix_pack_t1_6(p->bytes + at, n, p->matrix.n_cols, dst);
        break;
    case MATRIX_LUT:
        matrix_pack_lut(p->bytes + at, n, p->matrix.n_cols, dst);
        break;
    default:
        matrix_pack_t2(p->bytes + at, n, p->matrix.n_cols, dst);
    }
}

static void pack(struct Problem *p) {
    const struct Matrix *w = &p->matrix;
    size_t tile_size = matrix_tile_size(w->layout, w->n_cols);
    char *data = guarded_aligned(SLOT_A, matrix_size(w->layout, w->n_rows, w->n_cols));

    for (uint32_t row = 0; row < w->n_rows; row += TILE_ROWS)
        pack_tile(p, row, data + row / TILE_ROWS * tile_size);
    p->matrix.data = data;
}

static bool is_float(enum MatrixLayout layout) {
    return matrix_activation_form(layout) == ACTIVATION_F32;
}

static bool is_ternary(enum MatrixLayout layout) {
    return matrix_activation_form(layout) == ACTIVATION_I8_TOKEN;
}

static int8_t random_byte(const struct Problem *p) {
    static const int8_t ends[] = {-128, 127, -128, 0};
    if (p->fill == FILL_ZERO) return 0;
    return p->fill >= FILL_EXTREME ? ends[random_u32() % 4] : (int8_t)random_u32();
}

static int8_t random_nibble(const struct Problem *p) {
    static const int8_t ends[] = {-8, 7, -8, 0};
    if (p->fill == FILL_ZERO) return 0;
    return p->fill >= FILL_EXTREME ? ends[random_u32() % 4] : (int8_t)(random_u32() % 16) - 8;
}

static int8_t random_trit(const struct Problem *p) {
    return (int8_t)(p->fill == FILL_ZERO ? 0 : (int)(random_u32() % 3) - 1);
}

static void fill_weights(struct Problem *p) {
    const struct Matrix *w = &p->matrix;
    size_t n = (size_t)w->n_rows * w->n_cols;

    if (n > sizeof weights.bytes / (is_float(w->layout) ? sizeof(float) : 1)) abort();
    p->floats = weights.floats;
    p->bytes = weights.bytes;
    p->w_scales = weight_scales;
    if (is_float(w->layout)) fill_floats(p->fill, weights.floats, n);
    for (size_t i = 0; i < n && !is_float(w->layout); i++)
        weights.bytes[i] = is_ternary(w->layout)    ? random_trit(p)
                           : w->layout == MATRIX_I4 ? random_nibble(p)
                                                    : random_byte(p);
    fill_floats(p->fill == FILL_SPECIAL ? FILL_EXTREME : p->fill, weight_scales,
                !is_ternary(w->layout) && !is_float(w->layout)
                    ? (size_t)w->n_rows * n_blocks(w->n_cols)
                    : 0);
}

static int32_t sum_of(const int8_t *q, size_t n) {
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += q[i];
    return sum;
}

static void fill_scales(struct Problem *p, const int8_t *q) {
    struct Activations *x = &p->x;
    size_t n = x->form == ACTIVATION_I8_TOKEN ? 1 : x->stride / I8_BLOCK;
    const size_t n_padded = (size_t)n_blocks(x->n_cols) * I8_BLOCK;
    size_t length = x->form == ACTIVATION_I8_TOKEN ? n_padded : I8_BLOCK;
    float *scales = guarded(SLOT_C, n * x->n_vectors * sizeof *scales);
    int32_t *sums = guarded(SLOT_D, n * x->n_vectors * sizeof *sums);

    fill_floats(p->fill, scales, n * x->n_vectors);
    for (size_t v = 0; v < x->n_vectors; v++)
        for (size_t i = 0; i < n && (i + 1) * length <= n_padded; i++)
            sums[v * n + i] = sum_of(q + v * x->stride + i * length, length);
    x->scales = scales;
    x->sums = sums;
}

static void fill_activations(struct Problem *p) {
    struct Activations *x = &p->x;

    if (x->form == ACTIVATION_F32) {
        /* The last vector ends at the guard although the stride goes on. */
        x->stride = x->n_cols + 3;
        size_t n = x->n_vectors * x->stride - 3;
        float *f32 = guarded(SLOT_B, n * sizeof *f32);
        fill_floats(p->fill, f32, n);
        x->f32 = f32;
        return;
    }
    /* Not a power of two, which would put all vectors into the same few sets of a cache. */
    const size_t n = (size_t)n_blocks(x->n_cols) * I8_BLOCK;
    x->stride = n + I8_BLOCK;
    int8_t *q = guarded(SLOT_B, x->stride * x->n_vectors - I8_BLOCK);
    for (size_t v = 0; v < x->n_vectors; v++)
        for (size_t c = 0; c < n; c++) q[v * x->stride + c] = c < x->n_cols ? random_byte(p) : 0;
    x->i8 = q;
    fill_scales(p, q);
}

static struct Problem shaped(enum MatrixLayout layout, enum Fill fill, uint32_t n_rows,
                             uint32_t n_cols, uint32_t n_vectors) {
    float scale = matrix_activation_form(layout) == ACTIVATION_F32 ? 1 : 0.37f;
    return (struct Problem){
        .fill = fill,
        .matrix = {layout, n_rows, n_cols, scale, NULL},
        .x = {matrix_activation_form(layout), n_vectors, n_cols, 0, NULL, NULL, NULL, NULL},
    };
}

struct Problem problem_new(enum MatrixLayout layout, enum Fill fill, uint32_t n_rows,
                           uint32_t n_cols, uint32_t n_vectors) {
    struct Problem p = shaped(layout, fill, n_rows, n_cols, n_vectors);
    fill_weights(&p);
    pack(&p);
    fill_activations(&p);
    return p;
}

struct Problem problem_new_largest(enum MatrixLayout layout, uint32_t n_rows, uint32_t n_cols,
                                   uint32_t n_vectors) {
    struct Problem p = shaped(layout, FILL_RANDOM, n_rows, n_cols, n_vectors);
    fill_weights(&p);
    memset(weights.bytes,
           is_ternary(layout)    ? 1
           : layout == MATRIX_I4 ? -8
                                 : -128,
           (size_t)n_rows * n_cols);
    pack(&p);
    fill_activations(&p);
    const size_t size = p.x.stride * n_vectors - I8_BLOCK;
    int8_t *q = guarded(SLOT_B, size);
    memset(q, -128, size);
    p.x.i8 = q;
    fill_scales(&p, q);
    return p;
}

float problem_weight(const struct Problem *p, uint32_t row, uint32_t column) {
    size_t i = (size_t)row * p->matrix.n_cols + column;

    switch (p->matrix.layout) {
    case MATRIX_F32:
        return p->floats[i];
    case MATRIX_F16:
        return f16_decode(f16_encode(p->floats[i]));
    case MATRIX_I8:
    case MATRIX_I4: {
        size_t block = (size_t)row * n_blocks(p->matrix.n_cols) + column / I8_BLOCK;
        return p->bytes[i] * f16_decode(f16_encode(p->w_scales[block])) * p->matrix.scale;
    }
    default:
        return p->bytes[i] * p->matrix.scale;
    }
}

double problem_activation(const struct Problem *p, uint32_t v, uint32_t column) {
    const struct Activations *x = &p->x;

    switch (x->form) {
    case ACTIVATION_F32:
        return x->f32[v * x->stride + column];
    case ACTIVATION_I8_TOKEN:
        return (double)x->i8[v * x->stride + column] * x->scales[v];
    default:
        return (double)x->i8[v * x->stride + column] *
               x->scales[v * (x->stride / I8_BLOCK) + column / I8_BLOCK];
    }
}
