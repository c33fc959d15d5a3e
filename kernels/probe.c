/* The C tier's probe, and the choice of one. */
#include "kernels/probe.h"

#include "kernels/kernels.h"
#include "kernels/probe-loops.h"
#include "kernels/reference.h"
#include "kernels/tiers.h"

#define N_BYTES 256u
#define N_FLOATS 64u

/* The compiler is to believe that they change. */
#define TOUCH(pointer) __asm__ volatile("" : "+r"(pointer) : : "memory")

static uint64_t multiply_i8(uint64_t n) {
    static const int8_t a[N_BYTES] = {1, 2, 3}, b[N_BYTES] = {3, 2, 1};
    const int8_t *p = a, *q = b;
    int32_t sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        TOUCH(p);
        for (unsigned k = 0; k < N_BYTES; k++) sum += p[k] * q[k];
        sum &= 0xffff;
    }
    return (uint64_t)sum;
}

static uint64_t multiply_f32(uint64_t n) {
    float sums[N_FLOATS], x[N_FLOATS];
    float *p = x;
    for (unsigned k = 0; k < N_FLOATS; k++) sums[k] = x[k] = (float)k;
    for (uint64_t i = 0; i < n; i++) {
        TOUCH(p);
        for (unsigned k = 0; k < N_FLOATS; k++) sums[k] = sums[k] * 0.5f + p[k];
    }
    for (unsigned k = 1; k < N_FLOATS; k++) sums[0] += sums[k];
    return (uint64_t)sums[0];
}

static const struct Probe probe_c = {
    .read = probe_read,
    .multiply_i8 = multiply_i8,
    .multiply_f32 = multiply_f32,
    .i8_operations = 2 * N_BYTES,
    .f32_operations = 2 * N_FLOATS,
};

const struct Probe *probe_best(void) {
    const struct Kernels *best = kernels_best();
    for (const struct Tier *tier = kernels_tiers; tier->kernels; tier++)
        if (tier->kernels == best) return tier->probe;
    return &probe_c;
}
