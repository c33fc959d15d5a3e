/* The tiers of x86-64. */
#include "kernels/tiers.h"
#include "kernels/cpu.h"
#include "kernels/x86/x86.h"

static bool avx2_usable(void) {
    return cpu_features()->avx2;
}

static bool avx512_usable(void) {
    return cpu_features()->avx512;
}

const struct Tier kernels_tiers[] = {
    {&kernels_avx2, &probe_avx2, avx2_usable},
    {&kernels_avx512, &probe_avx512, avx512_usable},
    {NULL, NULL, NULL},
};
