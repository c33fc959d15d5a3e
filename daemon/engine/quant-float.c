/* Tensor types that are floats: F32, F16, BF16. */
#include "engine/quant-type.h"

/* ---- Half precision ---- */

static float float_from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

float quant_bf16_to_f32(uint16_t bits) {
    return float_from_bits((uint32_t)bits << 16);
}

/* The fields in their places and the exponent's bias made up for by a product, which is exact and
 * does subnormals too; nothing to branch for, so that loops of it become vector code. */
static inline float f16_to_f32(uint16_t bits) {
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16, rest = (uint32_t)(bits & 0x7fff) << 13;
    float magnitude = float_from_bits(rest) * 0x1p112f;
    uint32_t special = rest >= 0x0f800000 ? 0x7f800000 : 0;
    uint32_t result;
    memcpy(&result, &magnitude, sizeof result);
    return float_from_bits(result | special | sign);
}

float quant_f16_to_f32(uint16_t bits) {
    return f16_to_f32(bits);
}

/* ---- Rows ---- */

static void f32_dequantise(const uint8_t *blocks, size_t n, float *ret) {
    memcpy(ret, blocks, n * sizeof *ret);
}

static void f16_dequantise(const uint8_t *blocks, size_t n, float *ret) {
    for (size_t i = 0; i < n; i++) ret[i] = f16_to_f32(quant_read_u16(blocks + 2 * i));
}

static void bf16_dequantise(const uint8_t *blocks, size_t n, float *ret) {
    for (size_t i = 0; i < n; i++) ret[i] = quant_bf16_to_f32(quant_read_u16(blocks + 2 * i));
}

const struct QuantType quant_type_f32 = {
    .id = QUANT_F32,
    .name = "F32",
    .block_elements = 1,
    .block_bytes = 4,
    .is_float = true,
    .exponent = 0x7f800000,
    .dequantise = f32_dequantise,
};

const struct QuantType quant_type_f16 = {
    .id = QUANT_F16,
    .name = "F16",
    .block_elements = 1,
    .block_bytes = 2,
    .is_float = true,
    .exponent = 0x7c00,
    .dequantise = f16_dequantise,
};

const struct QuantType quant_type_bf16 = {
    .id = QUANT_BF16,
    .name = "BF16",
    .block_elements = 1,
    .block_bytes = 2,
    .is_float = true,
    .exponent = 0x7f80,
    .dequantise = bf16_dequantise,
};
