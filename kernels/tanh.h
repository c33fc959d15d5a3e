/*
 * The one definition of tanh, by way of e^(2x) - 1 in the steps of kernels/exp.h without its last
 * sum, so that nothing is lost near zero:
 *
 *   y = 2x within +-TANH_MOST, where tanh is 1 to the last bit; a NaN stays
 *   q = r + r^2 (C2 + ...) is e^r - 1;  e = 2^n q + (2^n - 1) is e^y - 1
 *   tanh(x) = e / (e + 2)
 *
 * Within 4 ulp of the true value.
 */
#pragma once

#include "kernels/exp.h"

#define TANH_MOST 30.0f

static inline float tanh_f32(float x) {
    float y = x + x;
    y = -TANH_MOST > y ? -TANH_MOST : y;
    y = TANH_MOST < y ? TANH_MOST : y;
    float t = fmaf(y, EXP_LOG2_E, EXP_MAGIC);
    float n = t - EXP_MAGIC;
    float r = fmaf(n, -EXP_LN2_LOW, fmaf(n, -EXP_LN2_HIGH, y));
    float p = fmaf(r, EXP_C6, EXP_C5);
    p = fmaf(p, r, EXP_C4);
    p = fmaf(p, r, EXP_C3);
    p = fmaf(p, r, EXP_C2);
    p = fmaf(p, r, 1.0f);
    float power = f32_from_bits(f32_bits(1.0f) + (f32_bits(t) << 23));
    float e = fmaf(power, p * r, power - 1.0f);
    return e / (e + 2.0f);
}
