/*
 * The one definition of exp. Every tier evaluates these steps with these constants, so that a
 * softmax has the same bits on every CPU.
 *
 *   t = fma(x, log2(e), MAGIC): n = rint(x log2(e)) appears in the low bits of t
 *   r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, x)), so |r| <= ln(2)/2
 *   p = 1 + r + r^2 (C2 + C3 r + ... + C6 r^4) by Horner's rule: minimax, relative error 2^-28
 *   exp(x) = p 2^n, by adding n to p's exponent
 *
 * Within 1 ulp of the true value. Below EXP_LEAST (that is before a result would be denormal) and
 * at -inf it is +0; above EXP_MOST (e^88.72 = 3.393e38) and at +inf it is +inf; a NaN comes back as
 * it is; exp(+-0) is 1.
 */
#pragma once

#include <math.h>

#include "kernels/f16.h"

#define EXP_LEAST -87.33f
#define EXP_MOST 88.72f
#define EXP_LOG2_E 0x1.715476p+0f
#define EXP_LN2_HIGH 0x1.62e4p-1f /* short: n times it is exact */
#define EXP_LN2_LOW 0x1.7f7d1cp-20f
#define EXP_MAGIC 0x1.8p23f /* a float this large has its last bit worth 1 */
#define EXP_C6 0x1.6a4d64p-10f
#define EXP_C5 0x1.12398ep-7f
#define EXP_C4 0x1.5558b0p-5f
#define EXP_C3 0x1.555492p-3f
#define EXP_C2 0x1.fffffcp-2f

static inline float exp_f32(float x) {
    if (isnan(x)) return x;
    if (x < EXP_LEAST) return 0;
    if (x > EXP_MOST) return INFINITY;

    float t = fmaf(x, EXP_LOG2_E, EXP_MAGIC);
    float n = t - EXP_MAGIC;
    float r = fmaf(n, -EXP_LN2_LOW, fmaf(n, -EXP_LN2_HIGH, x));
    float p = fmaf(r, EXP_C6, EXP_C5);
    p = fmaf(p, r, EXP_C4);
    p = fmaf(p, r, EXP_C3);
    p = fmaf(p, r, EXP_C2);
    p = fmaf(p, r, 1.0f);
    p = fmaf(p, r, 1.0f);
    /* The bits of MAGIC vanish in the shift. */
    return f32_from_bits(f32_bits(p) + (f32_bits(t) << 23));
}
