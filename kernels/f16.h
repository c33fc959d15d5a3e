/*
 * IEEE half floats one at a time, for packing and for the C tier. The same bits as F16C's
 * instructions give, NaN included: it is made quiet and keeps the upper part of its payload.
 */
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t f32_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float f32_from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline float f16_decode(uint16_t half) {
    uint32_t sign = (half & 0x8000u) << 16, exponent = half >> 10 & 31, fraction = half & 0x3ffu;

    if (exponent == 31)
        return f32_from_bits(sign | 0x7f800000u | (fraction ? 0x400000u : 0) | fraction << 13);
    if (exponent == 0) return copysignf((float)fraction * 0x1p-24f, f32_from_bits(sign));
    return f32_from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

static inline uint16_t f16_encode(float x) {
    uint32_t bits = f32_bits(x), sign = bits >> 16 & 0x8000u, size = bits & 0x7fffffffu;

    if (size > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (size >> 13 & 0x3ffu));
    if (size >= f32_bits(65520.0f)) return (uint16_t)(sign | 0x7c00u);
    /* A half below 2^-14 counts steps of 2^-24, which is what the last bit of 0.5f is worth. */
    if (size < f32_bits(0x1p-14f))
        return (uint16_t)(sign | (f32_bits(f32_from_bits(size) + 0.5f) - f32_bits(0.5f)));
    size += 0xfffu + (size >> 13 & 1);
    return (uint16_t)(sign | (size - ((127u - 15u) << 23)) >> 13);
}
