/* Tensor types made for ternary weights: TQ1_0, TQ2_0, Q2_0 and Microsoft's I2_S. */
#include "engine/quant-type.h"

/* ---- Codes: trit + 1 ---- */

#define TQ1_0_BYTES 54
#define TQ2_0_BYTES 66
#define TQ_BLOCK 256
#define Q2_0_BYTES 18
#define Q2_0_BLOCK 64

/* `width` bytes hold the first of `n_digits` base-3 digits of each, as a fraction of 256; then
 * their second ones, and so on. */
static inline uint8_t *tq1_0_digits(const uint8_t *bytes, unsigned width, unsigned n_digits,
                                    uint8_t *ret) {
    static const uint8_t POWERS[] = {1, 3, 9, 27, 81};
    for (unsigned digit = 0; digit < n_digits; digit++, ret += width)
        for (unsigned m = 0; m < width; m++)
            ret[m] = (uint8_t)((uint8_t)(bytes[m] * POWERS[digit]) * 3 >> 8);
    return ret;
}

static void tq1_0_codes(const uint8_t *block, uint8_t *ret) {
    ret = tq1_0_digits(block, 32, 5, ret);
    ret = tq1_0_digits(block + 32, 16, 5, ret);
    tq1_0_digits(block + 48, 4, 4, ret);
}

static void tq2_0_codes(const uint8_t *block, uint8_t *ret) {
    for (unsigned half = 0; half < 2; half++, block += 32)
        for (unsigned l = 0; l < 4; l++, ret += 32)
            for (unsigned m = 0; m < 32; m++) ret[m] = block[m] >> 2 * l & 3;
}

/* The four codes of a byte follow each other. */
static void q2_0_codes(const uint8_t *block, uint8_t *ret) {
    for (unsigned j = 0; j < 16; j++) {
        uint32_t four = block[2 + j];
        four = (four | four << 6 | four << 12 | four << 18) & 0x03030303;
        memcpy(ret + 4 * j, &four, sizeof four);
    }
}

/* ---- Blocks of codes and one scale ---- */

/* (code - 1) * d: 3 is a code that Q2_0 and TQ2_0 can hold, though no ternary matrix does. */
static inline void blocks_dequantise(const struct QuantType *type, const uint8_t *blocks, size_t n,
                                     float *ret) {
    uint8_t codes[TQ_BLOCK];
    for (size_t i = 0; i < n; i += type->block_elements, blocks += type->block_bytes) {
        float d = quant_read_f16(blocks + type->scales_at);
        type->codes(blocks, codes);
        for (unsigned j = 0; j < type->block_elements; j++) ret[i + j] = (float)(codes[j] - 1) * d;
    }
}

/* The signs of what blocks_dequantise() gives: a scale below 0 turns them round, and a block whose
 * scale is 0 holds zeros, whatever its codes say. */
static inline void blocks_trits(const struct QuantType *type, const uint8_t *blocks, size_t n,
                                int8_t *ret) {
    uint8_t codes[TQ_BLOCK];
    for (size_t i = 0; i < n; i += type->block_elements, blocks += type->block_bytes) {
        uint16_t d = quant_read_u16(blocks + type->scales_at);
        uint8_t flip = d & 0x8000 ? 0xff : 0, some = d & 0x7fff ? 0xff : 0;
        type->codes(blocks, codes);
        for (unsigned j = 0; j < type->block_elements; j++)
            ret[i + j] = (int8_t)((uint8_t)(((codes[j] - 1) ^ flip) - flip) & some);
    }
}

#define TERNARY_TYPE(name_, NAME_, block, size, scale, codes_start, codes_size)                    \
    static void name_##_dequantise(const uint8_t *blocks, size_t n, float *ret) {                  \
        blocks_dequantise(&quant_type_##name_, blocks, n, ret);                                    \
    }                                                                                              \
    static void name_##_trits(const uint8_t *blocks, size_t n, int8_t *ret) {                      \
        blocks_trits(&quant_type_##name_, blocks, n, ret);                                         \
    }                                                                                              \
    const struct QuantType quant_type_##name_ = {                                                  \
        .id = QUANT_##NAME_,                                                                       \
        .name = #NAME_,                                                                            \
        .block_elements = block,                                                                   \
        .block_bytes = size,                                                                       \
        .scales_at = scale,                                                                        \
        .n_scales = 1,                                                                             \
        .codes_at = codes_start,                                                                   \
        .n_code_bytes = codes_size,                                                                \
        .dequantise = name_##_dequantise,                                                          \
        .trits = name_##_trits,                                                                    \
        .codes = name_##_codes,                                                                    \
    };

TERNARY_TYPE(tq1_0, TQ1_0, TQ_BLOCK, TQ1_0_BYTES, 52, 0, 0)
TERNARY_TYPE(tq2_0, TQ2_0, TQ_BLOCK, TQ2_0_BYTES, 64, 0, 64)
TERNARY_TYPE(q2_0, Q2_0, Q2_0_BLOCK, Q2_0_BYTES, 0, 2, 16)

/* ---- I2_S ---- */

#define I2_S_BLOCK 128
#define I2_S_BYTES 32
#define I2_S_TAIL 32

/* The first quarter of a block in the highest bits. Code 3 is never written; it counts as 0. */
static void i2_s_trits(const uint8_t *blocks, size_t n, int8_t *ret) {
    for (size_t i = 0; i < n; i += I2_S_BLOCK, blocks += I2_S_BYTES)
        for (unsigned quarter = 0; quarter < 4; quarter++, ret += 32)
            for (unsigned p = 0; p < 32; p++) {
                uint8_t code = blocks[p] >> (6 - 2 * quarter) & 3;
                ret[p] = (int8_t)(code - ((code & code >> 1) << 1) - 1);
            }
}

static void i2_s_dequantise(const uint8_t *blocks, size_t n, float *ret) {
    int8_t trits[I2_S_BLOCK];
    for (size_t i = 0; i < n; i += I2_S_BLOCK, blocks += I2_S_BYTES, ret += I2_S_BLOCK) {
        i2_s_trits(blocks, I2_S_BLOCK, trits);
        for (unsigned j = 0; j < I2_S_BLOCK; j++) ret[j] = trits[j];
    }
}

const struct QuantType quant_type_i2_s = {
    .id = QUANT_I2_S,
    .name = "I2_S",
    .block_elements = I2_S_BLOCK,
    .block_bytes = I2_S_BYTES,
    .tail_bytes = I2_S_TAIL,
    .dequantise = i2_s_dequantise,
    .trits = i2_s_trits,
};
