/* Whether a matrix is ternary, found out without turning all of it into floats. */
#include <errno.h>
#include <math.h>

#include "engine/quant-type.h"

/* ---- Floats ---- */

/* Looked at together: long enough for vector code, and a matrix of other values is known for one
 * after the first part. */
#define PART 64u

/* One weight after the other: the first that is not 0 sets the scale. */
static int see_weights(const float *weights, size_t n, float *scale) {
    for (size_t i = 0; i < n; i++) {
        float magnitude = fabsf(weights[i]);
        if (magnitude == 0) continue;
        if (!isfinite(magnitude)) return -EBADMSG;
        if (*scale == 0) *scale = magnitude;
        if (magnitude != *scale) return QUANT_NOT_TERNARY;
    }
    return 0;
}

/* Whether all are 0 or +-scale. */
static bool are_ternary(const float *weights, size_t n, float scale) {
    unsigned others = 0;
    for (size_t i = 0; i < n; i++) {
        float magnitude = fabsf(weights[i]);
        others += (magnitude != 0) & (magnitude != scale);
    }
    return others == 0;
}

static int scan_floats(const struct QuantType *type, const uint8_t *row, size_t n_cols,
                       float *scale) {
    float weights[PART];
    for (size_t i = 0; i < n_cols; i += PART) {
        size_t n = n_cols - i < PART ? n_cols - i : PART;
        type->dequantise(row + i * type->block_bytes, n, weights);
        if (n == PART && are_ternary(weights, PART, *scale)) continue;
        int r = see_weights(weights, n, scale);
        if (r != 0) return r;
    }
    return 0;
}

void quant_float_trits(const struct QuantType *type, const uint8_t *row, size_t n_cols,
                       int8_t *ret) {
    float weights[PART];
    for (size_t i = 0; i < n_cols; i += PART) {
        size_t n = n_cols - i < PART ? n_cols - i : PART;
        type->dequantise(row + i * type->block_bytes, n, weights);
        for (size_t j = 0; j < n; j++) ret[i + j] = (int8_t)((weights[j] > 0) - (weights[j] < 0));
    }
}

/* ---- Blocks with a scale each ---- */

#define MAX_BLOCK 256

/* Code 3, which is +2, among codes of two bits. */
static bool has_code_3(const uint8_t *codes, size_t n_bytes) {
    uint8_t some = 0;
    for (size_t i = 0; i < n_bytes; i++) some |= codes[i] & codes[i] >> 1 & 0x55;
    return some;
}

static bool is_zero_block(const struct QuantType *type, const uint8_t *block) {
    uint8_t codes[MAX_BLOCK], others = 0;
    type->codes(block, codes);
    for (size_t i = 0; i < type->block_elements; i++) others |= codes[i] ^ 1;
    return others == 0;
}

static int scan_block(const struct QuantType *type, const uint8_t *block, float *scale) {
    float magnitude = fabsf(quant_read_f16(block + type->scales_at));
    if (!isfinite(magnitude)) return -EBADMSG;
    if (magnitude == 0) return 0;
    if (has_code_3(block + type->codes_at, type->n_code_bytes)) return QUANT_NOT_TERNARY;
    if (magnitude == *scale || is_zero_block(type, block)) return 0;
    if (*scale != 0) return QUANT_NOT_TERNARY;
    *scale = magnitude;
    return 0;
}

static int scan_blocks(const struct QuantType *type, const uint8_t *row, size_t n_cols,
                       float *scale) {
    for (size_t i = 0; i < n_cols; i += type->block_elements, row += type->block_bytes) {
        int r = scan_block(type, row, scale);
        if (r != 0) return r;
    }
    return 0;
}

/* ---- Matrices ---- */

static int not_ternary(const struct QuantMatrix *matrix, uint64_t row, Reason *why) {
    reason_set(why, 0,
               "the tensor '%s' is not ternary: in row %llu, a weight is neither 0 nor the "
               "scale of the others",
               matrix->name, (unsigned long long)row);
    return QUANT_NOT_TERNARY;
}

static int scan_rows(const struct QuantMatrix *matrix, uint64_t first_row, uint64_t n_rows,
                     float *scale, Reason *why) {
    const struct QuantType *type = matrix->type;
    int (*scan)(const struct QuantType *, const uint8_t *, size_t, float *) =
        type->codes ? scan_blocks : scan_floats;
    for (uint64_t row = first_row; row < first_row + n_rows; row++) {
        int r = scan(type, quant_row_data(matrix, row), matrix->n_cols, scale);
        if (r < 0) return quant_check(matrix, row, 1, why);
        if (r > 0) return not_ternary(matrix, row, why);
    }
    return 0;
}

int quant_ternary_scan(const struct QuantMatrix *matrix, uint64_t first_row, uint64_t n_rows,
                       float *scale, Reason *why) {
    const struct QuantType *type = matrix->type;
    if (type->tail_bytes > 0) {
        *scale = quant_tail_scale(matrix);
        return quant_check(matrix, first_row, 0, why);
    }
    if (type->codes || type->is_float) return scan_rows(matrix, first_row, n_rows, scale, why);
    reason_set(why, 0, "the tensor '%s' is of type %s, which is not ternary", matrix->name,
               type->name);
    return QUANT_NOT_TERNARY;
}

int quant_ternary_merge(const struct QuantMatrix *matrix, float other, float *scale, Reason *why) {
    if (*scale == 0) *scale = other;
    if (other == 0 || other == *scale) return 0;
    reason_set(why, 0, "the tensor '%s' is not ternary: its rows have different scales",
               matrix->name);
    return QUANT_NOT_TERNARY;
}
