/* Tensor types in blocks of 32 weights: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0. */
#include <math.h>

#include "engine/quant-type.h"

#define BLOCK 32u

static void q8_0_dequantise(const uint8_t *blocks, size_t n, float *ret) {
    for (size_t i = 0; i < n; i += BLOCK, blocks += QUANT_Q8_0_BYTES, ret += BLOCK) {
        float d = quant_read_f16(blocks);
        for (unsigned j = 0; j < BLOCK; j++) ret[j] = (float)(int8_t)blocks[2 + j] * d;
    }
}

/* Sixteen bytes of nibbles: the first half of the weights in the low ones. */
static inline void read_nibbles(const uint8_t *nibbles, int ret[BLOCK]) {
    for (unsigned j = 0; j < BLOCK / 2; j++) {
        ret[j] = nibbles[j] & 15;
        ret[j + BLOCK / 2] = nibbles[j] >> 4;
    }
}

/* The fifth bits stand in a word of their own. */
static inline void read_five_bits(const uint8_t *high, const uint8_t *nibbles, int ret[BLOCK]) {
    uint32_t bits = quant_read_u32(high);
    read_nibbles(nibbles, ret);
    for (unsigned j = 0; j < BLOCK; j++) ret[j] |= (int)(bits >> j & 1) << 4;
}

static void q4_0_dequantise(const uint8_t *blocks, size_t n, float *ret) {
    int q[BLOCK];
    for (size_t i = 0; i < n; i += BLOCK, blocks += QUANT_Q4_0_BYTES, ret += BLOCK) {
        float d = quant_read_f16(blocks);
        read_nibbles(blocks + 2, q);
        for (unsigned j = 0; j < BLOCK; j++) ret[j] = (float)(q[j] - 8) * d;
    }
}

#define Q4_1_BYTES 20

static void q4_1_dequantise(const uint8_t *blocks, size_t n, float *ret) {
    int q[BLOCK];
    for (size_t i = 0; i < n; i += BLOCK, blocks += Q4_1_BYTES, ret += BLOCK) {
        float d = quant_read_f16(blocks), m = quant_read_f16(blocks + 2);
        read_nibbles(blocks + 4, q);
        for (unsigned j = 0; j < BLOCK; j++) ret[j] = (float)q[j] * d + m;
    }
}

#define Q5_0_BYTES 22

static void q5_0_dequantise(const uint8_t *blocks, size_t n, float *ret) {
    int q[BLOCK];
    for (size_t i = 0; i < n; i += BLOCK, blocks += Q5_0_BYTES, ret += BLOCK) {
        float d = quant_read_f16(blocks);
        read_five_bits(blocks + 2, blocks + 6, q);
        for (unsigned j = 0; j < BLOCK; j++) ret[j] = (float)(q[j] - 16) * d;
    }
}

#define Q5_1_BYTES 24

static void q5_1_dequantise(const uint8_t *blocks, size_t n, float *ret) {
    int q[BLOCK];
    for (size_t i = 0; i < n; i += BLOCK, blocks += Q5_1_BYTES, ret += BLOCK) {
        float d = quant_read_f16(blocks), m = quant_read_f16(blocks + 2);
        read_five_bits(blocks + 4, blocks + 8, q);
        for (unsigned j = 0; j < BLOCK; j++) ret[j] = (float)q[j] * d + m;
    }
}

/* `name` is the type's; `scales` are the halves at the start of a block. */
#define BLOCK_TYPE(variable, type_id, type_name, size, scales, function)                           \
    const struct QuantType variable = {                                                            \
        .id = type_id,                                                                             \
        .name = type_name,                                                                         \
        .block_elements = BLOCK,                                                                   \
        .block_bytes = size,                                                                       \
        .n_scales = scales,                                                                        \
        .dequantise = function,                                                                    \
    }

BLOCK_TYPE(quant_type_q4_0, QUANT_Q4_0, "Q4_0", QUANT_Q4_0_BYTES, 1, q4_0_dequantise);
BLOCK_TYPE(quant_type_q4_1, QUANT_Q4_1, "Q4_1", Q4_1_BYTES, 2, q4_1_dequantise);
BLOCK_TYPE(quant_type_q5_0, QUANT_Q5_0, "Q5_0", Q5_0_BYTES, 1, q5_0_dequantise);
BLOCK_TYPE(quant_type_q5_1, QUANT_Q5_1, "Q5_1", Q5_1_BYTES, 2, q5_1_dequantise);
BLOCK_TYPE(quant_type_q8_0, QUANT_Q8_0, "Q8_0", QUANT_Q8_0_BYTES, 1, q8_0_dequantise);
