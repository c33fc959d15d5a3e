/*
 * The one definition of softplus, ln(1 + e^z), as kernels/exp.h is that of exp.
 *
 *   e = exp(-|z|), in [0, 1]
 *   ln(1 + e) = 2 atanh(s) with s = e / (2 + e), so s <= 1/3; w = s s
 *   2 atanh(s) = fma(2 s w, C3 + C5 w + C7 w^2 + C9 w^3, 2 s): minimax, relative error 2^-27
 *   softplus(z) = max(z, 0) + ln(1 + e)
 *
 * Small results keep their relative precision (2e-7), which a time step far below 1 needs. +0 below
 * exp's least argument; a NaN stays one.
 */
#pragma once

#include "kernels/exp.h"

#define SOFTPLUS_C3 0x1.5555p-2f
#define SOFTPLUS_C5 0x1.99d27cp-3f
#define SOFTPLUS_C7 0x1.1eb612p-3f
#define SOFTPLUS_C9 0x1.1ef87p-3f

static inline float softplus_f32(float z) {
    float e = exp_f32(-fabsf(z));
    float s = e / (e + 2.0f), twice = s + s, w = s * s;
    float p = fmaf(w, SOFTPLUS_C9, SOFTPLUS_C7);
    p = fmaf(p, w, SOFTPLUS_C5);
    p = fmaf(p, w, SOFTPLUS_C3);
    return (z > 0 ? z : 0) + fmaf(twice * w, p, twice);
}
