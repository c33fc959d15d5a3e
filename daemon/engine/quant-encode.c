#include "engine/quant-encode.h"

#include <math.h>

#include "kernels/f16.h"

#define BLOCK QUANT_ENCODE_BLOCK

bool quant_are_finite(const float *x, size_t n) {
    uint32_t some = 0;
    for (size_t i = 0; i < n; i++)
        some |= (f32_bits(x[i]) & 0x7f800000) == 0x7f800000 ? 0xffffffff : 0;
    return !some;
}

/* roundf() for numbers that an int holds, without its call: half away from zero. */
static inline int round_away(float x) {
    int whole = (int)x;
    float rest = x - (float)whole;
    return whole + (rest >= 0.5f) - (rest <= -0.5f);
}

uint16_t quant_encode_q8_0(const float x[BLOCK], int8_t ret[BLOCK]) {
    float largest = 0;
    for (unsigned i = 0; i < BLOCK; i++) largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
    float d = largest / 127, inverse = d != 0 ? 1 / d : 0;
    if (!isfinite(inverse)) d = inverse = 0; /* the half would be 0 as well */
    for (unsigned i = 0; i < BLOCK; i++) ret[i] = (int8_t)round_away(x[i] * inverse);
    return f16_encode(d);
}

/* ---- Q4_0 ---- */

/* What the largest weight is tried as; the first is ggml's. */
static const float ends[] = {-8, -8.5f, -7.5f, -7, 7, 7.5f};

static inline int nibble(float x) {
    int q = (int)(x + 8.5f); /* x >= -8.5 */
    q = q < 0 ? 0 : q;
    return q > 15 ? 15 : q;
}

/* The scale of the least error for x rounded with `inverse`; *ret_gain is how much of the sum of
 * squares of x it explains. */
static float best_scale(const float x[BLOCK], float inverse, float *ret_gain) {
    float products = 0, squares = 0;
    for (unsigned i = 0; i < BLOCK; i++) {
        float q = (float)(nibble(x[i] * inverse) - 8);
        products += x[i] * q;
        squares += q * q;
    }
    *ret_gain = squares > 0 ? products * (products / squares) : 0;
    return squares > 0 ? products / squares : 0;
}

/* The weight that is farthest from 0, with its sign. */
static float largest_of(const float x[BLOCK]) {
    float largest = 0;
    for (unsigned i = 0; i < BLOCK; i++) largest = fabsf(x[i]) > fabsf(largest) ? x[i] : largest;
    return largest;
}

uint16_t quant_encode_q4_0(const float x[BLOCK], uint8_t ret[BLOCK / 2]) {
    float largest = largest_of(x), scale = 0, inverse = 0, most = -1;
    for (unsigned i = 0; i < sizeof ends / sizeof *ends && largest != 0; i++) {
        float gain, tried = ends[i] / largest;
        if (!isfinite(tried)) break; /* too small for any half */
        float d = best_scale(x, tried, &gain);
        if (!(gain > most)) continue;
        most = gain;
        scale = d;
        inverse = tried;
    }
    for (unsigned i = 0; i < BLOCK / 2; i++)
        ret[i] = (uint8_t)(nibble(x[i] * inverse) | nibble(x[i + BLOCK / 2] * inverse) << 4);
    return f16_encode(scale);
}
