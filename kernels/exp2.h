/*
 * The one definition of a scan's decay, exp(delta A), as kernels/exp.h is that of exp. It is taken
 * as a power of two, 2^(delta a), of a = A log2(e) that is made once, and the product is never
 * rounded:
 *
 *   t = fma(delta, a, MAGIC): n = rint(delta a) appears in the low bits of t
 *   r = fma(delta, a, -n), so |r| <= 1/2
 *   p = 1 + r (C1 + ... + C6 r^5) by Horner's rule: minimax, relative error 2^-28
 *   decay = p 2^n, by adding n to p's exponent
 *
 * Within 1 ulp of the true power. Where n is below EXP2_LEAST (that is before a result would be
 * denormal) it is +0, above EXP2_MOST +inf; a NaN stays one; where delta or a is 0 it is 1.
 */
#pragma once

#include <math.h>

#include "kernels/exp.h"

#define EXP2_LEAST -125.0f
#define EXP2_MOST 127.0f
#define EXP2_C6 0x1.470b4ap-13f
#define EXP2_C5 0x1.5f7276p-10f
#define EXP2_C4 0x1.3b270ep-7f
#define EXP2_C3 0x1.c6ae70p-5f
#define EXP2_C2 0x1.ebfbe0p-3f
#define EXP2_C1 0x1.62e430p-1f

static inline float exp2_product(float delta, float a) {
    float t = fmaf(delta, a, EXP_MAGIC);
    float n = t - EXP_MAGIC;
    if (isnan(n)) return n;
    if (n < EXP2_LEAST) return 0;
    if (n > EXP2_MOST) return INFINITY;

    float r = fmaf(delta, a, -n);
    float p = fmaf(r, EXP2_C6, EXP2_C5);
    p = fmaf(p, r, EXP2_C4);
    p = fmaf(p, r, EXP2_C3);
    p = fmaf(p, r, EXP2_C2);
    p = fmaf(p, r, EXP2_C1);
    p = fmaf(p, r, 1.0f);
    /* The bits of MAGIC vanish in the shift. */
    return f32_from_bits(f32_bits(p) + (f32_bits(t) << 23));
}
