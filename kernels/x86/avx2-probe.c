/* What AVX2 could reach at most. */
#include "kernels/probe-loops.h"
#include "kernels/x86/x86.h"

#define N_SUMS 12u /* more than latency times units, and registers for all */

/* Pairs are added up in 16 bits: widening them is rare where weights are small. */
static uint64_t multiply_i8(uint64_t n) {
    __m256i sums[N_SUMS];
    __m256i a = _mm256_set1_epi8(1), b = _mm256_set1_epi8(2);
    for (unsigned k = 0; k < N_SUMS; k++) sums[k] = _mm256_set1_epi16((short)k);
    for (uint64_t i = 0; i < n; i++) {
        UNROLL for (unsigned k = 0; k < N_SUMS; k++) {
            __asm__("" : "+x"(a)); /* or one product would do for all */
            sums[k] = _mm256_add_epi16(sums[k], _mm256_maddubs_epi16(a, b));
        }
    }
    for (unsigned k = 1; k < N_SUMS; k++) sums[0] = _mm256_add_epi16(sums[0], sums[k]);
    return (uint64_t)_mm256_extract_epi64(sums[0], 0);
}

static uint64_t multiply_f32(uint64_t n) {
    __m256 sums[N_SUMS];
    const __m256 a = _mm256_set1_ps(0.5f), b = _mm256_set1_ps(1);
    for (unsigned k = 0; k < N_SUMS; k++) sums[k] = _mm256_set1_ps((float)k);
    for (uint64_t i = 0; i < n; i++) {
        UNROLL for (unsigned k = 0; k < N_SUMS; k++) sums[k] = _mm256_fmadd_ps(sums[k], a, b);
    }
    for (unsigned k = 1; k < N_SUMS; k++) sums[0] = _mm256_add_ps(sums[0], sums[k]);
    return (uint64_t)_mm256_cvtss_f32(sums[0]);
}

const struct Probe probe_avx2 = {
    .read = probe_read,
    .multiply_i8 = multiply_i8,
    .multiply_f32 = multiply_f32,
    .i8_operations = 2 * 32 * N_SUMS,
    .f32_operations = 2 * 8 * N_SUMS,
};
