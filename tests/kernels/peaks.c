#include "tests/kernels/peaks.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double thread_time(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#define N_TRIES 5

/* The best of some runs, in 1e9 a second; run() returns how many things it did. */
static double best_rate(double (*run)(void)) {
    double best = 0;
    for (unsigned i = 0; i < N_TRIES; i++) {
        double start = thread_time(), done = run(), rate = done / (thread_time() - start) / 1e9;
        if (rate > best) best = rate;
    }
    return best;
}

#define N_LOOPS 1000000u
/* Independent chains, enough for two units with latencies of five. */
#define N_CHAINS 12u

#ifdef __x86_64__
#include <immintrin.h>

/* A loop of N_CHAINS times `instructions`, which add to %0 what per_step operations make of %2. */
#define DEFINE_PEAK(name, target_, type, instructions, per_step)                                   \
    __attribute__((target(target_))) static double name(void) {                                    \
        type sums[N_CHAINS] = {0}, w = {0}, other;                                                 \
        for (unsigned n = 0; n < N_LOOPS; n++) {                                                   \
            _Pragma("GCC unroll 16") for (unsigned i = 0; i < N_CHAINS; i++) __asm__ volatile(     \
                instructions : "+v"(sums[i]), "=&v"(other) : "v"(w));                              \
        }                                                                                          \
        (void)other;                                                                               \
        return (double)N_LOOPS * N_CHAINS * (per_step);                                            \
    }

DEFINE_PEAK(vnni_512, "avx512f,avx512vnni", __m512i, "vpdpbusd %2, %2, %0", 128)
DEFINE_PEAK(fma_512, "avx512f", __m512, "vfmadd231ps %2, %2, %0", 32)
DEFINE_PEAK(madd_256, "avx2", __m256i, "vpmaddubsw %2, %2, %1; vpaddw %1, %0, %0", 64)
DEFINE_PEAK(fma_256, "avx2,fma", __m256, "vfmadd231ps %2, %2, %0", 16)

double peak_int8(const struct Kernels *tier) {
    if (!strcmp(tier->tier, "avx512")) return best_rate(vnni_512);
    return strcmp(tier->tier, "avx2") ? 0 : best_rate(madd_256);
}

double peak_float(const struct Kernels *tier) {
    if (!strcmp(tier->tier, "avx512")) return best_rate(fma_512);
    return strcmp(tier->tier, "avx2") ? 0 : best_rate(fma_256);
}
#else
double peak_int8(const struct Kernels *tier) {
    (void)tier;
    return 0;
}

double peak_float(const struct Kernels *tier) {
    (void)tier;
    return 0;
}
#endif

#define READ_SIZE (256u << 20)
static uint64_t *memory;

/* Streams side by side: which number memory answers fastest differs. */
static size_t n_streams;

static double read_all(void) {
    const size_t n = READ_SIZE / 8 / n_streams;
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i += 8)
        for (size_t stream = 0; stream < n_streams; stream++) {
            const uint64_t *line = memory + stream * n + i;
            __builtin_prefetch(line + 256);
            sum += line[0];
        }
    __asm__ volatile("" : : "r"(sum));
    return READ_SIZE;
}

double peak_read(void) {
    memory = aligned_alloc(4096, READ_SIZE);
    if (!memory) return 0;
    memset(memory, 1, READ_SIZE);
    double best = 0;
    for (n_streams = 1; n_streams <= 8; n_streams *= 2) {
        double rate = best_rate(read_all);
        if (rate > best) best = rate;
    }
    free(memory);
    return best;
}
