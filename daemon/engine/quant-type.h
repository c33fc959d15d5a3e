/*
 * The rows of the table of tensor types, for quant.c; each is defined in the file of its kind:
 * quant-float.c, quant-block.c (blocks of 32), quant-k.c (of 256), quant-ternary.c.
 */
#pragma once

#include <string.h>

#include "engine/quant.h"

extern const struct QuantType quant_type_f32, quant_type_f16, quant_type_bf16;
extern const struct QuantType quant_type_q4_0, quant_type_q4_1, quant_type_q5_0, quant_type_q5_1,
    quant_type_q8_0;
extern const struct QuantType quant_type_q4_k, quant_type_q5_k, quant_type_q6_k;
extern const struct QuantType quant_type_tq1_0, quant_type_tq2_0, quant_type_q2_0, quant_type_i2_s;

static inline uint16_t quant_read_u16(const uint8_t *data) {
    uint16_t bits;
    memcpy(&bits, data, sizeof bits);
    return bits;
}

static inline uint32_t quant_read_u32(const uint8_t *data) {
    uint32_t bits;
    memcpy(&bits, data, sizeof bits);
    return bits;
}

static inline float quant_read_f16(const uint8_t *data) {
    return quant_f16_to_f32(quant_read_u16(data));
}

static inline uint64_t quant_row_bytes(const struct QuantMatrix *matrix) {
    return matrix->n_cols / matrix->type->block_elements * matrix->type->block_bytes;
}

static inline const uint8_t *quant_row_data(const struct QuantMatrix *matrix, uint64_t row) {
    return (const uint8_t *)matrix->data + row * quant_row_bytes(matrix);
}

/* The one scale behind the last row, or 1. */
static inline float quant_tail_scale(const struct QuantMatrix *matrix) {
    float scale = 1;
    if (matrix->type->tail_bytes > 0)
        memcpy(&scale, quant_row_data(matrix, matrix->n_rows), sizeof scale);
    return scale;
}
