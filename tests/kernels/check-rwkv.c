/* What RWKV needs beside matrices. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernels/check.h"
#include "tests/kernels/inputs.h"

static void check_near(double actual, double expected, double bound, const char *what) {
    if (!(fabs(actual - expected) <= bound))
        check_failed("C tier, %s: %.9g, expected %.9g within %g", what, actual, expected, bound);
}

/* ---- Each value for itself ---- */

typedef void Unary(const float *x, uint32_t n, float *y);

static void compare_unary(const struct Kernels *tier, Unary *c, Unary *simd) {
    FOR_EACH_SIZE_AND_FILL(n, fill) {
        const float *x = new_floats(SLOT_A, fill, n);
        float *expected = guarded(SLOT_B, n * sizeof *x), *actual = guarded(SLOT_C, n * sizeof *x);
        c(x, n, expected);
        simd(x, n, actual);
        check_same_floats(tier, actual, expected, n, "n=%u fill=%d", n, fill);
        actual = copy_of(SLOT_C, x, n);
        simd(actual, n, actual);
        check_same_floats(tier, actual, expected, n, "in place, n=%u fill=%d", n, fill);
    }
}

/* Within a relative bound from `least` to `most`. */
static void check_unary(Unary *c, double (*naive)(double), double least, double most, double bound,
                        const char *what) {
    for (double at = least; at <= most; at += (most - least) / 100000) {
        float x = (float)at, y;
        c(&x, 1, &y);
        double expected = naive((double)x);
        check_near(y, expected, fabs(expected) * bound + 1e-37, what);
    }
}

static double naive_sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

static double naive_relu2(double x) {
    return x > 0 ? x * x : 0;
}

static double naive_rwkv6_decay(double x) {
    return exp(-exp(x));
}

static double naive_rwkv7_decay(double x) {
    return exp(-0.606531 * naive_sigmoid(x));
}

#define CHECK_UNARY(kernel, naive, least, most, bound)                                             \
    static void compare_##kernel(const struct Kernels *tier) {                                     \
        compare_unary(tier, kernels_tier(0)->kernel, tier->kernel);                                \
    }                                                                                              \
    void check_##kernel(void) {                                                                    \
        check_unary(kernels_tier(0)->kernel, naive, least, most, bound, #kernel);                  \
        check_tiers(compare_##kernel);                                                             \
    }

CHECK_UNARY(sigmoid, naive_sigmoid, -80, 80, 3e-7)
CHECK_UNARY(relu2, naive_relu2, -3, 100, 1e-7)
CHECK_UNARY(rwkv6_decay, naive_rwkv6_decay, -80, 2, 2e-6)
CHECK_UNARY(rwkv7_decay, naive_rwkv7_decay, -80, 80, 3e-7)

static void compare_tanh(const struct Kernels *tier) {
    compare_unary(tier, kernels_tier(0)->tanh, tier->tanh);
}

/* Tiny arguments keep all their digits; large ones of both signs give 1. */
void check_tanh(void) {
    const float extremes[] = {1e-30f, 3e-5f, -3e-5f, 14.9f, 15.1f, -1000, INFINITY, -INFINITY};
    for (unsigned i = 0; i < sizeof extremes / sizeof *extremes; i++) {
        float y;
        kernels_tier(0)->tanh(&extremes[i], 1, &y);
        check_near(y, tanh((double)extremes[i]), fabs(tanh((double)extremes[i])) * 4e-7, "tanh");
    }
    check_unary(kernels_tier(0)->tanh, tanh, -12, 12, 4e-7, "tanh");
    check_tiers(compare_tanh);
}

/* ---- lerp and sigmoid_mul: also in place over any operand ---- */

static void compare_lerp(const struct Kernels *tier) {
    FOR_EACH_SIZE_AND_FILL(n, fill) {
        const float *in[3] = {new_floats(SLOT_A, fill, n), new_floats(SLOT_B, fill, n),
                              new_floats(SLOT_C, FILL_RANDOM, n)};
        float *expected = guarded(SLOT_D, n * sizeof(float));
        float *actual = guarded(SLOT_E, n * sizeof(float));
        kernels_tier(0)->lerp(in[0], in[1], in[2], n, expected);
        tier->lerp(in[0], in[1], in[2], n, actual);
        check_same_floats(tier, actual, expected, n, "n=%u fill=%d", n, fill);
        for (unsigned i = 0; i < 3; i++) {
            const float *with[3] = {in[0], in[1], in[2]};
            with[i] = actual = copy_of(SLOT_E, in[i], n);
            tier->lerp(with[0], with[1], with[2], n, actual);
            check_same_floats(tier, actual, expected, n, "over %u, n=%u fill=%d", i, n, fill);
        }
    }
}

void check_lerp(void) {
    const float a[3] = {1, 2, 3}, b[3] = {5, 2, -3}, t[3] = {0.25f, 9, 1};
    float y[3], expected[3] = {2, 2, -3};
    kernels_tier(0)->lerp(a, b, t, 3, y);
    check_same_floats(kernels_tier(0), y, expected, 3, "from a to b");
    check_tiers(compare_lerp);
}

static void compare_sigmoid_mul(const struct Kernels *tier) {
    FOR_EACH_SIZE_AND_FILL(n, fill) {
        const float *a = new_floats(SLOT_A, fill, n), *b = new_floats(SLOT_B, fill, n);
        float *expected = guarded(SLOT_C, n * sizeof *a), *actual = guarded(SLOT_D, n * sizeof *a);
        kernels_tier(0)->sigmoid_mul(a, b, n, expected);
        tier->sigmoid_mul(a, b, n, actual);
        check_same_floats(tier, actual, expected, n, "n=%u fill=%d", n, fill);
        actual = copy_of(SLOT_D, b, n);
        tier->sigmoid_mul(a, actual, n, actual);
        check_same_floats(tier, actual, expected, n, "y is up, n=%u fill=%d", n, fill);
    }
}

void check_sigmoid_mul(void) {
    const uint32_t n = 1000;
    const float *gate = new_floats(SLOT_A, FILL_WIDE, n), *up = new_floats(SLOT_B, FILL_WIDE, n);
    float *y = guarded(SLOT_C, n * sizeof *y);
    kernels_tier(0)->sigmoid_mul(gate, up, n, y);
    for (uint32_t i = 0; i < n; i++) {
        double expected = naive_sigmoid((double)gate[i]) * (double)up[i];
        check_near(y[i], expected, fabs(expected) * 4e-7 + 1e-36, "sigmoid_mul");
    }
    check_tiers(compare_sigmoid_mul);
}

/* ---- layer_norm ---- */

static void compare_layer_norm(const struct Kernels *tier) {
    FOR_EACH_SIZE_AND_FILL(n, fill) {
        const float *x = new_floats(SLOT_A, fill, n), *w = new_floats(SLOT_B, FILL_RANDOM, n);
        const float *b = new_floats(SLOT_C, FILL_RANDOM, n);
        float *expected = guarded(SLOT_D, n * sizeof *x), *actual = guarded(SLOT_E, n * sizeof *x);
        kernels_tier(0)->layer_norm(x, w, b, n, 1e-5f, expected);
        tier->layer_norm(x, w, b, n, 1e-5f, actual);
        check_same_floats(tier, actual, expected, n, "n=%u fill=%d", n, fill);
        actual = copy_of(SLOT_E, x, n);
        tier->layer_norm(actual, w, b, n, 1e-5f, actual);
        check_same_floats(tier, actual, expected, n, "in place, n=%u fill=%d", n, fill);
    }
}

/* Also far from zero, where the mean has to go before the squares come. */
void check_layer_norm(void) {
    for (uint32_t n = 1; n < 2000; n = n * 3 + 2)
        for (double middle = 0; middle <= 1000; middle += 500) {
            float *x = new_floats(SLOT_A, FILL_RANDOM, n), *y = guarded(SLOT_D, n * sizeof *y);
            const float *w = new_floats(SLOT_B, FILL_RANDOM, n);
            const float *b = new_floats(SLOT_C, FILL_RANDOM, n);
            double mean = 0, variance = 0;
            for (uint32_t i = 0; i < n; i++) x[i] += (float)middle;
            for (uint32_t i = 0; i < n; i++) mean += (double)x[i] / n;
            for (uint32_t i = 0; i < n; i++)
                variance += ((double)x[i] - mean) * ((double)x[i] - mean) / n;
            kernels_tier(0)->layer_norm(x, w, b, n, 1e-3f, y);
            for (uint32_t i = 0; i < n; i++) {
                double expected = ((double)x[i] - mean) / sqrt(variance + 1e-3) * (double)w[i];
                check_near(y[i], expected + (double)b[i], 3e-6 + middle * 1e-6, "layer_norm");
            }
        }
    check_tiers(compare_layer_norm);
}

/* ---- The recurrences ---- */

static const uint32_t head_sizes[] = {8, 16, 24, 32, 40, 56, 64, 72, 96, 128, 136};

#define N_ROWS 5
#define MAX_HEAD 136

/* One problem: all rows in one block, ending where the memory ends, and what a kernel writes. */
struct Recurrence {
    struct Wkv wkv;
    float rows[6][N_ROWS * (MAX_HEAD + 3)], u[MAX_HEAD], state[MAX_HEAD * MAX_HEAD];
};

static void make_recurrence(struct Recurrence *ret, enum Fill fill, uint32_t head_size,
                            uint32_t n_rows) {
    const size_t stride = head_size + 3;
    for (unsigned i = 0; i < 6; i++) fill_floats(fill, ret->rows[i], n_rows * stride);
    for (size_t i = 0; i < n_rows * stride; i++)
        if (fill <= FILL_WIDE) ret->rows[1][i] = fabsf(fmodf(ret->rows[1][i], 1));
    fill_floats(fill, ret->u, head_size);
    fill_floats(fill, ret->state, (size_t)head_size * head_size);
    ret->wkv = (struct Wkv){.n_rows = n_rows, .head_size = head_size, .stride = stride};
}

/* Memory that ends at guard pages. The last row ends with its last element. */
static void run_recurrence(const struct Recurrence *problem, void (*kernel)(const struct Wkv *wkv),
                           float *ret_y, float *ret_state) {
    struct Wkv wkv = problem->wkv;
    const size_t size = (wkv.n_rows - 1) * wkv.stride + wkv.head_size;
    const size_t n_state = (size_t)wkv.head_size * wkv.head_size;
    const float **rows[] = {&wkv.r, &wkv.w, &wkv.k, &wkv.v, &wkv.kk, &wkv.b};
    for (unsigned i = 0; i < 6; i++) *rows[i] = problem->rows[i];
    wkv.kk = copy_of(SLOT_A, problem->rows[4], size);
    wkv.v = copy_of(SLOT_B, problem->rows[3], size);
    wkv.u = copy_of(SLOT_C, problem->u, wkv.head_size);
    wkv.state = copy_of(SLOT_D, problem->state, n_state);
    wkv.y = guarded(SLOT_E, size * sizeof *wkv.y);
    memset(wkv.y, 0, size * sizeof *wkv.y);
    kernel(&wkv);
    memcpy(ret_y, wkv.y, size * sizeof *ret_y);
    memcpy(ret_state, wkv.state, n_state * sizeof *ret_state);
}

typedef void WkvKernel(const struct Wkv *wkv);

static struct Recurrence problem;

static void compare_wkv(const struct Kernels *tier, WkvKernel *c, WkvKernel *simd) {
    static float y[2][N_ROWS * (MAX_HEAD + 3)], state[2][MAX_HEAD * MAX_HEAD];
    for (size_t i = 0; i < sizeof head_sizes / sizeof *head_sizes; i++)
        for (uint32_t n_rows = 1; n_rows <= N_ROWS; n_rows += 2)
            for (enum Fill fill = 0; fill < N_FILLS; fill++) {
                const uint32_t n = head_sizes[i];
                make_recurrence(&problem, fill, n, n_rows);
                run_recurrence(&problem, c, y[0], state[0]);
                run_recurrence(&problem, simd, y[1], state[1]);
                check_same_floats(tier, y[1], y[0], (n_rows - 1) * problem.wkv.stride + n,
                                  "y, head of %u, %u rows, fill=%d", n, n_rows, fill);
                check_same_floats(tier, state[1], state[0], (size_t)n * n,
                                  "state, head of %u, %u rows, fill=%d", n, n_rows, fill);
            }
}

static void compare_rwkv6_wkv(const struct Kernels *tier) {
    compare_wkv(tier, kernels_tier(0)->rwkv6_wkv, tier->rwkv6_wkv);
}

static void compare_rwkv7_wkv(const struct Kernels *tier) {
    compare_wkv(tier, kernels_tier(0)->rwkv7_wkv, tier->rwkv7_wkv);
}

/* One row of RWKV-6 in double; S is [key][value]. */
static void naive_wkv6(const struct Recurrence *p, uint32_t t, double *state, double *y) {
    const uint32_t n = p->wkv.head_size;
    const size_t row = t * p->wkv.stride;
    const float *r = p->rows[0] + row, *w = p->rows[1] + row, *k = p->rows[2] + row;
    const float *v = p->rows[3] + row;
    for (uint32_t j = 0; j < n; j++) {
        y[j] = 0;
        for (uint32_t i = 0; i < n; i++) {
            double kv = (double)k[i] * (double)v[j], *s = &state[i * n + j];
            y[j] += (double)r[i] * ((double)p->u[i] * kv + *s);
            *s = (double)w[i] * *s + kv;
        }
    }
}

/* One row of RWKV-7 as a product of matrices, S <- S diag(w) - S kk^T b + v^T k; here S is [key]
 * [value] like the kernel's. */
static void naive_wkv7(const struct Recurrence *p, uint32_t t, double *state, double *y) {
    const uint32_t n = p->wkv.head_size;
    const size_t row = t * p->wkv.stride;
    const float *r = p->rows[0] + row, *w = p->rows[1] + row, *k = p->rows[2] + row;
    const float *v = p->rows[3] + row, *kk = p->rows[4] + row, *b = p->rows[5] + row;
    for (uint32_t i = 0; i < n; i++) {
        double removed = 0;
        for (uint32_t j = 0; j < n; j++) removed += state[j * n + i] * (double)kk[j];
        y[i] = 0;
        for (uint32_t j = 0; j < n; j++) {
            double *s = &state[j * n + i];
            *s = *s * (double)w[j] - removed * (double)b[j] + (double)v[i] * (double)k[j];
            y[i] += *s * (double)r[j];
        }
    }
}

static void check_wkv(WkvKernel *c,
                      void (*naive)(const struct Recurrence *, uint32_t, double *, double *)) {
    static float y[N_ROWS * (MAX_HEAD + 3)], state[MAX_HEAD * MAX_HEAD];
    static double expected_state[MAX_HEAD * MAX_HEAD], expected[MAX_HEAD];
    const uint32_t n = 24;
    make_recurrence(&problem, FILL_RANDOM, n, N_ROWS);
    for (uint32_t i = 0; i < N_ROWS * problem.wkv.stride; i++) problem.rows[5][i] *= 0.1f;
    for (uint32_t i = 0; i < n * n; i++) expected_state[i] = (double)problem.state[i];
    run_recurrence(&problem, c, y, state);
    for (uint32_t t = 0; t < N_ROWS; t++) {
        naive(&problem, t, expected_state, expected);
        for (uint32_t i = 0; i < n; i++)
            check_near(y[t * problem.wkv.stride + i], expected[i], 2e-5, "y of a recurrence");
    }
    for (uint32_t i = 0; i < n * n; i++)
        check_near(state[i], expected_state[i], 2e-5, "state of a recurrence");
}

void check_rwkv6_wkv(void) {
    check_wkv(kernels_tier(0)->rwkv6_wkv, naive_wkv6);
    check_tiers(compare_rwkv6_wkv);
}

void check_rwkv7_wkv(void) {
    check_wkv(kernels_tier(0)->rwkv7_wkv, naive_wkv7);
    check_tiers(compare_rwkv7_wkv);
}

/* ---- RWKV-7's keys and bonus ---- */

#define FOR_EACH_HEADS_AND_FILL(size, n_heads, fill)                                               \
    for (const uint32_t *of_ = head_sizes;                                                         \
         of_ < head_sizes + sizeof head_sizes / sizeof *head_sizes; of_++)                         \
        for (uint32_t size = *of_, n_heads = 1; n_heads <= 3; n_heads++)                           \
            for (enum Fill fill = 0; fill < N_FILLS; fill++)

static void compare_rwkv7_keys(const struct Kernels *tier) {
    FOR_EACH_HEADS_AND_FILL(size, n_heads, fill) {
        const size_t n = (size_t)size * n_heads;
        const float *a = new_floats(SLOT_A, FILL_RANDOM, n), *k_k = new_floats(SLOT_B, fill, n);
        const float *k_a = new_floats(SLOT_C, FILL_RANDOM, n);
        static float keys[3 * MAX_HEAD], kk[2][3 * MAX_HEAD], b[2][3 * MAX_HEAD];
        fill_floats(fill, keys, n);
        float *k[2] = {copy_of(SLOT_D, keys, n), NULL};
        kernels_tier(0)->rwkv7_keys(a, k_k, k_a, n_heads, size, k[0], kk[0], b[0]);
        k[1] = copy_of(SLOT_E, keys, n);
        float *out = guarded(SLOT_F, n * sizeof *out);
        tier->rwkv7_keys(a, k_k, k_a, n_heads, size, k[1], kk[1], out);
        check_same_floats(tier, k[1], k[0], n, "k, %u heads of %u fill=%d", n_heads, size, fill);
        check_same_floats(tier, kk[1], kk[0], n, "kk, %u heads of %u fill=%d", n_heads, size, fill);
        check_same_floats(tier, out, b[0], n, "b, %u heads of %u fill=%d", n_heads, size, fill);
    }
}

/* Two heads with lengths 5 and 0. */
void check_rwkv7_keys(void) {
    const float a[4] = {0.5f, 1, 0, 1}, k_k[4] = {3, 2, 1, 1}, k_a[4] = {1, 0.5f, 1, 1};
    float k[4] = {1, 2, 0, 0}, kk[4], b[4];
    const float expected[3][4] = {{0.5f, 2, 0, 0}, {0.6f, 0.8f, 0, 0}, {0.3f, 0.8f, 0, 0}};
    kernels_tier(0)->rwkv7_keys(a, k_k, k_a, 2, 2, k, kk, b);
    for (unsigned i = 0; i < 4; i++) {
        check_near(k[i], (double)expected[0][i], 1e-7, "k");
        check_near(kk[i], (double)expected[1][i], 1e-7, "kk");
        check_near(b[i], (double)expected[2][i], 1e-7, "b");
    }
    check_tiers(compare_rwkv7_keys);
}

static void compare_rwkv7_bonus(const struct Kernels *tier) {
    FOR_EACH_HEADS_AND_FILL(size, n_heads, fill) {
        const size_t n = (size_t)size * n_heads;
        static float y[3 * MAX_HEAD];
        fill_floats(fill, y, n);
        const float *r = new_floats(SLOT_A, fill, n), *k = new_floats(SLOT_B, fill, n);
        const float *r_k = new_floats(SLOT_C, FILL_RANDOM, n), *v = new_floats(SLOT_D, fill, n);
        float *expected = copy_of(SLOT_E, y, n), *actual = copy_of(SLOT_F, y, n);
        kernels_tier(0)->rwkv7_bonus(r, k, r_k, v, n_heads, size, expected);
        tier->rwkv7_bonus(r, k, r_k, v, n_heads, size, actual);
        check_same_floats(tier, actual, expected, n, "%u heads of %u fill=%d", n_heads, size, fill);
    }
}

void check_rwkv7_bonus(void) {
    const float r[4] = {1, 2, 1, 0}, k[4] = {3, 1, 1, 1}, r_k[4] = {1, 2, 0, 9};
    const float v[4] = {1, 10, 1, 1}, expected[4] = {7 + 1, 70 + 1, 1, 1};
    float y[4] = {1, 1, 1, 1};
    kernels_tier(0)->rwkv7_bonus(r, k, r_k, v, 2, 2, y);
    check_same_floats(kernels_tier(0), y, expected, 4, "two heads");
    check_tiers(compare_rwkv7_bonus);
}
