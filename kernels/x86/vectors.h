/*
 * The kernels over plain vectors, in the words of the lanes-*.h that the includer included before.
 */
#pragma once

#include <float.h>
#include <math.h>

#include "kernels/kernels.h"

ALWAYS_INLINE Lanes lanes_exp(Lanes x) {
    Lanes t = lanes_fma(x, lanes_set(EXP_LOG2_E), lanes_set(EXP_MAGIC));
    Lanes n = lanes_sub(t, lanes_set(EXP_MAGIC));
    Lanes r = lanes_fma(n, lanes_set(-EXP_LN2_HIGH), x);
    r = lanes_fma(n, lanes_set(-EXP_LN2_LOW), r);
    Lanes p = lanes_fma(r, lanes_set(EXP_C6), lanes_set(EXP_C5));
    p = lanes_fma(p, r, lanes_set(EXP_C4));
    p = lanes_fma(p, r, lanes_set(EXP_C3));
    p = lanes_fma(p, r, lanes_set(EXP_C2));
    p = lanes_fma(p, r, lanes_set(1));
    p = lanes_fma(p, r, lanes_set(1));
    return lanes_limit(x, EXP_LEAST, 0, EXP_MOST, INFINITY, lanes_scale(p, t));
}

ALWAYS_INLINE Lanes load_up_to_16(const float *x, uint32_t n) {
    return n < 16 ? lanes_load_first(x, n) : lanes_load(x);
}

ALWAYS_INLINE void store_up_to_16(float *y, uint32_t n, Lanes a) {
    if (n < 16)
        lanes_store_first(y, n, a);
    else
        lanes_store(y, a);
}

static float largest(const float *x, uint32_t n) {
    Lanes max = lanes_set(0);
    for (uint32_t i = 0; i < n; i += 16)
        max = lanes_max(lanes_abs(load_up_to_16(x + i, n - i)), max);
    return lanes_largest(max);
}

/* Sixteen of x, and zeros where x has ended. Returns them, whole numbers now. */
ALWAYS_INLINE Lanes quantize_16(const float *x, uint32_t n, float factor, int8_t *q) {
    return lanes_to_i8(lanes_mul(load_up_to_16(x, n), lanes_set(factor)), q);
}

/* Returns what is to be added up. */
ALWAYS_INLINE Lanes quantize_32(const float *x, uint32_t n, float factor, int8_t *q) {
    Lanes low = quantize_16(x, n, factor, q);
    return lanes_add(low, n > 16 ? quantize_16(x + 16, n - 16, factor, q + 16)
                                 : lanes_to_i8(lanes_set(0), q + 16));
}

/* A lane has the sum of so few bytes that it is exact, all sixteen together may not be. */
static int32_t whole_sum(Lanes a) {
    float lanes[16];
    int32_t sum = 0;
    lanes_store(lanes, a);
    for (unsigned i = 0; i < 16; i++) sum += (int32_t)lanes[i];
    return sum;
}

static void quantize_token(const float *x, uint32_t n, int8_t *q, float *ret_scale,
                           int32_t *ret_sum) {
    float max = fmaxf(largest(x, n), 1e-5f), s = 127.0f / max;
    Lanes sums = lanes_set(0);
    uint32_t i = 0;

    for (; n - i >= I8_BLOCK; i += I8_BLOCK)
        sums = lanes_add(sums, quantize_32(x + i, I8_BLOCK, s, q + i));
    if (i < n) sums = lanes_add(sums, quantize_32(x + i, n - i, s, q + i));
    *ret_scale = max / 127.0f;
    *ret_sum = whole_sum(sums);
}

/* The scale of a block, and its factor, from the largest |x|. */
ALWAYS_INLINE void block_scale(float largest, float *ret_scale, float *ret_factor) {
    const float d = largest / 127.0f, factor = 1.0f / d;
    *ret_scale = d < FLT_MIN ? 0 : d;
    *ret_factor = d < FLT_MIN ? 0 : factor;
}

/* As many whole blocks as there are trees made in one go. */
static void quantize_blocks(const float *x, int8_t *q, float *scales, int32_t *sums) {
    Lanes lanes[LANES_TREES];
    float results[LANES_TREES], factors[LANES_TREES];

    UNROLL for (unsigned i = 0; i < LANES_TREES; i++) {
        Lanes max = lanes_max(lanes_abs(lanes_load(x + i * I8_BLOCK)), lanes_set(0));
        lanes[i] = lanes_max(lanes_abs(lanes_load(x + i * I8_BLOCK + 16)), max);
    }
    lanes_each_largest(lanes, results);
    for (unsigned i = 0; i < LANES_TREES; i++) block_scale(results[i], &scales[i], &factors[i]);
    UNROLL for (unsigned i = 0; i < LANES_TREES; i++) lanes[i] =
        quantize_32(x + i * I8_BLOCK, I8_BLOCK, factors[i], q + i * I8_BLOCK);
    lanes_trees(lanes, results);
    for (unsigned i = 0; i < LANES_TREES; i++) sums[i] = (int32_t)results[i];
}

static void quantize_block(const float *x, uint32_t n, int8_t *q, float *scales, int32_t *sums) {
    uint32_t i = 0;

    for (; n - i >= LANES_TREES * I8_BLOCK; i += LANES_TREES * I8_BLOCK)
        quantize_blocks(x + i, q + i, scales + i / I8_BLOCK, sums + i / I8_BLOCK);
    for (; i < n; i += I8_BLOCK) {
        const uint32_t length = n - i < I8_BLOCK ? n - i : I8_BLOCK;
        float factor;
        block_scale(largest(x + i, length), &scales[i / I8_BLOCK], &factor);
        sums[i / I8_BLOCK] = whole_sum(quantize_32(x + i, length, factor, q + i));
    }
}

static void quantize_row(const float *x, uint32_t n, int8_t *q, float *ret_scale) {
    float d = largest(x, n) / 127.0f;
    if (d < FLT_MIN) d = 0;
    const float factor = d > 0 ? 1.0f / d : 0;
    uint32_t i = 0;
    int8_t last[16];

    for (; n - i >= 16; i += 16) quantize_16(x + i, 16, factor, q + i);
    if (i < n) {
        quantize_16(x + i, n - i, factor, last);
        memcpy(q + i, last, n - i);
    }
    *ret_scale = d;
}

/* y[i] = f(a[i], b[i]) */
ALWAYS_INLINE void map(Lanes (*f)(Lanes, Lanes), const float *a, const float *b, uint32_t n,
                       float *y) {
    uint32_t i = 0;
    for (; n - i >= 16; i += 16) lanes_store(y + i, f(lanes_load(a + i), lanes_load(b + i)));
    if (i == n) return;
    Lanes last = f(lanes_load_first(a + i, n - i), lanes_load_first(b + i, n - i));
    lanes_store_first(y + i, n - i, last);
}

ALWAYS_INLINE Lanes silu_mul_lanes(Lanes gate, Lanes up) {
    Lanes e = lanes_exp(lanes_negate(gate));
    return lanes_mul(lanes_div(gate, lanes_add(lanes_set(1), e)), up);
}

ALWAYS_INLINE Lanes relu2_mul_lanes(Lanes gate, Lanes up) {
    Lanes z = lanes_max(gate, lanes_set(0));
    return lanes_mul(lanes_mul(z, z), up);
}

static void silu_mul(const float *gate, const float *up, uint32_t n, float *y) {
    map(silu_mul_lanes, gate, up, n, y);
}

static void relu2_mul(const float *gate, const float *up, uint32_t n, float *y) {
    map(relu2_mul_lanes, gate, up, n, y);
}

static void add(const float *x, uint32_t n, float *y) {
    map(lanes_add, y, x, n, y);
}

static void rms_norm(const float *x, const float *w, uint32_t n, float eps, float *y) {
    Lanes squares = lanes_set(0);
    uint32_t i;

    for (i = 0; i < n; i += 16) {
        Lanes a = load_up_to_16(x + i, n - i);
        squares = lanes_fma(a, a, squares);
    }
    Lanes r = lanes_set(1.0f / sqrtf(lanes_tree(squares) / (float)n + eps));
    for (i = 0; n - i >= 16; i += 16)
        lanes_store(y + i, lanes_mul(lanes_mul(lanes_load(x + i), r), lanes_load(w + i)));
    if (i == n) return;
    Lanes last = lanes_mul(lanes_load_first(x + i, n - i), r);
    lanes_store_first(y + i, n - i, lanes_mul(last, lanes_load_first(w + i, n - i)));
}

static void f32_to_f16(const float *x, uint32_t n, uint16_t *y) {
    uint32_t i = 0;
    for (; n - i >= 16; i += 16) lanes_store_f16(y + i, lanes_load(x + i));
    if (i < n) lanes_store_f16_first(y + i, n - i, lanes_load_first(x + i, n - i));
}

static void f16_to_f32(const uint16_t *x, uint32_t n, float *y) {
    uint32_t i = 0;
    for (; n - i >= 16; i += 16) lanes_store(y + i, lanes_load_f16(x + i));
    if (i < n) lanes_store_first(y + i, n - i, lanes_load_f16_first(x + i, n - i));
}

/* One pair; a and b lie where the pairing says. */
ALWAYS_INLINE void rotate_pair(float *a, float *b, float c, float s) {
    float old_a = *a, old_b = *b;
    *a = fmaf(old_a, c, -(old_b * s));
    *b = fmaf(old_a, s, old_b * c);
}

static void rope_norm(float *x, uint32_t n_heads, uint32_t head_size, uint32_t half,
                      const float *cos, const float *sin) {
    uint32_t i = 0;

    for (; half - i >= 8; i += 8) {
        /* Each head's a and b are doubled; even lanes want (c, -s), odd ones (s, c). */
        float minus_sin[8];
        for (unsigned k = 0; k < 8; k++) minus_sin[k] = -sin[i + k];
        Lanes of_a = lanes_interleave(cos + i, sin + i);
        Lanes of_b = lanes_interleave(minus_sin, cos + i);
        float *head = x + 2 * (size_t)i;
        for (uint32_t h = 0; h < n_heads; h++, head += head_size) {
            Lanes pairs = lanes_load(head);
            Lanes b_part = lanes_mul(lanes_odd(pairs), of_b);
            lanes_store(head, lanes_fma(lanes_even(pairs), of_a, b_part));
        }
    }
    for (; i < half; i++)
        for (uint32_t h = 0; h < n_heads; h++) {
            float *pair = x + (size_t)h * head_size + 2 * (size_t)i;
            rotate_pair(pair, pair + 1, cos[i], sin[i]);
        }
}

static void rope_neox(float *x, uint32_t n_heads, uint32_t head_size, uint32_t half,
                      const float *cos, const float *sin) {
    for (uint32_t h = 0; h < n_heads; h++, x += head_size) {
        uint32_t i = 0;
        for (; half - i >= 16; i += 16) {
            Lanes a = lanes_load(x + i), b = lanes_load(x + half + i);
            Lanes c = lanes_load(cos + i), s = lanes_load(sin + i);
            lanes_store(x + i, lanes_fms(a, c, lanes_mul(b, s)));
            lanes_store(x + half + i, lanes_fma(a, s, lanes_mul(b, c)));
        }
        for (; i < half; i++) rotate_pair(x + i, x + half + i, cos[i], sin[i]);
    }
}

static void rope(float *x, uint32_t n_heads, uint32_t head_size, uint32_t n_rot,
                 const float *cos_sin, enum RopePairing pairing) {
    uint32_t half = n_rot / 2;
    (pairing == ROPE_NORM ? rope_norm : rope_neox)(x, n_heads, head_size, half, cos_sin,
                                                   cos_sin + half);
}
