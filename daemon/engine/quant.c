#include "engine/quant.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* ---- Half precision ---- */

static float float_from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

float quant_bf16_to_f32(uint16_t bits) {
    return float_from_bits((uint32_t)bits << 16);
}

float quant_f16_to_f32(uint16_t bits) {
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16;
    uint32_t exponent = bits >> 10 & 0x1f, mantissa = bits & 0x3ff;
    if (exponent == 0x1f) return float_from_bits(sign | 0x7f800000 | mantissa << 13);
    if (exponent != 0) return float_from_bits(sign | (exponent + 112) << 23 | mantissa << 13);
    float magnitude = (float)mantissa * 0x1p-24f; /* zero and subnormals, exactly */
    return sign ? -magnitude : magnitude;
}

static float read_f16(const uint8_t *data) {
    uint16_t bits;
    memcpy(&bits, data, sizeof bits);
    return quant_f16_to_f32(bits);
}

/* ---- Float types ---- */

static void f32_dequantise(const uint8_t *blocks, size_t n, float *ret) {
    memcpy(ret, blocks, n * sizeof *ret);
}

static void f16_dequantise(const uint8_t *blocks, size_t n, float *ret) {
    for (size_t i = 0; i < n; i++) ret[i] = read_f16(blocks + 2 * i);
}

static void bf16_dequantise(const uint8_t *blocks, size_t n, float *ret) {
    for (size_t i = 0; i < n; i++) {
        uint16_t bits;
        memcpy(&bits, blocks + 2 * i, sizeof bits);
        ret[i] = quant_bf16_to_f32(bits);
    }
}

/* ---- Blocks of 32 ---- */

#define Q8_0_BYTES 34
#define Q4_0_BYTES 18

static void q8_0_dequantise(const uint8_t *blocks, size_t n, float *ret) {
    for (size_t i = 0; i < n; i += 32, blocks += Q8_0_BYTES, ret += 32) {
        float d = read_f16(blocks);
        for (unsigned j = 0; j < 32; j++) ret[j] = (float)(int8_t)blocks[2 + j] * d;
    }
}

static void q4_0_dequantise(const uint8_t *blocks, size_t n, float *ret) {
    for (size_t i = 0; i < n; i += 32, blocks += Q4_0_BYTES, ret += 32) {
        float d = read_f16(blocks);
        for (unsigned j = 0; j < 16; j++) {
            ret[j] = (float)((blocks[2 + j] & 15) - 8) * d;
            ret[j + 16] = (float)((blocks[2 + j] >> 4) - 8) * d;
        }
    }
}

/* ---- Blocks of 256 ---- */

#define Q4_K_BYTES 144
#define Q6_K_BYTES 210

/* The 6-bit scale and minimum of sub-block j, of eight, in 12 bytes. */
static void q4_k_scale(const uint8_t *s, unsigned j, unsigned *ret_scale, unsigned *ret_min) {
    if (j < 4) {
        *ret_scale = s[j] & 63;
        *ret_min = s[j + 4] & 63;
    } else {
        *ret_scale = (s[j + 4] & 15) | s[j - 4] >> 6 << 4;
        *ret_min = s[j + 4] >> 4 | s[j] >> 6 << 4;
    }
}

/* d, dmin, 12 bytes of scales, 128 bytes of nibbles: 32 bytes hold two sub-blocks of 32, the low
 * nibbles first. */
static void q4_k_dequantise(const uint8_t *blocks, size_t n, float *ret) {
    for (size_t i = 0; i < n; i += 256, blocks += Q4_K_BYTES) {
        float d = read_f16(blocks), dmin = read_f16(blocks + 2);
        for (unsigned j = 0; j < 8; j++) {
            const uint8_t *nibbles = blocks + 16 + j / 2 * 32;
            unsigned scale, min;
            q4_k_scale(blocks + 4, j, &scale, &min);
            float factor = d * (float)scale, offset = dmin * (float)min;
            for (unsigned k = 0; k < 32; k++)
                *ret++ = factor * (float)(nibbles[k] >> j % 2 * 4 & 15) - offset;
        }
    }
}

/* 128 weights: 64 bytes of low nibbles, 32 bytes of two high bits each, 8 scales. */
static void q6_k_half(const uint8_t *low, const uint8_t *high, const int8_t *scales, float d,
                      float *ret) {
    for (unsigned quarter = 0; quarter < 4; quarter++)
        for (unsigned l = 0; l < 32; l++) {
            int q = low[l + quarter % 2 * 32] >> quarter / 2 * 4 & 15;
            q |= (high[l] >> 2 * quarter & 3) << 4;
            ret[32 * quarter + l] = d * (float)scales[l / 16 + 2 * quarter] * (float)(q - 32);
        }
}

static void q6_k_dequantise(const uint8_t *blocks, size_t n, float *ret) {
    for (size_t i = 0; i < n; i += 256, blocks += Q6_K_BYTES, ret += 256) {
        const int8_t *scales = (const int8_t *)blocks + 192;
        float d = read_f16(blocks + 208);
        q6_k_half(blocks, blocks + 128, scales, d, ret);
        q6_k_half(blocks + 64, blocks + 160, scales + 8, d, ret + 128);
    }
}

/* ---- Ternary blocks ---- */

#define TQ1_0_BYTES 54
#define TQ2_0_BYTES 66
#define I2_S_BLOCK 128
#define I2_S_BYTES 32
#define I2_S_TAIL 32

/* The n-th of five base-3 digits that a byte holds as a fraction of 256. */
static int base3_digit(uint8_t byte, unsigned n) {
    static const uint8_t POWERS[] = {1, 3, 9, 27, 81};
    return (uint8_t)(byte * POWERS[n]) * 3 >> 8;
}

/* Digits 0 to 2 in the order of the weights: `width` bytes hold their first digits, then their
 * second ones, and so on. */
static int8_t *tq1_0_digits(const uint8_t *bytes, unsigned width, unsigned n_digits, int8_t *ret) {
    for (unsigned digit = 0; digit < n_digits; digit++)
        for (unsigned m = 0; m < width; m++) *ret++ = (int8_t)base3_digit(bytes[m], digit);
    return ret;
}

static void tq1_0_codes(const uint8_t *block, int8_t ret[256]) {
    ret = tq1_0_digits(block, 32, 5, ret);
    ret = tq1_0_digits(block + 32, 16, 5, ret);
    tq1_0_digits(block + 48, 4, 4, ret);
}

static void tq2_0_codes(const uint8_t *block, int8_t ret[256]) {
    for (unsigned i = 0; i < 256; i++)
        ret[i] = (int8_t)(block[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3);
}

/* Both keep the scale in the last two bytes of the block. */
static void codes_to_floats(const int8_t codes[256], const uint8_t *scale, float *ret) {
    float d = read_f16(scale);
    for (unsigned i = 0; i < 256; i++) ret[i] = (float)(codes[i] - 1) * d;
}

/* The signs of codes_to_floats(): a block whose scale is 0 holds zeros, whatever its codes say. */
static void codes_to_trits(const int8_t codes[256], const uint8_t *scale, int8_t *ret) {
    int some = read_f16(scale) > 0;
    for (unsigned i = 0; i < 256; i++) ret[i] = (int8_t)(((codes[i] > 1) - (codes[i] < 1)) * some);
}

/* Blocks of 256 codes with the scale behind them, which is what TQ1_0 and TQ2_0 share. */
typedef void BlockCodes(const uint8_t *block, int8_t codes[256]);

static inline void blocks_dequantise(const uint8_t *blocks, size_t n, size_t block_size,
                                     BlockCodes *block_codes, float *ret) {
    int8_t codes[256];
    for (size_t i = 0; i < n; i += 256, blocks += block_size) {
        block_codes(blocks, codes);
        codes_to_floats(codes, blocks + block_size - 2, ret + i);
    }
}

static inline void blocks_trits(const uint8_t *blocks, size_t n, size_t block_size,
                                BlockCodes *block_codes, int8_t *ret) {
    int8_t codes[256];
    for (size_t i = 0; i < n; i += 256, blocks += block_size) {
        block_codes(blocks, codes);
        codes_to_trits(codes, blocks + block_size - 2, ret + i);
    }
}

static void tq1_0_dequantise(const uint8_t *blocks, size_t n, float *ret) {
    blocks_dequantise(blocks, n, TQ1_0_BYTES, tq1_0_codes, ret);
}

static void tq1_0_trits(const uint8_t *blocks, size_t n, int8_t *ret) {
    blocks_trits(blocks, n, TQ1_0_BYTES, tq1_0_codes, ret);
}

static void tq2_0_dequantise(const uint8_t *blocks, size_t n, float *ret) {
    blocks_dequantise(blocks, n, TQ2_0_BYTES, tq2_0_codes, ret);
}

static void tq2_0_trits(const uint8_t *blocks, size_t n, int8_t *ret) {
    blocks_trits(blocks, n, TQ2_0_BYTES, tq2_0_codes, ret);
}

/* Code 3 is never written; it counts as 0. */
static void i2_s_trits(const uint8_t *blocks, size_t n, int8_t *ret) {
    static const int8_t TRITS[] = {-1, 0, 1, 0};
    for (size_t i = 0; i < n; i++) {
        size_t in_block = i % I2_S_BLOCK;
        uint8_t byte = blocks[i / I2_S_BLOCK * I2_S_BYTES + in_block % 32];
        ret[i] = TRITS[byte >> (6 - in_block / 32 * 2) & 3];
    }
}

static void i2_s_dequantise(const uint8_t *blocks, size_t n, float *ret) {
    int8_t trits[I2_S_BLOCK];
    for (size_t i = 0; i < n; i += I2_S_BLOCK, blocks += I2_S_BYTES, ret += I2_S_BLOCK) {
        i2_s_trits(blocks, I2_S_BLOCK, trits);
        for (unsigned j = 0; j < I2_S_BLOCK; j++) ret[j] = trits[j];
    }
}

/* ---- The tables ---- */

static const struct QuantType TYPES[] = {
    {QUANT_F32, "F32", 1, 4, 0, true, f32_dequantise, NULL},
    {QUANT_F16, "F16", 1, 2, 0, true, f16_dequantise, NULL},
    {QUANT_BF16, "BF16", 1, 2, 0, true, bf16_dequantise, NULL},
    {QUANT_Q8_0, "Q8_0", 32, Q8_0_BYTES, 0, false, q8_0_dequantise, NULL},
    {QUANT_Q4_0, "Q4_0", 32, Q4_0_BYTES, 0, false, q4_0_dequantise, NULL},
    {QUANT_Q4_K, "Q4_K", 256, Q4_K_BYTES, 0, false, q4_k_dequantise, NULL},
    {QUANT_Q6_K, "Q6_K", 256, Q6_K_BYTES, 0, false, q6_k_dequantise, NULL},
    {QUANT_TQ1_0, "TQ1_0", 256, TQ1_0_BYTES, 0, false, tq1_0_dequantise, tq1_0_trits},
    {QUANT_TQ2_0, "TQ2_0", 256, TQ2_0_BYTES, 0, false, tq2_0_dequantise, tq2_0_trits},
    {QUANT_I2_S, "I2_S", I2_S_BLOCK, I2_S_BYTES, I2_S_TAIL, false, i2_s_dequantise, i2_s_trits},
};

/* ggml's numbers; 36 to 38 and 39 as Microsoft's fork uses them where ggml has no other. */
static const char *const NAMES[] = {
    [0] = "F32",      [1] = "F16",           [2] = "Q4_0",    [3] = "Q4_1",     [4] = "Q4_2",
    [5] = "Q4_3",     [6] = "Q5_0",          [7] = "Q5_1",    [8] = "Q8_0",     [9] = "Q8_1",
    [10] = "Q2_K",    [11] = "Q3_K",         [12] = "Q4_K",   [13] = "Q5_K",    [14] = "Q6_K",
    [15] = "Q8_K",    [16] = "IQ2_XXS",      [17] = "IQ2_XS", [18] = "IQ3_XXS", [19] = "IQ1_S",
    [20] = "IQ4_NL",  [21] = "IQ3_S",        [22] = "IQ2_S",  [23] = "IQ4_XS",  [24] = "I8",
    [25] = "I16",     [26] = "I32",          [27] = "I64",    [28] = "F64",     [29] = "IQ1_M",
    [30] = "BF16",    [34] = "TQ1_0",        [35] = "TQ2_0",  [36] = "I2_S",    [37] = "I8_S",
    [38] = "TL1",     [39] = "MXFP4 or TL2", [40] = "NVFP4",  [41] = "Q1_0",    [42] = "Q2_0",
    [134] = "IQ1_BN", [135] = "IQ2_BN",
};

const struct QuantType *quant_type(uint32_t id) {
    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++)
        if (TYPES[i].id == id) return &TYPES[i];
    return NULL;
}

const char *quant_type_name(uint32_t id) {
    return id < sizeof NAMES / sizeof NAMES[0] ? NAMES[id] : NULL;
}

bool quant_size(const struct QuantType *type, uint64_t n_cols, uint64_t n_rows, uint64_t *ret) {
    uint64_t size;
    if (n_cols % type->block_elements != 0) return false;
    if (__builtin_mul_overflow(n_cols / type->block_elements, type->block_bytes, &size) ||
        __builtin_mul_overflow(size, n_rows, &size) ||
        __builtin_add_overflow(size, type->tail_bytes, &size) || size > INT64_MAX)
        return false;
    *ret = size;
    return true;
}

/* ---- Rows ---- */

static uint64_t row_bytes(const struct QuantMatrix *matrix) {
    return matrix->n_cols / matrix->type->block_elements * matrix->type->block_bytes;
}

static const uint8_t *row_data(const struct QuantMatrix *matrix, uint64_t row) {
    return (const uint8_t *)matrix->data + row * row_bytes(matrix);
}

/* The one scale behind the last row, or 1. */
static float tail_scale(const struct QuantMatrix *matrix) {
    float scale = 1;
    if (matrix->type->tail_bytes > 0)
        memcpy(&scale, row_data(matrix, matrix->n_rows), sizeof scale);
    return scale;
}

void quant_rows(const struct QuantMatrix *matrix, uint64_t first_row, size_t n_rows, float *ret,
                size_t stride) {
    float scale = tail_scale(matrix);
    for (size_t i = 0; i < n_rows; i++, ret += stride) {
        matrix->type->dequantise(row_data(matrix, first_row + i), matrix->n_cols, ret);
        if (matrix->type->tail_bytes > 0)
            for (uint64_t j = 0; j < matrix->n_cols; j++) ret[j] *= scale;
    }
}

static int not_finite(const struct QuantMatrix *matrix, uint64_t row, Reason *why) {
    return reason_set(why, EBADMSG, "row %llu of the tensor '%s' holds a number that is not finite",
                      (unsigned long long)row, matrix->name);
}

/* A row is looked at in parts of this many weights, a whole number of blocks of any type. */
#define PART 256

/* Calls `see` for every part of the rows until it returns nonzero. */
static int for_each_part(const struct QuantMatrix *matrix, uint64_t first_row, uint64_t n_rows,
                         int (*see)(const float *weights, size_t n, void *userdata), void *userdata,
                         uint64_t *ret_row) {
    const struct QuantType *type = matrix->type;
    float weights[PART];
    for (uint64_t row = first_row; row < first_row + n_rows; row++)
        for (uint64_t i = 0; i < matrix->n_cols; i += PART) {
            size_t n = matrix->n_cols - i < PART ? (size_t)(matrix->n_cols - i) : PART;
            const uint8_t *blocks =
                row_data(matrix, row) + i / type->block_elements * type->block_bytes;
            type->dequantise(blocks, n, weights);
            int r = see(weights, n, userdata);
            if (r != 0) {
                *ret_row = row;
                return r;
            }
        }
    return 0;
}

static int see_finite(const float *weights, size_t n, void *userdata) {
    float sum = 0; /* anything times 0 is 0 unless it is not finite */
    for (size_t i = 0; i < n; i++) sum += weights[i] * 0.0f;
    return isfinite(sum) ? 0 : -EBADMSG;
}

static int check_tail(const struct QuantMatrix *matrix, Reason *why) {
    if (isfinite(tail_scale(matrix))) return 0;
    return reason_set(why, EBADMSG, "the scale of the tensor '%s' is not finite", matrix->name);
}

int quant_check(const struct QuantMatrix *matrix, uint64_t first_row, uint64_t n_rows,
                Reason *why) {
    uint64_t row;
    int r = check_tail(matrix, why);
    if (r < 0) return r;
    if (for_each_part(matrix, first_row, n_rows, see_finite, NULL, &row) < 0)
        return not_finite(matrix, row, why);
    return 0;
}

/* ---- Ternary matrices ---- */

/* All weights seen are 0 or +-*userdata, which becomes the first that is not 0. */
static int see_ternary(const float *weights, size_t n, void *userdata) {
    float *scale = userdata;
    for (size_t i = 0; i < n; i++) {
        float magnitude = fabsf(weights[i]);
        if (magnitude == 0) continue;
        if (!isfinite(magnitude)) return -EBADMSG;
        if (*scale == 0) *scale = magnitude;
        if (magnitude != *scale) return QUANT_NOT_TERNARY;
    }
    return 0;
}

/* A block type that may be ternary says so by its trits function; its weights decide. Of these,
 * TQ blocks may have scales below 0, which trits do not follow: they count as not ternary. */
static int check_block_scales(const struct QuantMatrix *matrix, uint64_t first_row, uint64_t n_rows,
                              uint64_t *ret_row) {
    const struct QuantType *type = matrix->type;
    if (type->is_float || type->tail_bytes > 0) return 0;
    uint64_t n_blocks = matrix->n_cols / type->block_elements;
    for (uint64_t row = first_row; row < first_row + n_rows; row++)
        for (uint64_t i = 0; i < n_blocks; i++) {
            const uint8_t *end = row_data(matrix, row) + (i + 1) * type->block_bytes;
            float scale = read_f16(end - 2);
            *ret_row = row;
            if (!isfinite(scale)) return -EBADMSG;
            if (scale < 0) return QUANT_NOT_TERNARY;
        }
    return 0;
}

static int not_ternary(const struct QuantMatrix *matrix, uint64_t row, Reason *why) {
    reason_set(why, 0,
               "the tensor '%s' is not ternary: in row %llu, a weight is neither 0 nor the "
               "scale of the others",
               matrix->name, (unsigned long long)row);
    return QUANT_NOT_TERNARY;
}

static int scan_tail(const struct QuantMatrix *matrix, float *scale, Reason *why) {
    int r = check_tail(matrix, why);
    if (r == 0) *scale = tail_scale(matrix);
    return r;
}

int quant_ternary_scan(const struct QuantMatrix *matrix, uint64_t first_row, uint64_t n_rows,
                       float *scale, Reason *why) {
    const struct QuantType *type = matrix->type;
    uint64_t row = first_row;
    if (!type->is_float && !type->trits) {
        reason_set(why, 0, "the tensor '%s' is of type %s, which is not ternary", matrix->name,
                   type->name);
        return QUANT_NOT_TERNARY;
    }
    if (type->tail_bytes > 0) return scan_tail(matrix, scale, why);
    int r = check_block_scales(matrix, first_row, n_rows, &row);
    if (r == 0) r = for_each_part(matrix, first_row, n_rows, see_ternary, scale, &row);
    if (r < 0) return not_finite(matrix, row, why);
    return r == QUANT_NOT_TERNARY ? not_ternary(matrix, row, why) : 0;
}

int quant_ternary_merge(const struct QuantMatrix *matrix, float other, float *scale, Reason *why) {
    if (*scale == 0) *scale = other;
    if (other == 0 || other == *scale) return 0;
    reason_set(why, 0, "the tensor '%s' is not ternary: its rows have different scales",
               matrix->name);
    return QUANT_NOT_TERNARY;
}

static void float_trits(const struct QuantMatrix *matrix, uint64_t row, int8_t *ret) {
    const struct QuantType *type = matrix->type;
    const uint8_t *data = row_data(matrix, row);
    float weights[PART];
    for (uint64_t i = 0; i < matrix->n_cols; i += PART) {
        size_t n = matrix->n_cols - i < PART ? (size_t)(matrix->n_cols - i) : PART;
        type->dequantise(data + i * type->block_bytes, n, weights);
        for (size_t j = 0; j < n; j++) ret[i + j] = (int8_t)((weights[j] > 0) - (weights[j] < 0));
    }
}

void quant_trits(const struct QuantMatrix *matrix, uint64_t first_row, size_t n_rows, int8_t *ret,
                 size_t stride) {
    for (size_t i = 0; i < n_rows; i++, ret += stride) {
        if (matrix->type->trits)
            matrix->type->trits(row_data(matrix, first_row + i), matrix->n_cols, ret);
        else
            float_trits(matrix, first_row + i, ret);
    }
}

/* ---- Q8_0 ---- */

void quant_q8_row(const struct QuantMatrix *matrix, uint64_t row, int8_t *ret, float *ret_scales) {
    const uint8_t *block = row_data(matrix, row);
    for (uint64_t i = 0; i < matrix->n_cols; i += 32, block += Q8_0_BYTES) {
        *ret_scales++ = read_f16(block);
        memcpy(ret + i, block + 2, 32);
    }
}
