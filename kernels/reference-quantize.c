/* The C tier: floats to int8 activations. */
#include "kernels/reference.h"

#include <float.h>
#include <math.h>

/* The largest |x|; a NaN is passed over. */
static float largest(const float *x, uint32_t n) {
    float max = 0;
    for (uint32_t i = 0; i < n; i++) max = fabsf(x[i]) > max ? fabsf(x[i]) : max;
    return max;
}

/* rint(x * factor). Only an infinite x makes NaN or leaves -128..127. */
static int8_t quantize_one(float x, float factor) {
    float product = x * factor;
    product = isnan(product) ? 0 : fminf(fmaxf(product, -128), 127);
    return (int8_t)lrintf(product);
}

/* From x[0] to x[n], zeros up to 32. Returns the sum of q. */
static int32_t quantize(const float *x, uint32_t n, float factor, int8_t q[I8_BLOCK]) {
    int32_t sum = 0;

    for (uint32_t i = 0; i < I8_BLOCK; i++) {
        q[i] = i < n ? quantize_one(x[i], factor) : 0;
        sum += q[i];
    }
    return sum;
}

static uint32_t block_length(uint32_t n, uint32_t i) {
    return n - i < I8_BLOCK ? n - i : I8_BLOCK;
}

void c_quantize_token(const float *x, uint32_t n, int8_t *q, float *ret_scale, int32_t *ret_sum) {
    float max = fmaxf(largest(x, n), 1e-5f), s = 127.0f / max;
    int32_t sum = 0;

    for (uint32_t i = 0; i < n; i += I8_BLOCK) sum += quantize(x + i, block_length(n, i), s, q + i);
    *ret_scale = max / 127.0f;
    *ret_sum = sum;
}

void c_quantize_block(const float *x, uint32_t n, int8_t *q, float *scales, int32_t *sums) {
    for (uint32_t i = 0; i < n; i += I8_BLOCK) {
        uint32_t length = block_length(n, i);
        float d = largest(x + i, length) / 127.0f;
        if (d < FLT_MIN) d = 0;
        scales[i / I8_BLOCK] = d;
        sums[i / I8_BLOCK] = quantize(x + i, length, d > 0 ? 1.0f / d : 0, q + i);
    }
}

void c_quantize_row(const float *x, uint32_t n, int8_t *q, float *ret_scale) {
    float d = largest(x, n) / 127.0f;
    if (d < FLT_MIN) d = 0;
    for (uint32_t i = 0; i < n; i++) q[i] = quantize_one(x[i], d > 0 ? 1.0f / d : 0);
    *ret_scale = d;
}
