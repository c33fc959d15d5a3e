/* The kernels over plain vectors. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "kernels/exp.h"
#include "tests/kernels/check.h"
#include "tests/kernels/inputs.h"

static void check_near(double actual, double expected, double bound, const char *what, uint32_t n) {
    if (!(fabs(actual - expected) <= bound))
        check_failed("C tier, %s, n=%u: %.9g, expected %.9g within %g", what, n, actual, expected,
                     bound);
}

/* ---- quantisation ---- */

static void compare_quantize_token(const struct Kernels *tier) {
    FOR_EACH_SIZE_AND_FILL(n, fill) {
        uint32_t padded = (n + 31) / 32 * 32;
        const float *x = new_floats(SLOT_A, fill, n);
        int8_t *expected = guarded(SLOT_B, padded), *actual = guarded(SLOT_C, padded);
        float scale[2] = {-1, -2};
        int32_t sum[2] = {-1, -2};

        kernels_tier(0)->quantize_token(x, n, expected, &scale[0], &sum[0]);
        tier->quantize_token(x, n, actual, &scale[1], &sum[1]);
        check_same_bytes(tier, actual, expected, padded, "n=%u fill=%d", n, fill);
        check_same_floats(tier, &scale[1], &scale[0], 1, "scale n=%u fill=%d", n, fill);
        check_same_bytes(tier, &sum[1], &sum[0], sizeof sum[0], "sum n=%u fill=%d", n, fill);
    }
}

/* q * scale is x to half a step, sums are sums, the padding is zero. */
static void check_quantised(const float *x, uint32_t n, const int8_t *q, double scale,
                            int32_t expected_sum, const char *what) {
    int32_t sum = 0;
    for (uint32_t i = 0; i < (n + 31) / 32 * 32; i++) {
        sum += q[i];
        check_near(q[i] * scale, i < n ? x[i] : 0, scale * 0.50001, what, n);
    }
    check_near(sum, expected_sum, 0, what, n);
}

void check_quantize_token(void) {
    const float *x = new_floats(SLOT_A, FILL_WIDE, 1000);
    int8_t *q = guarded(SLOT_B, 1024);
    float scale;
    int32_t sum;

    kernels_tier(0)->quantize_token(x, 1000, q, &scale, &sum);
    check_quantised(x, 1000, q, scale, sum, "quantize_token");
    check_tiers(compare_quantize_token);
}

static void compare_quantize_block(const struct Kernels *tier) {
    FOR_EACH_SIZE_AND_FILL(n, fill) {
        uint32_t n_blocks = (n + 31) / 32;
        const float *x = new_floats(SLOT_A, fill, n);
        int8_t *q[2] = {guarded(SLOT_B, n_blocks * 32), guarded(SLOT_C, n_blocks * 32)};
        float *scales[2] = {guarded(SLOT_D, n_blocks * 4), guarded(SLOT_E, n_blocks * 4)};
        int32_t sums[2][4096 / 32];

        kernels_tier(0)->quantize_block(x, n, q[0], scales[0], sums[0]);
        tier->quantize_block(x, n, q[1], scales[1], sums[1]);
        check_same_bytes(tier, q[1], q[0], n_blocks * 32, "n=%u fill=%d", n, fill);
        check_same_floats(tier, scales[1], scales[0], n_blocks, "scales n=%u fill=%d", n, fill);
        check_same_bytes(tier, sums[1], sums[0], n_blocks * 4, "sums n=%u fill=%d", n, fill);
    }
}

void check_quantize_block(void) {
    const float *x = new_floats(SLOT_A, FILL_WIDE, 1000);
    int8_t *q = guarded(SLOT_B, 1024);
    float scales[32];
    int32_t sums[32];

    kernels_tier(0)->quantize_block(x, 1000, q, scales, sums);
    for (uint32_t i = 0; i < 1000; i += 32)
        check_quantised(x + i, 1000 - i < 32 ? 1000 - i : 32, q + i, scales[i / 32], sums[i / 32],
                        "quantize_block");
    check_tiers(compare_quantize_block);
}

static void compare_quantize_row(const struct Kernels *tier) {
    FOR_EACH_SIZE_AND_FILL(n, fill) {
        const float *x = new_floats(SLOT_A, fill, n);
        int8_t *expected = guarded(SLOT_B, n), *actual = guarded(SLOT_C, n);
        float scale[2] = {-1, -2};

        kernels_tier(0)->quantize_row(x, n, expected, &scale[0]);
        tier->quantize_row(x, n, actual, &scale[1]);
        check_same_bytes(tier, actual, expected, n, "n=%u fill=%d", n, fill);
        check_same_floats(tier, &scale[1], &scale[0], 1, "scale n=%u fill=%d", n, fill);
    }
}

void check_quantize_row(void) {
    float *x = new_floats(SLOT_A, FILL_WIDE, 100);
    int8_t *q = guarded(SLOT_B, 100);
    float scale;

    for (unsigned i = 0; i < 100; i++) x[i] *= 1e-9f; /* no scale is too small */
    kernels_tier(0)->quantize_row(x, 100, q, &scale);
    for (unsigned i = 0; i < 100; i++)
        check_near(q[i] * (double)scale, x[i], scale * 0.50001, "quantize_row", 100);
    check_tiers(compare_quantize_row);
}

/* ---- y = f(a, b) ---- */

typedef void Binary(const float *a, const float *b, uint32_t n, float *y);

/* Also in place over either operand, which all kernels of this shape allow. */
static void compare_binary(const struct Kernels *tier, Binary *c, Binary *simd) {
    FOR_EACH_SIZE_AND_FILL(n, fill) {
        const float *a = new_floats(SLOT_A, fill, n), *b = new_floats(SLOT_B, fill, n);
        float *expected = guarded(SLOT_C, n * sizeof *a), *actual = guarded(SLOT_D, n * sizeof *a);

        c(a, b, n, expected);
        simd(a, b, n, actual);
        check_same_floats(tier, actual, expected, n, "n=%u fill=%d", n, fill);
        actual = copy_of(SLOT_D, a, n);
        simd(actual, b, n, actual);
        check_same_floats(tier, actual, expected, n, "y is a, n=%u fill=%d", n, fill);
        actual = copy_of(SLOT_D, b, n);
        simd(a, actual, n, actual);
        check_same_floats(tier, actual, expected, n, "y is b, n=%u fill=%d", n, fill);
    }
}

static void compare_silu_mul(const struct Kernels *tier) {
    compare_binary(tier, kernels_tier(0)->silu_mul, tier->silu_mul);
}

static void compare_relu2_mul(const struct Kernels *tier) {
    compare_binary(tier, kernels_tier(0)->relu2_mul, tier->relu2_mul);
}

static double silu(double z) {
    return z / (1 + exp(-z));
}

static double relu2(double z) {
    return z > 0 ? z * z : 0;
}

static void check_activation(Binary *c, double (*naive)(double)) {
    const uint32_t n = 1000;
    const float *gate = new_floats(SLOT_A, FILL_WIDE, n), *up = new_floats(SLOT_B, FILL_RANDOM, n);
    float *y = guarded(SLOT_C, n * sizeof *y);

    c(gate, up, n, y);
    for (uint32_t i = 0; i < n; i++) {
        double expected = naive(gate[i]) * up[i];
        check_near(y[i], expected, fabs(expected) * 5e-7 + 1e-36, "activation", n);
    }
}

void check_silu_mul(void) {
    check_activation(kernels_tier(0)->silu_mul, silu);
    check_tiers(compare_silu_mul);
}

void check_relu2_mul(void) {
    check_activation(kernels_tier(0)->relu2_mul, relu2);
    check_tiers(compare_relu2_mul);
}

static void compare_add(const struct Kernels *tier) {
    FOR_EACH_SIZE_AND_FILL(n, fill) {
        const float *x = new_floats(SLOT_A, fill, n), *y = new_floats(SLOT_B, fill, n);
        float *expected = copy_of(SLOT_C, y, n), *actual = copy_of(SLOT_D, y, n);

        kernels_tier(0)->add(x, n, expected);
        tier->add(x, n, actual);
        check_same_floats(tier, actual, expected, n, "n=%u fill=%d", n, fill);
    }
}

void check_add(void) {
    float x[3] = {1, 2, 3}, y[3] = {10, 20, 30}, expected[3] = {11, 22, 33};
    kernels_tier(0)->add(x, 3, y);
    check_same_floats(kernels_tier(0), y, expected, 3, "a sum");
    check_tiers(compare_add);
}

/* ---- rms_norm ---- */

static void compare_rms_norm(const struct Kernels *tier) {
    FOR_EACH_SIZE_AND_FILL(n, fill) {
        const float *x = new_floats(SLOT_A, fill, n), *w = new_floats(SLOT_B, FILL_RANDOM, n);
        float *expected = guarded(SLOT_C, n * sizeof *x), *actual = guarded(SLOT_D, n * sizeof *x);

        kernels_tier(0)->rms_norm(x, w, n, 1e-5f, expected);
        tier->rms_norm(x, w, n, 1e-5f, actual);
        check_same_floats(tier, actual, expected, n, "n=%u fill=%d", n, fill);
        actual = copy_of(SLOT_D, x, n);
        tier->rms_norm(actual, w, n, 1e-5f, actual);
        check_same_floats(tier, actual, expected, n, "in place, n=%u fill=%d", n, fill);
    }
}

void check_rms_norm(void) {
    const uint32_t n = 1000;
    const float *x = new_floats(SLOT_A, FILL_WIDE, n), *w = new_floats(SLOT_B, FILL_RANDOM, n);
    float *y = guarded(SLOT_C, n * sizeof *y);
    double squares = 0;

    kernels_tier(0)->rms_norm(x, w, n, 1e-5f, y);
    for (uint32_t i = 0; i < n; i++) squares += (double)x[i] * x[i];
    for (uint32_t i = 0; i < n; i++) {
        double expected = x[i] / sqrt(squares / n + 1e-5) * w[i];
        check_near(y[i], expected, fabs(expected) * 1e-6, "rms_norm", n);
    }
    check_tiers(compare_rms_norm);
}

/* ---- rope ---- */

static void compare_rope(const struct Kernels *tier) {
    static const uint32_t rotations[] = {0, 2, 6, 14, 16, 18, 30, 32, 34, 64, 80, 126, 128};

    for (unsigned i = 0; i < sizeof rotations / sizeof *rotations; i++)
        for (uint32_t case_ = 0; case_ < 4 * N_FILLS; case_++) {
            uint32_t n_rot = rotations[i], n_heads = 1 + case_ % 3;
            uint32_t head_size = n_rot + case_ % 4 * 2 + 1;
            enum RopePairing pairing = case_ & 1 ? ROPE_NORM : ROPE_NEOX;
            size_t n = (size_t)n_heads * head_size;
            const float *x = new_floats(SLOT_A, case_ / 4, n);
            const float *cos_sin = new_floats(SLOT_B, FILL_RANDOM, n_rot);
            float *expected = copy_of(SLOT_C, x, n), *actual = copy_of(SLOT_D, x, n);

            kernels_tier(0)->rope(expected, n_heads, head_size, n_rot, cos_sin, pairing);
            tier->rope(actual, n_heads, head_size, n_rot, cos_sin, pairing);
            check_same_floats(tier, actual, expected, n, "n_rot=%u pairing=%d", n_rot, pairing);
        }
}

static void check_rope_pairing(enum RopePairing pairing, uint32_t a, uint32_t b) {
    /* Pair 1 of two, by a known angle; the other one and the rest of the head stay. */
    const float cos_sin[4] = {1, cosf(0.5f), 0, sinf(0.5f)};
    float x[6] = {1, 2, 3, 4, 5, 6}, y[6];

    memcpy(y, x, sizeof x);
    kernels_tier(0)->rope(y, 1, 6, 4, cos_sin, pairing);
    for (uint32_t i = 0; i < 6; i++) {
        double expected = x[i];
        if (i == a) expected = x[a] * cos(0.5) - x[b] * sin(0.5);
        if (i == b) expected = x[a] * sin(0.5) + x[b] * cos(0.5);
        check_near(y[i], expected, 1e-6, "rope", i);
    }
}

void check_rope(void) {
    check_rope_pairing(ROPE_NORM, 2, 3);
    check_rope_pairing(ROPE_NEOX, 1, 3);
    check_tiers(compare_rope);
}

/* ---- half floats ---- */

static void compare_f32_to_f16(const struct Kernels *tier) {
    FOR_EACH_SIZE_AND_FILL(n, fill) {
        const float *x = new_floats(SLOT_A, fill, n);
        uint16_t *expected = guarded(SLOT_B, n * 2), *actual = guarded(SLOT_C, n * 2);
        kernels_tier(0)->f32_to_f16(x, n, expected);
        tier->f32_to_f16(x, n, actual);
        check_same_bytes(tier, actual, expected, n * 2, "n=%u fill=%d", n, fill);
    }
    /* Any bits at all, NaN included: halves are stored, so they have to be the same in a file. */
    const uint32_t n = 1 << 20;
    float *x = guarded(SLOT_A, n * sizeof *x);
    uint16_t *expected = guarded(SLOT_B, n * 2), *actual = guarded(SLOT_C, n * 2);
    for (uint32_t i = 0; i < n; i++) x[i] = f32_from_bits(random_u32());
    kernels_tier(0)->f32_to_f16(x, n, expected);
    tier->f32_to_f16(x, n, actual);
    check_same_bytes(tier, actual, expected, n * 2, "random bits");
}

static uint16_t *all_halves(enum Slot slot) {
    uint16_t *halves = guarded(slot, 65536 * sizeof *halves);
    for (uint32_t i = 0; i < 65536; i++) halves[i] = (uint16_t)i;
    return halves;
}

static double half_value(uint32_t half) {
    int exponent = half >> 10 & 31, fraction = half & 1023;
    double size = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return half & 0x8000 ? -size : size;
}

/* The nearest half, checked from both sides: no neighbour is nearer, and ties go to even. */
void check_f32_to_f16(void) {
    for (uint32_t i = 0; i < 0x7bff; i++) {
        double low = half_value(i), high = half_value(i + 1), middle = (low + high) / 2;
        float x[4] = {(float)low, nextafterf((float)middle, 0), (float)middle,
                      nextafterf((float)middle, 1e9f)};
        uint16_t y[4],
            expected[4] = {(uint16_t)i, (uint16_t)i, (uint16_t)(i + (i & 1)), (uint16_t)(i + 1)};
        kernels_tier(0)->f32_to_f16(x, 4, y);
        check_same_bytes(kernels_tier(0), y, expected, sizeof y, "around half %u", i);
    }
    check_tiers(compare_f32_to_f16);
}

static void compare_f16_to_f32(const struct Kernels *tier) {
    const uint16_t *halves = all_halves(SLOT_A);
    float *expected = guarded(SLOT_B, 65536 * 4), *actual = guarded(SLOT_C, 65536 * 4);

    kernels_tier(0)->f16_to_f32(halves, 65536, expected);
    tier->f16_to_f32(halves, 65536, actual);
    check_same_bytes(tier, actual, expected, 65536 * 4, "all halves");
    for (const uint32_t *size = vector_sizes; size < vector_sizes + N_VECTOR_SIZES; size++) {
        actual = guarded(SLOT_C, *size * sizeof *actual);
        tier->f16_to_f32(halves + 65536 - *size, *size, actual);
        check_same_floats(tier, actual, expected + 65536 - *size, *size, "n=%u", *size);
    }
}

void check_f16_to_f32(void) {
    const uint16_t *halves = all_halves(SLOT_A);
    float *y = guarded(SLOT_B, 65536 * sizeof *y);

    kernels_tier(0)->f16_to_f32(halves, 65536, y);
    for (uint32_t i = 0; i < 65536; i++)
        if ((i & 0x7c00) != 0x7c00)
            check_near(y[i], half_value(i), 0, "f16_to_f32", i);
        else
            check_near(i & 0x3ff ? isnan(y[i]) : y[i] == (i & 0x8000 ? -INFINITY : INFINITY), 1, 0,
                       "not a number or infinite", i);
    check_tiers(compare_f16_to_f32);
}

/* ---- exp ---- */

void check_exp(void) {
    for (float x = EXP_LEAST; x <= EXP_MOST; x += 1.7e-4f) {
        double expected = exp(x), ulp = ldexp(1, ilogb(expected) - 23);
        check_near(exp_f32(x), expected, ulp, "exp", 1);
    }
    check_near(exp_f32(0.0f), 1, 0, "exp(0)", 1);
    check_near(exp_f32(-0.0f), 1, 0, "exp(-0)", 1);
    check_near(exp_f32(nextafterf(EXP_LEAST, -100)), 0, 0, "exp below its least", 1);
    check_near(exp_f32(-INFINITY), 0, 0, "exp(-inf)", 1);
    check_near(exp_f32(nextafterf(EXP_MOST, 100)) == INFINITY, 1, 0, "exp above its most", 1);
    check_near(exp_f32(INFINITY) == INFINITY, 1, 0, "exp(inf)", 1);
    check_near(isnan(exp_f32(NAN)), 1, 0, "exp(nan)", 1);
}
