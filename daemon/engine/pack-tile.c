#include "engine/pack-tile.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/quant-encode.h"

/* ---- Scratch memory ---- */

int tile_scratch_init(struct TileScratch *scratch, uint32_t n_cols) {
    const size_t n_blocks = ((size_t)n_cols + I8_BLOCK - 1) / I8_BLOCK, n = n_blocks * I8_BLOCK;
    const size_t rows = TILE_ROWS * n * sizeof(float), codes = TILE_ROWS * n * sizeof(uint16_t);
    const size_t scales = TILE_ROWS * n_blocks * sizeof(uint16_t);
    uint8_t *memory = malloc(rows + codes + scales + 1);
    if (!memory) return -ENOMEM;
    *scratch = (struct TileScratch){
        .rows = (float *)(void *)memory,
        .codes = memory + rows,
        .scales = (uint16_t *)(void *)(memory + rows + codes),
        .memory = memory,
    };
    return 0;
}

void tile_scratch_done(struct TileScratch *scratch) {
    free(scratch->memory);
    scratch->memory = NULL;
}

/* ---- Floats ---- */

static int too_large(const struct PackSource *source, const char *form, Reason *why) {
    return reason_set(why, EBADMSG, "the tensor %s holds a number that is too large for %s",
                      source->matrix.name, form);
}

static void read_rows(const struct PackSource *source, uint32_t first, uint32_t n, float *rows) {
    size_t n_values = (size_t)n * source->matrix.n_cols;
    quant_rows(&source->matrix, first, n, rows, source->matrix.n_cols);
    if (source->factor != 1)
        for (size_t i = 0; i < n_values; i++) rows[i] *= source->factor;
}

static int pack_f32(const struct PackSource *source, uint32_t first, uint32_t n,
                    struct TileScratch *scratch, void *dst, Reason *why) {
    uint32_t n_cols = (uint32_t)source->matrix.n_cols;
    read_rows(source, first, n, scratch->rows);
    if (!quant_are_finite(scratch->rows, (size_t)n * n_cols)) return too_large(source, "F32", why);
    matrix_pack_f32(scratch->rows, n, n_cols, dst);
    return 0;
}

/* Any type, rounded to halves. */
static int pack_f16(const struct PackSource *source, uint32_t first, uint32_t n,
                    struct TileScratch *scratch, void *dst, Reason *why) {
    uint32_t n_cols = (uint32_t)source->matrix.n_cols;
    uint16_t *halves = (uint16_t *)(void *)scratch->codes, infinity = 0x7c00, some = 0;
    read_rows(source, first, n, scratch->rows);
    kernels_best()->f32_to_f16(scratch->rows, n * n_cols, halves);
    for (size_t i = 0; i < (size_t)n * n_cols; i++)
        some |= (halves[i] & infinity) == infinity ? 1 : 0;
    if (some) return too_large(source, "F16", why);
    matrix_pack_f16(halves, n, n_cols, dst);
    return 0;
}

static int copy_f16(const struct PackSource *source, uint32_t first, uint32_t n,
                    struct TileScratch *scratch, void *dst, Reason *why) {
    uint32_t n_cols = (uint32_t)source->matrix.n_cols;
    memcpy(scratch->codes, quant_row_blocks(&source->matrix, first), (size_t)n * n_cols * 2);
    matrix_pack_f16((const uint16_t *)(void *)scratch->codes, n, n_cols, dst);
    return 0;
}

/* ---- Codes as they are ---- */

typedef void PackTrits(const int8_t *trits, uint32_t n_rows, uint32_t n_cols, void *dst);

static int copy_trits(PackTrits *pack, const struct PackSource *source, uint32_t first, uint32_t n,
                      struct TileScratch *scratch, void *dst) {
    int8_t *trits = (int8_t *)scratch->codes;
    quant_trits(&source->matrix, first, n, trits, source->matrix.n_cols);
    pack(trits, n, (uint32_t)source->matrix.n_cols, dst);
    return 0;
}

static int copy_t2(const struct PackSource *source, uint32_t first, uint32_t n,
                   struct TileScratch *scratch, void *dst, Reason *why) {
    return copy_trits(matrix_pack_t2, source, first, n, scratch, dst);
}

static int copy_t1_6(const struct PackSource *source, uint32_t first, uint32_t n,
                     struct TileScratch *scratch, void *dst, Reason *why) {
    return copy_trits(matrix_pack_t1_6, source, first, n, scratch, dst);
}

static int copy_lut(const struct PackSource *source, uint32_t first, uint32_t n,
                    struct TileScratch *scratch, void *dst, Reason *why) {
    return copy_trits(matrix_pack_lut, source, first, n, scratch, dst);
}

static int copy_i8(const struct PackSource *source, uint32_t first, uint32_t n,
                   struct TileScratch *scratch, void *dst, Reason *why) {
    const uint32_t n_cols = (uint32_t)source->matrix.n_cols, n_blocks = n_cols / I8_BLOCK;
    int8_t *rows = (int8_t *)scratch->codes;
    for (uint32_t i = 0; i < n; i++)
        quant_q8_row(&source->matrix, first + i, rows + (size_t)i * n_cols,
                     scratch->scales + (size_t)i * n_blocks);
    matrix_pack_i8(rows, scratch->scales, n, n_cols, dst);
    return 0;
}

static int copy_i4(const struct PackSource *source, uint32_t first, uint32_t n,
                   struct TileScratch *scratch, void *dst, Reason *why) {
    const uint32_t n_cols = (uint32_t)source->matrix.n_cols, n_blocks = n_cols / I8_BLOCK;
    for (uint32_t i = 0; i < n; i++)
        quant_q4_row(&source->matrix, first + i, scratch->codes + (size_t)i * n_cols / 2,
                     scratch->scales + (size_t)i * n_blocks);
    matrix_pack_i4(scratch->codes, scratch->scales, n, n_cols, dst);
    return 0;
}

/* ---- Requantising ---- */

/* Rows and blocks behind each other, the last block of a row filled up with zeros. */
static void read_block(const struct PackSource *source, const struct TileScratch *scratch,
                       uint32_t row, uint32_t block, float ret[I8_BLOCK]) {
    const uint32_t n_cols = (uint32_t)source->matrix.n_cols, c = block * I8_BLOCK;
    const uint32_t n = n_cols - c < I8_BLOCK ? n_cols - c : I8_BLOCK;
    memcpy(ret, scratch->rows + (size_t)row * n_cols + c, n * sizeof *ret);
    memset(ret + n, 0, (I8_BLOCK - n) * sizeof *ret);
}

static void count_error(struct TileScratch *scratch, const float weights[I8_BLOCK],
                        const float made[I8_BLOCK]) {
    float error = 0, sum = 0;
    for (unsigned i = 0; i < I8_BLOCK; i++) {
        error += (weights[i] - made[i]) * (weights[i] - made[i]);
        sum += weights[i] * weights[i];
    }
    scratch->error += (double)error;
    scratch->weights += (double)sum;
}

static int encode_i8(const struct PackSource *source, uint32_t first, uint32_t n,
                     struct TileScratch *scratch, void *dst, Reason *why) {
    const uint32_t n_cols = (uint32_t)source->matrix.n_cols;
    const uint32_t n_blocks = (n_cols + I8_BLOCK - 1) / I8_BLOCK;
    float weights[I8_BLOCK], made[I8_BLOCK];
    int8_t q[I8_BLOCK];
    read_rows(source, first, n, scratch->rows);
    for (uint32_t i = 0; i < n * n_blocks; i++) {
        const uint32_t row = i / n_blocks, c = i % n_blocks * I8_BLOCK;
        read_block(source, scratch, row, i % n_blocks, weights);
        scratch->scales[i] = quant_encode_q8_0(weights, q);
        float scale = quant_f16_to_f32(scratch->scales[i]);
        if (!isfinite(scale)) return too_large(source, "Q8_0", why);
        for (unsigned j = 0; j < I8_BLOCK; j++) made[j] = (float)q[j] * scale;
        count_error(scratch, weights, made);
        memcpy(scratch->codes + (size_t)row * n_cols + c, q,
               n_cols - c < I8_BLOCK ? n_cols - c : I8_BLOCK);
    }
    matrix_pack_i8((const int8_t *)scratch->codes, scratch->scales, n, n_cols, dst);
    return 0;
}

static int encode_i4(const struct PackSource *source, uint32_t first, uint32_t n,
                     struct TileScratch *scratch, void *dst, Reason *why) {
    const uint32_t n_cols = (uint32_t)source->matrix.n_cols;
    const uint32_t n_blocks = (n_cols + I8_BLOCK - 1) / I8_BLOCK;
    float weights[I8_BLOCK], made[I8_BLOCK];
    read_rows(source, first, n, scratch->rows);
    for (uint32_t i = 0; i < n * n_blocks; i++) {
        uint8_t *nibbles = scratch->codes + (size_t)i * I8_BLOCK / 2;
        read_block(source, scratch, i / n_blocks, i % n_blocks, weights);
        scratch->scales[i] = quant_encode_q4_0(weights, nibbles);
        float scale = quant_f16_to_f32(scratch->scales[i]);
        if (!isfinite(scale)) return too_large(source, "Q4_0", why);
        for (unsigned j = 0; j < I8_BLOCK / 2; j++) {
            made[j] = (float)((nibbles[j] & 15) - 8) * scale;
            made[j + I8_BLOCK / 2] = (float)((nibbles[j] >> 4) - 8) * scale;
        }
        count_error(scratch, weights, made);
    }
    matrix_pack_i4(scratch->codes, scratch->scales, n, n_cols, dst);
    return 0;
}

/* ---- The table ---- */

PackTile *pack_tile_for(const struct PackSource *source, enum MatrixLayout layout) {
    static const struct {
        enum MatrixLayout layout;
        uint32_t type;   /* enum QuantTypeId */
        bool any_factor; /* the matrix's scale has it; else only a factor of 1 */
        PackTile *copy;
    } copies[] = {
        {MATRIX_F16, QUANT_F16, false, copy_f16},
        {MATRIX_I8, QUANT_Q8_0, true, copy_i8},
        {MATRIX_I4, QUANT_Q4_0, true, copy_i4},
    };
    static PackTile *const others[N_MATRIX_LAYOUTS] = {
        [MATRIX_F32] = pack_f32, [MATRIX_F16] = pack_f16, [MATRIX_I8] = encode_i8,
        [MATRIX_I4] = encode_i4, [MATRIX_T2] = copy_t2,   [MATRIX_T1_6] = copy_t1_6,
        [MATRIX_LUT] = copy_lut,
    };
    for (size_t i = 0; i < sizeof copies / sizeof *copies; i++)
        if (copies[i].layout == layout && copies[i].type == source->matrix.type->id &&
            (copies[i].any_factor || source->factor == 1))
            return copies[i].copy;
    return others[layout];
}
