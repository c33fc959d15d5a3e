/* How fast the kernels are. */
#include "tests/kernels/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/kernels/inputs.h"

/* A shape to time. What the fields mean is up to run(). */
struct Bench {
    const char *name;
    void (*prepare)(const struct Bench *bench);
    void (*run)(const struct Kernels *tier, const struct Bench *bench);
    uint32_t layout, rows, columns, vectors;
    double bytes, operations; /* of one run */
};

static float *a, *b, *y;
static uint16_t *halves;
static int8_t *bytes;
static void *cache; /* keys and values */

static void prepare_vectors(const struct Bench *bench) {
    size_t n = bench->columns;
    a = guarded_aligned(SLOT_A, n * sizeof *a);
    b = guarded_aligned(SLOT_B, n * sizeof *b);
    y = guarded_aligned(SLOT_C, n * sizeof *y);
    halves = guarded_aligned(SLOT_D, n * sizeof *halves);
    bytes = guarded_aligned(SLOT_E, n * 2);
    fill_floats(FILL_RANDOM, a, n);
    fill_floats(FILL_RANDOM, b, n);
    fill_floats(FILL_RANDOM, y, n);
    fill_halves(FILL_RANDOM, halves, n);
}

static void run_quantize_token(const struct Kernels *tier, const struct Bench *bench) {
    float scale;
    int32_t sum;
    tier->quantize_token(a, bench->columns, bytes, &scale, &sum);
}

static void run_quantize_block(const struct Kernels *tier, const struct Bench *bench) {
    tier->quantize_block(a, bench->columns, bytes, y, (int32_t *)(void *)b);
}

static void run_rms_norm(const struct Kernels *tier, const struct Bench *bench) {
    tier->rms_norm(a, b, bench->columns, 1e-5f, y);
}

static void run_rope(const struct Kernels *tier, const struct Bench *bench) {
    tier->rope(y, bench->columns / 128, 128, 128, a, bench->layout);
}

static void run_silu_mul(const struct Kernels *tier, const struct Bench *bench) {
    tier->silu_mul(a, b, bench->columns, y);
}

static void run_relu2_mul(const struct Kernels *tier, const struct Bench *bench) {
    tier->relu2_mul(a, b, bench->columns, y);
}

static void run_add(const struct Kernels *tier, const struct Bench *bench) {
    tier->add(a, bench->columns, y);
}

static void run_f32_to_f16(const struct Kernels *tier, const struct Bench *bench) {
    tier->f32_to_f16(a, bench->columns, halves);
}

static void run_f16_to_f32(const struct Kernels *tier, const struct Bench *bench) {
    tier->f16_to_f32(halves, bench->columns, y);
}

static size_t kv_size(enum KvType type) {
    return type == KV_I8 ? 1 : type == KV_F16 ? 2 : 4;
}

/* `vectors` queries over `rows` pages of 64 positions with heads of 128. */
static void prepare_attend(const struct Bench *bench) {
    size_t n = (size_t)bench->rows * 64 * 128;
    prepare_vectors(bench);
    cache = guarded_aligned(SLOT_D, 2 * n * kv_size(bench->layout));
    if (bench->layout == KV_F16)
        fill_halves(FILL_RANDOM, cache, 2 * n);
    else if (bench->layout == KV_F32)
        fill_floats(FILL_RANDOM, cache, 2 * n);
    else
        for (size_t i = 0; i < 2 * n; i++) ((int8_t *)cache)[i] = (int8_t)random_u32();
}

static void run_attend(const struct Kernels *tier, const struct Bench *bench) {
    float max[8] = {0}, sum[8] = {0}, scales[64];
    const struct AttendQueries queries = {bench->vectors, 0, a, y, 128, 128, max, sum};
    const char *k = cache;
    const size_t size = 64 * 128 * kv_size(bench->layout);
    for (unsigned i = 0; i < 64; i++) scales[i] = 1 / 127.0f;
    for (uint32_t i = 0; i < bench->rows; i++, k += 2 * size) {
        const struct AttendPage page = {64, 128, 128, 128, 128, k, k + size, scales, scales};
        tier->attend[bench->layout](&queries, &page);
    }
}

/* `rows` rows of `columns` channels; `vectors` states each. Inputs of all kinds come from `a`. */
static float *state;

static void prepare_ssm(const struct Bench *bench) {
    size_t n = (size_t)bench->rows * bench->columns;
    size_t n_state = (size_t)bench->columns * bench->vectors;
    a = guarded_aligned(SLOT_A, n * sizeof *a);
    b = guarded_aligned(SLOT_B, n_state * sizeof *b);
    y = guarded_aligned(SLOT_C, n * sizeof *y);
    state = guarded_aligned(SLOT_D, n_state * sizeof *state);
    fill_floats(FILL_RANDOM, a, n);
    fill_floats(FILL_RANDOM, state, n_state);
    for (size_t i = 0; i < n; i++) a[i] = fabsf(a[i]);
    for (size_t i = 0; i < n_state; i++) b[i] = -fabsf(state[i]);
}

static void run_softplus(const struct Kernels *tier, const struct Bench *bench) {
    tier->softplus(a, b, bench->columns, y);
}

static void run_exp_mul(const struct Kernels *tier, const struct Bench *bench) {
    tier->exp_mul(a, b, bench->columns, y);
}

static void run_ssm_conv(const struct Kernels *tier, const struct Bench *bench) {
    const uint32_t n = bench->columns;
    tier->ssm_conv(
        &(const struct SsmConv){bench->rows, n, bench->vectors, n, b, a, state, a, y, n, n});
}

/* Of Mamba-2: heads of 64 channels. */
static void run_ssm_scan(const struct Kernels *tier, const struct Bench *bench) {
    const uint32_t n = bench->columns, size = bench->layout == SSM_SCAN_HEAD ? 64 : n;
    for (uint32_t at = 0; at < n; at += size)
        tier->ssm_scan[bench->layout](
            &(const struct SsmScan){bench->rows, size, bench->vectors, a + at, a + at,
                                    bench->layout == SSM_SCAN_HEAD ? a : b, a, a, a,
                                    state + (size_t)at * bench->vectors, y + at, n, n, n, n});
}

#define SSM(name, run, option, n_rows, n_channels, n_state, operations)                            \
    {                                                                                              \
        name, prepare_ssm, run, option, n_rows, n_channels, n_state,                               \
            (double)(n_rows) * (n_channels)*8,                                                     \
            (double)(n_rows) * (n_channels) * (n_state) * (operations)                             \
    }
static void run_layer_norm(const struct Kernels *tier, const struct Bench *bench) {
    tier->layer_norm(a, b, b, bench->columns, 1e-5f, y);
}

static void run_lerp(const struct Kernels *tier, const struct Bench *bench) {
    tier->lerp(a, b, b, bench->columns, y);
}

static void run_tanh(const struct Kernels *tier, const struct Bench *bench) {
    tier->tanh(a, bench->columns, y);
}

static void run_sigmoid(const struct Kernels *tier, const struct Bench *bench) {
    tier->sigmoid(a, bench->columns, y);
}

static void run_rwkv7_decay(const struct Kernels *tier, const struct Bench *bench) {
    tier->rwkv7_decay(a, bench->columns, y);
}

/* `vectors` rows of `rows` heads of 64. */
static void prepare_wkv(const struct Bench *bench) {
    prepare_vectors(bench);
    cache = guarded_aligned(SLOT_D, (size_t)bench->rows * 64 * 64 * sizeof(float));
    fill_floats(FILL_RANDOM, cache, (size_t)bench->rows * 64 * 64);
}

static void run_wkv(const struct Kernels *tier, const struct Bench *bench) {
    const float *decay = a; /* below 1, so that the state stays finite */
    for (uint32_t head = 0; head < bench->rows; head++) {
        struct Wkv wkv = {bench->vectors, 64, 64 * bench->rows, b, decay, b, b, b, decay, b};
        wkv.state = (float *)cache + (size_t)head * 64 * 64;
        wkv.y = y + (size_t)head * 64;
        (bench->layout == 7 ? tier->rwkv7_wkv : tier->rwkv6_wkv)(&wkv);
    }
}

static void run_rwkv7_keys(const struct Kernels *tier, const struct Bench *bench) {
    float *kk = cache;
    tier->rwkv7_keys(a, b, b, bench->columns / 64, 64, y, kk, kk + bench->columns);
}

#define VECTOR(name, run, option, n, size, operations)                                             \
    {                                                                                              \
        name, prepare_vectors, run, option, 0, n, 0, (double)(n) * (size),                         \
            (double)(n) * (operations)                                                             \
    }
#define ATTEND(name, type, size, n_pages, n_queries)                                               \
    {                                                                                              \
        name, prepare_attend, run_attend, type, n_pages, (n_queries)*128, n_queries,               \
            (n_pages)*64 * 128 * 2.0 * (size), (n_pages)*64 * 128 * 4.0 * (n_queries)              \
    }

#define WKV(name, version, n_heads, n_rows)                                                        \
    {                                                                                              \
        name, prepare_wkv, run_wkv, version, n_heads, (n_heads)*64 * (n_rows), n_rows,             \
            (double)(n_heads) * (n_rows)*64 * 64 * 8, (double)(n_heads) * (n_rows)*64 * 64 * 9     \
    }

static const struct Bench benches[] = {
    VECTOR("quantize_token 4096", run_quantize_token, 0, 4096, 5, 2),
    VECTOR("quantize_block 4096", run_quantize_block, 0, 4096, 5, 2),
    VECTOR("rms_norm 4096", run_rms_norm, 0, 4096, 12, 4),
    VECTOR("rope norm 32x128", run_rope, ROPE_NORM, 4096, 8, 3),
    VECTOR("rope neox 32x128", run_rope, ROPE_NEOX, 4096, 8, 3),
    VECTOR("silu_mul 14336", run_silu_mul, 0, 14336, 12, 14),
    VECTOR("relu2_mul 6912", run_relu2_mul, 0, 6912, 12, 3),
    VECTOR("add 4096", run_add, 0, 4096, 12, 1),
    VECTOR("f32_to_f16 4096", run_f32_to_f16, 0, 4096, 6, 1),
    VECTOR("f16_to_f32 4096", run_f16_to_f32, 0, 4096, 6, 1),
    ATTEND("attend[F16] 4096 positions x1", KV_F16, 2, 64, 1),
    ATTEND("attend[F16] 4096 positions x4", KV_F16, 2, 64, 4),
    ATTEND("attend[F32] 4096 positions x1", KV_F32, 4, 64, 1),
    ATTEND("attend[F32] 4096 positions x4", KV_F32, 4, 64, 4),
    ATTEND("attend[I8] 4096 positions x1", KV_I8, 1, 64, 1),
    ATTEND("attend[I8] 4096 positions x4", KV_I8, 1, 64, 4),
    SSM("softplus 5120", run_softplus, 0, 1, 5120, 1, 20),
    SSM("exp_mul 5120", run_exp_mul, 0, 1, 5120, 1, 14),
    SSM("ssm_conv 64x5120 x4", run_ssm_conv, 0, 64, 5120, 4, 2),
    SSM("ssm_scan[CHANNELS] 1x5120 x16", run_ssm_scan, SSM_SCAN_CHANNELS, 1, 5120, 16, 19),
    SSM("ssm_scan[CHANNELS] 64x5120 x16", run_ssm_scan, SSM_SCAN_CHANNELS, 64, 5120, 16, 19),
    SSM("ssm_scan[HEAD] 1x5120 x128", run_ssm_scan, SSM_SCAN_HEAD, 1, 5120, 128, 5),
    SSM("ssm_scan[HEAD] 64x5120 x128", run_ssm_scan, SSM_SCAN_HEAD, 64, 5120, 128, 5),
    VECTOR("layer_norm 4096", run_layer_norm, 0, 4096, 16, 6),
    VECTOR("lerp 4096", run_lerp, 0, 4096, 16, 3),
    VECTOR("tanh 4096", run_tanh, 0, 4096, 8, 15),
    VECTOR("sigmoid 4096", run_sigmoid, 0, 4096, 8, 12),
    VECTOR("rwkv7_decay 4096", run_rwkv7_decay, 0, 4096, 8, 24),
    {"rwkv7_keys 64x64", prepare_wkv, run_rwkv7_keys, 7, 64, 4096, 1, 4096.0 * 28, 4096.0 * 8},
    WKV("rwkv6_wkv 40x64 x1", 6, 40, 1),
    WKV("rwkv6_wkv 40x64 x64", 6, 40, 64),
    WKV("rwkv7_wkv 40x64 x1", 7, 40, 1),
    WKV("rwkv7_wkv 40x64 x64", 7, 40, 64),
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_size(const void *p, const void *q) {
    const double *d = p, *e = q;
    return (*d > *e) - (*d < *e);
}

/* The median time of a run, in seconds. Short runs are timed many at once. */
static double median_time(const struct Kernels *tier, const struct Bench *bench) {
    enum { REPETITIONS = 11 };
    double times[REPETITIONS], start = now();
    unsigned many = 1;

    bench->run(tier, bench);
    double first = now() - start;
    if (first > 0.2) return first;
    if (first < 2e-3) many = (unsigned)(2e-3 / (first + 1e-7)) + 1;
    for (unsigned i = 0; i < REPETITIONS; i++) {
        start = now();
        for (unsigned k = 0; k < many; k++) bench->run(tier, bench);
        times[i] = (now() - start) / many;
    }
    qsort(times, REPETITIONS, sizeof *times, by_size);
    return times[REPETITIONS / 2];
}

static void bench_tiers(const struct Bench *bench) {
    const struct Kernels *tier;
    double c_time = 0;

    bench->prepare(bench);
    for (unsigned i = 0; (tier = kernels_tier(i)); i++) {
        double time = median_time(tier, bench);
        if (i == 0) c_time = time;
        printf("%-34s %-8s %10.1f us %8.2f GB/s %9.2f GOPS %7.1fx\n", bench->name, tier->tier,
               time * 1e6, bench->bytes / time / 1e9, bench->operations / time / 1e9,
               c_time / time);
        fflush(stdout);
    }
}

int bench(const char *name) {
    bench_matmul(name);
    for (size_t i = 0; i < sizeof benches / sizeof *benches; i++)
        if (!name || strstr(benches[i].name, name)) bench_tiers(&benches[i]);
    return 0;
}
