/* Packed matrices: sizes, packing, reading one row back. */
#include "kernels/kernels.h"

#include <assert.h>
#include <string.h>

#include "kernels/base3.h"
#include "kernels/f16.h"
#include "kernels/lut.h"
#include "kernels/scaled.h"

/* Where each layout keeps the weight of row r, column c of a tile. */

static size_t float_index(uint32_t r, uint32_t c) {
    return (size_t)c * TILE_ROWS + r;
}

static size_t i8_offset(uint32_t r, uint32_t c) {
    return scaled_codes_at(MATRIX_I8, c / I8_BLOCK) + c % I8_BLOCK / 4 * 64 + r * 4 + c % 4;
}

static size_t i4_offset(uint32_t r, uint32_t c) {
    return scaled_codes_at(MATRIX_I4, c / I8_BLOCK) + c % 16 / 4 * 64 + r * 4 + c % 4;
}

static size_t t2_offset(uint32_t r, uint32_t c) {
    return (size_t)(c / 16) * 64 + r * 4 + c % 4;
}

static unsigned t2_shift(uint32_t c) {
    return c % 16 / 4 * 2;
}

static float weight_f32(const void *tile, uint32_t n_cols, uint32_t r, uint32_t c) {
    return ((const float *)tile)[float_index(r, c)];
}

static float weight_f16(const void *tile, uint32_t n_cols, uint32_t r, uint32_t c) {
    return f16_decode(((const uint16_t *)tile)[float_index(r, c)]);
}

static float scale_of(enum MatrixLayout layout, const void *tile, uint32_t r, uint32_t c) {
    const char *scales = (const char *)tile + scaled_scales_at(layout, c / I8_BLOCK);
    uint16_t scale;
    memcpy(&scale, scales + r * sizeof scale, sizeof scale);
    return f16_decode(scale);
}

static float weight_i8(const void *tile, uint32_t n_cols, uint32_t r, uint32_t c) {
    return (float)((const int8_t *)tile)[i8_offset(r, c)] * scale_of(MATRIX_I8, tile, r, c);
}

static float weight_i4(const void *tile, uint32_t n_cols, uint32_t r, uint32_t c) {
    int q = (((const uint8_t *)tile)[i4_offset(r, c)] >> c % I8_BLOCK / 16 * 4 & 15) - 8;
    return (float)q * scale_of(MATRIX_I4, tile, r, c);
}

static float weight_t2(const void *tile, uint32_t n_cols, uint32_t r, uint32_t c) {
    return (float)((((const uint8_t *)tile)[t2_offset(r, c)] >> t2_shift(c) & 3) - 1);
}

static float weight_t1_6(const void *tile, uint32_t n_cols, uint32_t r, uint32_t c) {
    const struct Base3Place place = base3_place(n_cols, c);
    return (float)base3_trit(((const uint8_t *)tile)[place.offset + 4 * r], place.unit);
}

static float weight_lut(const void *tile, uint32_t n_cols, uint32_t r, uint32_t c) {
    return (float)lut_trit(tile, r, c);
}

static const struct {
    enum ActivationForm form;
    uint8_t group;       /* columns that are stored together */
    uint16_t group_size; /* bytes of such a group of columns, 16 rows; 0: see kernels/scaled.h */
    /* without the matrix's scale */
    float (*weight)(const void *tile, uint32_t n_cols, uint32_t r, uint32_t c);
} layouts[N_MATRIX_LAYOUTS] = {
    [MATRIX_F32] = {ACTIVATION_F32, 1, 64, weight_f32},
    [MATRIX_F16] = {ACTIVATION_F32, 1, 32, weight_f16},
    [MATRIX_I8] = {ACTIVATION_I8_BLOCK, I8_BLOCK, 0, weight_i8},
    [MATRIX_I4] = {ACTIVATION_I8_BLOCK, I8_BLOCK, 0, weight_i4},
    [MATRIX_T2] = {ACTIVATION_I8_TOKEN, 16, 64, weight_t2},
    [MATRIX_T1_6] = {ACTIVATION_I8_TOKEN, BASE3_GROUP, 64, weight_t1_6},
    [MATRIX_LUT] = {ACTIVATION_I8_TOKEN, LUT_GROUP, LUT_GROUP_SIZE, weight_lut},
};

enum ActivationForm matrix_activation_form(enum MatrixLayout layout) {
    return layouts[layout].form;
}

uint32_t matrix_column_group(enum MatrixLayout layout) {
    return layouts[layout].group;
}

uint32_t matrix_n_tiles(uint32_t n_rows) {
    return n_rows / TILE_ROWS + (n_rows % TILE_ROWS > 0);
}

size_t matrix_tile_size(enum MatrixLayout layout, uint32_t n_cols) {
    const size_t group = layouts[layout].group, n_groups = (n_cols + group - 1) / group;
    const size_t group_size = layouts[layout].group_size;
    return group_size > 0 ? n_groups * group_size : scaled_size(layout, n_groups);
}

size_t matrix_size(enum MatrixLayout layout, uint32_t n_rows, uint32_t n_cols) {
    return matrix_n_tiles(n_rows) * matrix_tile_size(layout, n_cols);
}

/* ---- Packing ---- */

/* Rows are read in pieces of so many columns: what is written for them stays in the cache. */
#define PIECE 16u

void matrix_pack_f32(const float *rows, uint32_t n_rows, uint32_t n_cols, void *dst) {
    float *tile = dst;
    assert(n_rows <= TILE_ROWS);
    if (n_rows < TILE_ROWS) memset(dst, 0, matrix_tile_size(MATRIX_F32, n_cols));
    for (uint32_t c0 = 0; c0 < n_cols; c0 += PIECE) {
        uint32_t end = n_cols - c0 < PIECE ? n_cols : c0 + PIECE;
        for (uint32_t r = 0; r < n_rows; r++)
            for (uint32_t c = c0; c < end; c++)
                tile[float_index(r, c)] = rows[(size_t)r * n_cols + c];
    }
}

void matrix_pack_f16(const uint16_t *rows, uint32_t n_rows, uint32_t n_cols, void *dst) {
    uint16_t *tile = dst;
    assert(n_rows <= TILE_ROWS);
    if (n_rows < TILE_ROWS) memset(dst, 0, matrix_tile_size(MATRIX_F16, n_cols));
    for (uint32_t c0 = 0; c0 < n_cols; c0 += PIECE) {
        uint32_t end = n_cols - c0 < PIECE ? n_cols : c0 + PIECE;
        for (uint32_t r = 0; r < n_rows; r++)
            for (uint32_t c = c0; c < end; c++)
                tile[float_index(r, c)] = rows[(size_t)r * n_cols + c];
    }
}

/* Four bytes of a row stay together. */
static void copy_fours(const void *from, uint32_t n_fours, void *to, uint32_t r) {
    for (uint32_t i = 0; i < n_fours; i++)
        memcpy((char *)to + i * 64 + r * 4, (const char *)from + i * 4, 4);
}

static void put_scale(enum MatrixLayout layout, char *tile, uint32_t r, uint32_t b,
                      uint16_t scale) {
    memcpy(tile + scaled_scales_at(layout, b) + r * sizeof scale, &scale, sizeof scale);
}

/* Zeros for what no row or block will fill, a second block of a line's included. */
static void clear_scaled(enum MatrixLayout layout, uint32_t n_rows, uint32_t n_cols, char *tile) {
    const uint32_t n_blocks = (n_cols + I8_BLOCK - 1) / I8_BLOCK;
    if (n_rows < TILE_ROWS || n_cols % I8_BLOCK > 0)
        memset(tile, 0, scaled_size(layout, n_blocks));
    else if (n_blocks % 2 > 0)
        memset(tile + scaled_scales_at(layout, n_blocks), 0, SCALES_LINE / 2);
}

void matrix_pack_i8(const int8_t *rows, const uint16_t *scales, uint32_t n_rows, uint32_t n_cols,
                    void *dst) {
    uint32_t n_blocks = (n_cols + I8_BLOCK - 1) / I8_BLOCK;
    char *tile = dst;

    assert(n_rows <= TILE_ROWS);
    clear_scaled(MATRIX_I8, n_rows, n_cols, tile);
    for (uint32_t b = 0; b < n_blocks; b++)
        for (uint32_t r = 0; r < n_rows; r++) {
            const int8_t *row = rows + (size_t)r * n_cols;
            put_scale(MATRIX_I8, tile, r, b, scales[(size_t)r * n_blocks + b]);
            if (n_cols - b * I8_BLOCK >= I8_BLOCK)
                copy_fours(row + b * I8_BLOCK, I8_BLOCK / 4, tile + i8_offset(0, b * I8_BLOCK), r);
            else
                for (uint32_t c = b * I8_BLOCK; c < n_cols; c++) tile[i8_offset(r, c)] = row[c];
        }
}

void matrix_pack_i4(const uint8_t *nibbles, const uint16_t *scales, uint32_t n_rows,
                    uint32_t n_cols, void *dst) {
    uint32_t n_blocks = (n_cols + I8_BLOCK - 1) / I8_BLOCK;
    char *tile = dst;

    assert(n_rows <= TILE_ROWS);
    clear_scaled(MATRIX_I4, n_rows, n_cols, tile);
    for (uint32_t b = 0; b < n_blocks; b++)
        for (uint32_t r = 0; r < n_rows; r++) {
            size_t i = (size_t)r * n_blocks + b;
            put_scale(MATRIX_I4, tile, r, b, scales[i]);
            copy_fours(nibbles + i * I8_BLOCK / 2, I8_BLOCK / 8, tile + i4_offset(0, b * I8_BLOCK),
                       r);
        }
}

/* Codes of the trits in four bytes: 0xff, 0, 1 become 0, 1, 2 without a carry between them. */
static uint32_t four_codes(const int8_t *trits) {
    uint32_t four;
    memcpy(&four, trits, sizeof four);
    return ((four & 0x03030303) + 0x01010101) & 0x03030303;
}

static void pack_t2_row(const int8_t *trits, uint32_t n_cols, uint8_t *tile, uint32_t r) {
    uint32_t c = 0;
    for (; n_cols - c >= 16; c += 16) {
        uint32_t word = four_codes(trits + c) | four_codes(trits + c + 4) << 2 |
                        four_codes(trits + c + 8) << 4 | four_codes(trits + c + 12) << 6;
        memcpy(tile + t2_offset(r, c), &word, sizeof word);
    }
    for (; c < n_cols; c++) {
        uint8_t *byte = &tile[t2_offset(r, c)];
        unsigned code = (unsigned)(trits[c] + 1), shift = t2_shift(c);
        *byte = (uint8_t)((*byte & ~(3u << shift)) | code << shift);
    }
}

void matrix_pack_t2(const int8_t *trits, uint32_t n_rows, uint32_t n_cols, void *dst) {
    assert(n_rows <= TILE_ROWS);
    /* Every field 1: the code of a zero. */
    if (n_rows < TILE_ROWS || n_cols % 16 > 0)
        memset(dst, 0x55, matrix_tile_size(MATRIX_T2, n_cols));
    for (uint32_t r = 0; r < n_rows; r++) pack_t2_row(trits + (size_t)r * n_cols, n_cols, dst, r);
}

/* What n groups share, 20n trits of one row. */
static void pack_base3(const int8_t *trits, uint32_t n, uint8_t *to) {
    for (uint32_t i = 0; i < n; i++) {
        uint32_t word = four_codes(trits + 16 * n + 4 * i); /* four bytes, none running over */
        for (uint32_t k = 0; k < 4; k++) word = word * 3 + four_codes(trits + 16 * i + 4 * k);
        memcpy(to + i * 64, &word, sizeof word);
    }
}

static void pack_t1_6_row(const int8_t *trits, uint32_t n_cols, uint8_t *to) {
    int8_t last[BASE3_SHARED] = {0};
    for (; n_cols >= BASE3_SHARED; n_cols -= BASE3_SHARED) {
        pack_base3(trits, 4, to);
        trits += BASE3_SHARED;
        to += BASE3_SHARED_SIZE;
    }
    memcpy(last, trits, n_cols);
    pack_base3(last, base3_n_groups(n_cols), to);
}

void matrix_pack_t1_6(const int8_t *trits, uint32_t n_rows, uint32_t n_cols, void *dst) {
    assert(n_rows <= TILE_ROWS);
    if (n_rows < TILE_ROWS) memset(dst, BASE3_ZERO, matrix_tile_size(MATRIX_T1_6, n_cols));
    for (uint32_t r = 0; r < n_rows; r++)
        pack_t1_6_row(trits + (size_t)r * n_cols, n_cols, (uint8_t *)dst + 4 * r);
}

/* The magnitudes, and in bit 7 the signs, of four triples: bytes of 0 to 26, less 13. */
static uint32_t four_triples(const int8_t *trits, uint32_t *ret_signs) {
    const uint32_t top = 0x80808080, zero = 13 * 0x01010101;
    const uint32_t codes =
        (four_codes(trits) * 3 + four_codes(trits + 4)) * 3 + four_codes(trits + 8);
    const uint32_t above = (codes | top) - zero, below = (zero | top) - codes;
    const uint32_t is_above = (above >> 7 & 0x01010101) * 0xff;
    *ret_signs = ~above & top;
    return ((above & is_above) | (below & ~is_above)) & ~top;
}

/* Four bytes of a row, one for each j. */
static void put_lut(uint32_t bytes, uint8_t *to) {
    for (uint32_t j = 0; j < 4; j++) to[16 * j] = (uint8_t)(bytes >> 8 * j);
}

static void pack_lut_group(const int8_t *trits, uint8_t *to) {
    uint32_t signs = 0;
    for (uint32_t k = 0; k < LUT_TRIPLES; k += 2, trits += 24) {
        uint32_t even, odd;
        uint32_t magnitudes = four_triples(trits, &even) | four_triples(trits + 12, &odd) << 4;
        put_lut(magnitudes, to + k / 2 * 64);
        signs |= even >> k | odd >> (k + 1);
    }
    put_lut(signs, to + LUT_SIGNS);
}

static void pack_lut_row(const int8_t *trits, uint32_t n_cols, uint8_t *to) {
    int8_t last[LUT_GROUP] = {0};
    for (; n_cols >= LUT_GROUP; n_cols -= LUT_GROUP, trits += LUT_GROUP, to += LUT_GROUP_SIZE)
        pack_lut_group(trits, to);
    memcpy(last, trits, n_cols);
    if (n_cols > 0) pack_lut_group(last, to);
}

void matrix_pack_lut(const int8_t *trits, uint32_t n_rows, uint32_t n_cols, void *dst) {
    assert(n_rows <= TILE_ROWS);
    if (n_rows < TILE_ROWS) memset(dst, 0, matrix_tile_size(MATRIX_LUT, n_cols));
    for (uint32_t r = 0; r < n_rows; r++)
        pack_lut_row(trits + (size_t)r * n_cols, n_cols, (uint8_t *)dst + r);
}

/* ---- Reading ---- */

void matrix_row(const struct Matrix *matrix, uint32_t row, float *dst) {
    size_t tile_size = matrix_tile_size(matrix->layout, matrix->n_cols);
    const void *tile = (const char *)matrix->data + row / TILE_ROWS * tile_size;

    for (uint32_t c = 0; c < matrix->n_cols; c++)
        dst[c] = layouts[matrix->layout].weight(tile, matrix->n_cols, row % TILE_ROWS, c) *
                 matrix->scale;
}
