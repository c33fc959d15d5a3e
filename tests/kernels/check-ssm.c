/* The kernels of state-space models. */
#include <math.h>
#include <string.h>

#include "kernels/exp2.h"
#include "kernels/softplus.h"
#include "tests/kernels/check.h"
#include "tests/kernels/inputs.h"

static void check_near(double actual, double expected, double bound, const char *what, size_t i) {
    if (!(fabs(actual - expected) <= bound))
        check_failed("C tier, %s [%zu]: %.9g, expected %.9g within %g", what, i, actual, expected,
                     bound);
}

/* ---- softplus, exp_mul: y = f(a, b), y may be a ---- */

typedef void Binary(const float *a, const float *b, uint32_t n, float *y);

static void compare_binary(const struct Kernels *tier, Binary *c, Binary *simd) {
    static const uint32_t sizes[] = {0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 100, 257, 5120};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (enum Fill fill = 0; fill < N_FILLS; fill++) {
            const uint32_t n = sizes[i];
            const float *a = new_floats(SLOT_A, fill, n), *b = new_floats(SLOT_B, fill, n);
            float *expected = guarded(SLOT_C, n * sizeof *a);
            float *actual = guarded(SLOT_D, n * sizeof *a);
            c(a, b, n, expected);
            simd(a, b, n, actual);
            check_same_floats(tier, actual, expected, n, "n=%u fill=%d", n, fill);
            actual = copy_of(SLOT_D, a, n);
            simd(actual, b, n, actual);
            check_same_floats(tier, actual, expected, n, "y is a, n=%u fill=%d", n, fill);
        }
}

static void compare_softplus(const struct Kernels *tier) {
    compare_binary(tier, kernels_tier(0)->softplus, tier->softplus);
}

static void compare_exp_mul(const struct Kernels *tier) {
    compare_binary(tier, kernels_tier(0)->exp_mul, tier->exp_mul);
}

void check_softplus(void) {
    const float one = 1, half = 0.5f;
    float y;
    for (float z = -87; z < 100; z += 3.1e-4f) {
        double expected = log1p(exp((double)-fabsf(z))) + (z > 0 ? (double)z : 0);
        check_near(softplus_f32(z), expected, expected * 2.5e-7, "softplus", 0);
    }
    check_near(softplus_f32(-100), 0, 0, "softplus(-100)", 0);
    check_near(softplus_f32(INFINITY) == INFINITY, 1, 0, "softplus(inf)", 0);
    check_near(softplus_f32(-INFINITY), 0, 0, "softplus(-inf)", 0);
    check_near(isnan(softplus_f32(NAN)), 1, 0, "softplus(nan)", 0);
    kernels_tier(0)->softplus(&one, &half, 1, &y);
    check_near(y, log(1 + exp(1.5)), 2e-7, "softplus of a sum", 0);
    check_tiers(compare_softplus);
}

void check_exp_mul(void) {
    const float a = -1.5f, b = 2.5f;
    float y;
    kernels_tier(0)->exp_mul(&a, &b, 1, &y);
    check_near(y, exp(-3.75), 1e-8, "exp_mul", 0);
    check_tiers(compare_exp_mul);
}

/* ---- ssm_conv ---- */

/* window and y are the caller's to set. */
static struct SsmConv new_conv(enum Fill fill, uint32_t n_rows, uint32_t n_channels,
                               uint32_t n_taps) {
    struct SsmConv conv = {
        .n_rows = n_rows,
        .n_channels = n_channels,
        .n_taps = n_taps,
        .stride = n_channels + 2,
        .x_stride = n_channels + 5,
        .y_stride = n_channels + 1,
    };
    conv.weight = new_floats(SLOT_A, FILL_RANDOM, (n_taps - 1) * conv.stride + n_channels);
    conv.bias = new_floats(SLOT_B, FILL_RANDOM, n_channels);
    conv.x = new_floats(SLOT_C, fill, (n_rows - 1) * conv.x_stride + n_channels);
    return conv;
}

/* Behind the last channel of the last row is the guard. */
static size_t window_size(const struct SsmConv *conv) {
    return conv->n_taps > 1 ? (conv->n_taps - 2) * conv->stride + conv->n_channels : 0;
}

static size_t output_size(const struct SsmConv *conv) {
    return (conv->n_rows - 1) * conv->y_stride + conv->n_channels;
}

/* All rows by the C tier against `first` rows and then the rest by another. */
static void compare_one_conv(const struct Kernels *tier, struct SsmConv conv, enum Fill fill,
                             uint32_t first) {
    struct SsmConv c = conv, rest;
    const float *window = new_floats(SLOT_F, fill, window_size(&conv));
    c.window = copy_of(SLOT_D, window, window_size(&conv));
    c.y = guarded(SLOT_E, output_size(&conv) * sizeof *c.y);
    kernels_tier(0)->ssm_conv(&c);

    conv.window = copy_of(SLOT_H, window, window_size(&conv));
    conv.y = guarded(SLOT_G, output_size(&conv) * sizeof *conv.y);
    rest = conv;
    conv.n_rows = first;
    rest.n_rows -= first;
    rest.x += first * rest.x_stride;
    rest.y += first * rest.y_stride;
    tier->ssm_conv(&conv);
    if (rest.n_rows > 0) tier->ssm_conv(&rest);
    for (uint32_t row = 0; row < c.n_rows; row++)
        check_same_floats(tier, conv.y + row * conv.y_stride, c.y + row * c.y_stride, c.n_channels,
                          "y of row %u of %u, %u taps, fill=%d", row, c.n_rows, c.n_taps, fill);
    for (uint32_t i = 0; i + 1 < c.n_taps; i++)
        check_same_floats(tier, conv.window + i * conv.stride, c.window + i * c.stride,
                          c.n_channels, "window %u after %u rows, %u taps, fill=%d", i, c.n_rows,
                          c.n_taps, fill);
}

static void compare_ssm_conv(const struct Kernels *tier) {
    static const uint32_t channels[] = {1, 8, 15, 16, 17, 33, 64, 131};
    for (unsigned i = 0; i < sizeof channels / sizeof *channels; i++)
        for (enum Fill fill = 0; fill < N_FILLS; fill++)
            for (uint32_t n_taps = 1; n_taps <= 5; n_taps++)
                for (uint32_t n_rows = 1; n_rows <= 7; n_rows += 2)
                    compare_one_conv(tier, new_conv(fill, n_rows, channels[i], n_taps), fill,
                                     1 + random_u32() % n_rows);
}

/* Two calls of the C tier against the sum over all taps, in double. */
void check_ssm_conv(void) {
    enum { ROWS = 6, CHANNELS = 19, TAPS = 4 };
    struct SsmConv conv = new_conv(FILL_RANDOM, ROWS, CHANNELS, TAPS);
    float zeros[TAPS * (CHANNELS + 2)] = {0};
    conv.window = zeros;
    conv.y = guarded(SLOT_G, output_size(&conv) * sizeof *conv.y);
    struct SsmConv first = conv, second = conv;
    first.n_rows = 1;
    second.n_rows = ROWS - 1;
    second.x += conv.x_stride;
    second.y += conv.y_stride;
    kernels_tier(0)->ssm_conv(&first);
    kernels_tier(0)->ssm_conv(&second);
    for (int row = 0; row < ROWS; row++)
        for (int channel = 0; channel < CHANNELS; channel++) {
            double z = conv.bias[channel];
            for (int k = 0; k < TAPS; k++)
                if (row + k - TAPS + 1 >= 0)
                    z += (double)conv.weight[(size_t)k * conv.stride + (size_t)channel] *
                         conv.x[(size_t)(row + k - TAPS + 1) * conv.x_stride + (size_t)channel];
            size_t at = (size_t)row * conv.y_stride + (size_t)channel;
            check_near(conv.y[at], z / (1 + exp(-z)), 1e-6, "ssm_conv", at);
        }
    check_tiers(compare_ssm_conv);
}

/* ---- ssm_scan ---- */

static size_t state_size(const struct SsmScan *scan) {
    return (size_t)(scan->n_channels + 15) / 16 * 16 * scan->n_state;
}

static size_t scan_output_size(const struct SsmScan *scan) {
    return (scan->n_rows - 1) * scan->y_stride + scan->n_channels;
}

/* Steps that are not negative and an A that is not positive unless the fill is extreme. */
static void make_stable(enum Fill fill, float *delta, size_t n_delta, float *a, size_t n_a) {
    if (fill > FILL_WIDE) return;
    for (size_t i = 0; i < n_delta; i++) delta[i] = fabsf(delta[i]);
    for (size_t i = 0; i < n_a; i++) a[i] = -fabsf(a[i]);
}

/* state and y are the caller's to set. */
static struct SsmScan new_scan(enum SsmScanKind kind, enum Fill fill, uint32_t n_rows,
                               uint32_t n_channels, uint32_t n_state) {
    const bool is_head = kind == SSM_SCAN_HEAD;
    struct SsmScan scan = {
        .n_rows = n_rows,
        .n_channels = n_channels,
        .n_state = n_state,
        .x_stride = n_channels + 3,
        .delta_stride = is_head ? 5 : n_channels + 1,
        .bc_stride = n_state + 4,
        .y_stride = n_channels + 2,
    };
    const uint32_t width = is_head ? 1 : n_channels;
    const size_t n_delta = (n_rows - 1) * scan.delta_stride + width;
    const size_t n_a = is_head ? n_delta : state_size(&scan);
    const size_t n_bc = (n_rows - 1) * scan.bc_stride + n_state;
    scan.x = new_floats(SLOT_A, fill, (n_rows - 1) * scan.x_stride + n_channels);
    float *delta = new_floats(SLOT_B, fill, n_delta), *a = new_floats(SLOT_C, fill, n_a);
    make_stable(fill, delta, n_delta, a, n_a);
    scan.delta = delta;
    scan.a = a;
    scan.b = new_floats(SLOT_D, fill, n_bc);
    scan.c = new_floats(SLOT_E, fill, n_bc);
    scan.d = new_floats(SLOT_F, fill, width);
    return scan;
}

static void compare_one_scan(const struct Kernels *tier, enum SsmScanKind kind, struct SsmScan scan,
                             enum Fill fill, uint32_t first) {
    struct SsmScan c = scan, rest;
    const float *state = new_floats(SLOT_G, fill, state_size(&scan));
    c.state = copy_of(SLOT_H, state, state_size(&scan));
    c.y = guarded(SLOT_I, scan_output_size(&scan) * sizeof *c.y);
    kernels_tier(0)->ssm_scan[kind](&c);

    scan.state = copy_of(SLOT_K, state, state_size(&scan));
    scan.y = guarded(SLOT_J, scan_output_size(&scan) * sizeof *scan.y);
    rest = scan;
    scan.n_rows = first;
    rest.n_rows -= first;
    rest.x += first * rest.x_stride;
    rest.y += first * rest.y_stride;
    rest.delta += first * rest.delta_stride;
    rest.b += first * rest.bc_stride;
    rest.c += first * rest.bc_stride;
    if (kind == SSM_SCAN_HEAD) rest.a += first * rest.delta_stride;
    tier->ssm_scan[kind](&scan);
    if (rest.n_rows > 0) tier->ssm_scan[kind](&rest);
    check_same_floats(tier, scan.state, c.state, state_size(&c),
                      "state [%u][%u] after %u rows, fill=%d", c.n_channels, c.n_state, c.n_rows,
                      fill);
    for (uint32_t row = 0; row < c.n_rows; row++)
        check_same_floats(tier, scan.y + row * scan.y_stride, c.y + row * c.y_stride, c.n_channels,
                          "y of row %u of %u, [%u][%u], fill=%d", row, c.n_rows, c.n_channels,
                          c.n_state, fill);
}

static void compare_scans(const struct Kernels *tier, enum SsmScanKind kind) {
    static const uint32_t channels[] = {1, 7, 16, 17, 24, 33, 64}, states[] = {1, 3, 4, 16, 21, 64};
    for (unsigned i = 0; i < sizeof channels / sizeof *channels; i++)
        for (unsigned j = 0; j < sizeof states / sizeof *states; j++)
            for (enum Fill fill = 0; fill < N_FILLS; fill++)
                for (uint32_t n_rows = 1; n_rows <= 7; n_rows += 3)
                    compare_one_scan(tier, kind,
                                     new_scan(kind, fill, n_rows, channels[i], states[j]), fill,
                                     1 + random_u32() % n_rows);
}

static void compare_scan_channels(const struct Kernels *tier) {
    compare_scans(tier, SSM_SCAN_CHANNELS);
}

static void compare_scan_head(const struct Kernels *tier) {
    compare_scans(tier, SSM_SCAN_HEAD);
}

/* One channel after the other, all in double. */
static void check_scan(enum SsmScanKind kind) {
    enum { ROWS = 5, CHANNELS = 21, STATES = 7 };
    struct SsmScan scan = new_scan(kind, FILL_RANDOM, ROWS, CHANNELS, STATES);
    scan.state = guarded(SLOT_G, state_size(&scan) * sizeof *scan.state);
    memset(scan.state, 0, state_size(&scan) * sizeof *scan.state);
    scan.y = guarded(SLOT_J, scan_output_size(&scan) * sizeof *scan.y);
    kernels_tier(0)->ssm_scan[kind](&scan);
    for (size_t channel = 0; channel < CHANNELS; channel++) {
        const size_t own = kind == SSM_SCAN_HEAD ? 0 : channel;
        double h[STATES] = {0};
        for (size_t row = 0; row < ROWS; row++) {
            double x = scan.x[row * scan.x_stride + channel], y = scan.d[own] * x;
            double delta = scan.delta[row * scan.delta_stride + own];
            for (size_t n = 0; n < STATES; n++) {
                double decay =
                    kind == SSM_SCAN_HEAD
                        ? scan.a[row * scan.delta_stride]
                        : exp2(delta * scan.a[(channel / 16 * STATES + n) * 16 + channel % 16]);
                h[n] = h[n] * decay + delta * scan.b[row * scan.bc_stride + n] * x;
                y += h[n] * scan.c[row * scan.bc_stride + n];
            }
            check_near(scan.y[row * scan.y_stride + channel], y, 3e-6, "ssm_scan", channel);
        }
    }
}

static void check_exp2(void) {
    for (float delta = -125.4f; delta < 127.4f; delta += 1.3e-3f) {
        double expected = exp2((double)delta * 0.9f);
        check_near(exp2_product(delta, 0.9f), expected, expected * 1.1e-7, "exp2", 0);
    }
    check_near(exp2_product(0, -3), 1, 0, "exp2(0)", 0);
    check_near(exp2_product(125.4f, -1), exp2(-(double)125.4f), 3e-45, "exp2(-125.4)", 0);
    check_near(exp2_product(125.6f, -1), 0, 0, "exp2(-125.6)", 0);
    check_near(exp2_product(1, 127.6f) == INFINITY, 1, 0, "exp2(127.6)", 0);
    check_near(exp2_product(INFINITY, -1), 0, 0, "exp2(-inf)", 0);
    check_near(isnan(exp2_product(NAN, 1)), 1, 0, "exp2(nan)", 0);
    check_near(isnan(exp2_product(INFINITY, 0)), 1, 0, "exp2(inf 0)", 0);
}

void check_ssm_scan_channels(void) {
    check_exp2();
    check_scan(SSM_SCAN_CHANNELS);
    check_tiers(compare_scan_channels);
}

void check_ssm_scan_head(void) {
    check_scan(SSM_SCAN_HEAD);
    check_tiers(compare_scan_head);
}
