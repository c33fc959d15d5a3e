/* Tensor types in blocks of 256 weights with scales for parts of them: Q4_K, Q5_K, Q6_K. */
#include "engine/quant-type.h"

#define BLOCK 256u

/* The 6-bit scale and minimum of sub-block j, of eight, in 12 bytes. */
static void read_scale(const uint8_t *s, unsigned j, unsigned *ret_scale, unsigned *ret_min) {
    if (j < 4) {
        *ret_scale = s[j] & 63;
        *ret_min = s[j + 4] & 63;
    } else {
        *ret_scale = (s[j + 4] & 15) | s[j - 4] >> 6 << 4;
        *ret_min = s[j + 4] >> 4 | s[j] >> 6 << 4;
    }
}

/* d, dmin, 12 bytes of scales, for Q5_K 32 bytes of fifth bits (sub-block j's in bit j), 128 bytes
 * of nibbles: 32 bytes hold two sub-blocks of 32, the low nibbles first. `fifth` may be NULL. */
static inline void k_block(const uint8_t *block, const uint8_t *fifth, const uint8_t *nibbles,
                           float *ret) {
    float d = quant_read_f16(block), dmin = quant_read_f16(block + 2);
    for (unsigned j = 0; j < 8; j++, ret += 32) {
        const uint8_t *bytes = nibbles + j / 2 * 32;
        unsigned scale, min;
        read_scale(block + 4, j, &scale, &min);
        float factor = d * (float)scale, offset = dmin * (float)min;
        for (unsigned k = 0; k < 32; k++) {
            int q = bytes[k] >> j % 2 * 4 & 15;
            if (fifth) q |= (fifth[k] >> j & 1) << 4;
            ret[k] = factor * (float)q - offset;
        }
    }
}

#define Q4_K_BYTES 144

static void q4_k_dequantise(const uint8_t *blocks, size_t n, float *ret) {
    for (size_t i = 0; i < n; i += BLOCK, blocks += Q4_K_BYTES)
        k_block(blocks, NULL, blocks + 16, ret + i);
}

#define Q5_K_BYTES 176

static void q5_k_dequantise(const uint8_t *blocks, size_t n, float *ret) {
    for (size_t i = 0; i < n; i += BLOCK, blocks += Q5_K_BYTES)
        k_block(blocks, blocks + 16, blocks + 48, ret + i);
}

#define Q6_K_BYTES 210

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
    for (size_t i = 0; i < n; i += BLOCK, blocks += Q6_K_BYTES, ret += BLOCK) {
        const int8_t *scales = (const int8_t *)blocks + 192;
        float d = quant_read_f16(blocks + 208);
        q6_k_half(blocks, blocks + 128, scales, d, ret);
        q6_k_half(blocks + 64, blocks + 160, scales + 8, d, ret + 128);
    }
}

const struct QuantType quant_type_q4_k = {
    .id = QUANT_Q4_K,
    .name = "Q4_K",
    .block_elements = BLOCK,
    .block_bytes = Q4_K_BYTES,
    .n_scales = 2,
    .dequantise = q4_k_dequantise,
};

const struct QuantType quant_type_q5_k = {
    .id = QUANT_Q5_K,
    .name = "Q5_K",
    .block_elements = BLOCK,
    .block_bytes = Q5_K_BYTES,
    .n_scales = 2,
    .dequantise = q5_k_dequantise,
};

const struct QuantType quant_type_q6_k = {
    .id = QUANT_Q6_K,
    .name = "Q6_K",
    .block_elements = BLOCK,
    .block_bytes = Q6_K_BYTES,
    .scales_at = 208,
    .n_scales = 1,
    .dequantise = q6_k_dequantise,
};
