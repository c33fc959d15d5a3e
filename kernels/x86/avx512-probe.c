/* What AVX-512 with VNNI could reach at most. */
#include "kernels/probe-loops.h"
#include "kernels/x86/x86.h"

#define N_SUMS 16u /* more than latency times units */

static uint64_t multiply_i8(uint64_t n) {
    __m512i sums[N_SUMS];
    const __m512i a = _mm512_set1_epi8(1), b = _mm512_set1_epi8(2);
    for (unsigned k = 0; k < N_SUMS; k++) sums[k] = _mm512_set1_epi32((int)k);
    for (uint64_t i = 0; i < n; i++) {
        UNROLL for (unsigned k = 0; k < N_SUMS; k++) sums[k] = _mm512_dpbusd_epi32(sums[k], a, b);
    }
    for (unsigned k = 1; k < N_SUMS; k++) sums[0] = _mm512_add_epi32(sums[0], sums[k]);
    return (uint64_t)_mm512_reduce_add_epi32(sums[0]);
}

static uint64_t multiply_f32(uint64_t n) {
    __m512 sums[N_SUMS];
    const __m512 a = _mm512_set1_ps(0.5f), b = _mm512_set1_ps(1);
    for (unsigned k = 0; k < N_SUMS; k++) sums[k] = _mm512_set1_ps((float)k);
    for (uint64_t i = 0; i < n; i++) {
        UNROLL for (unsigned k = 0; k < N_SUMS; k++) sums[k] = _mm512_fmadd_ps(sums[k], a, b);
    }
    for (unsigned k = 1; k < N_SUMS; k++) sums[0] = _mm512_add_ps(sums[0], sums[k]);
    return (uint64_t)_mm512_reduce_add_ps(sums[0]);
}

const struct Probe probe_avx512 = {
    .read = probe_read,
    .multiply_i8 = multiply_i8,
    .multiply_f32 = multiply_f32,
    .i8_operations = 2 * 64 * N_SUMS,
    .f32_operations = 2 * 16 * N_SUMS,
};
