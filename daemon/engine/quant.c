#include "engine/quant.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "engine/quant-type.h"

/* ---- The tables ---- */

static const struct QuantType *const types[] = {
    &quant_type_f32,  &quant_type_f16,   &quant_type_bf16,  &quant_type_q8_0, &quant_type_q4_0,
    &quant_type_q4_1, &quant_type_q5_0,  &quant_type_q5_1,  &quant_type_q4_k, &quant_type_q5_k,
    &quant_type_q6_k, &quant_type_tq1_0, &quant_type_tq2_0, &quant_type_q2_0, &quant_type_i2_s,
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
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i]->id == id) return types[i];
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

void quant_rows(const struct QuantMatrix *matrix, uint64_t first_row, size_t n_rows, float *ret,
                size_t stride) {
    float scale = quant_tail_scale(matrix);
    for (size_t i = 0; i < n_rows; i++, ret += stride) {
        matrix->type->dequantise(quant_row_data(matrix, first_row + i), matrix->n_cols, ret);
        if (matrix->type->tail_bytes > 0)
            for (uint64_t j = 0; j < matrix->n_cols; j++) ret[j] *= scale;
    }
}

void quant_trits(const struct QuantMatrix *matrix, uint64_t first_row, size_t n_rows, int8_t *ret,
                 size_t stride) {
    const struct QuantType *type = matrix->type;
    for (size_t i = 0; i < n_rows; i++, ret += stride) {
        const uint8_t *row = quant_row_data(matrix, first_row + i);
        if (type->trits)
            type->trits(row, matrix->n_cols, ret);
        else
            quant_float_trits(type, row, matrix->n_cols, ret);
    }
}

const uint8_t *quant_row_blocks(const struct QuantMatrix *matrix, uint64_t row) {
    return quant_row_data(matrix, row);
}

void quant_q8_row(const struct QuantMatrix *matrix, uint64_t row, int8_t *ret,
                  uint16_t *ret_scales) {
    const uint8_t *block = quant_row_data(matrix, row);
    for (uint64_t i = 0; i < matrix->n_cols; i += 32, block += QUANT_Q8_0_BYTES) {
        *ret_scales++ = quant_read_u16(block);
        memcpy(ret + i, block + 2, 32);
    }
}

void quant_q4_row(const struct QuantMatrix *matrix, uint64_t row, uint8_t *ret,
                  uint16_t *ret_scales) {
    const uint8_t *block = quant_row_data(matrix, row);
    for (uint64_t i = 0; i < matrix->n_cols; i += 32, block += QUANT_Q4_0_BYTES) {
        *ret_scales++ = quant_read_u16(block);
        memcpy(ret + i / 2, block + 2, 16);
    }
}

/* ---- Numbers that are none ---- */

static int not_finite(const struct QuantMatrix *matrix, uint64_t row, Reason *why) {
    return reason_set(why, EBADMSG, "row %llu of the tensor '%s' holds a number that is not finite",
                      (unsigned long long)row, matrix->name);
}

/* Whether some of n numbers has all bits of its exponent set. */
static bool has_special_16(const uint8_t *data, size_t n, uint16_t exponent) {
    uint16_t some = 0;
    for (size_t i = 0; i < n; i++)
        some |= (quant_read_u16(data + 2 * i) & exponent) == exponent ? 0xffff : 0;
    return some;
}

static bool has_special_32(const uint8_t *data, size_t n, uint32_t exponent) {
    uint32_t some = 0;
    for (size_t i = 0; i < n; i++)
        some |= (quant_read_u32(data + 4 * i) & exponent) == exponent ? 0xffffffff : 0;
    return some;
}

/* Blocks of integers are finite when their scales are: no product of the two leaves 32-bit floats.
 */
static bool has_special_scale(const struct QuantType *type, const uint8_t *blocks, size_t n) {
    uint16_t exponent = quant_type_f16.exponent;
    bool some = false;
    for (size_t i = 0; i < n; i += type->block_elements, blocks += type->block_bytes)
        some |= has_special_16(blocks + type->scales_at, type->n_scales, exponent);
    return some;
}

static bool is_finite_row(const struct QuantType *type, const uint8_t *row, size_t n) {
    if (!type->is_float) return !has_special_scale(type, row, n);
    if (type->block_bytes == 2) return !has_special_16(row, n, (uint16_t)type->exponent);
    return !has_special_32(row, n, type->exponent);
}

int quant_check(const struct QuantMatrix *matrix, uint64_t first_row, uint64_t n_rows,
                Reason *why) {
    if (!isfinite(quant_tail_scale(matrix)))
        return reason_set(why, EBADMSG, "the scale of the tensor '%s' is not finite", matrix->name);
    for (uint64_t row = first_row; row < first_row + n_rows; row++)
        if (!is_finite_row(matrix->type, quant_row_data(matrix, row), matrix->n_cols))
            return not_finite(matrix, row, why);
    return 0;
}
