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

/* Without VBMI its MATRIX_T1_6 is AVX2's: another layout may be the fastest. */
static const char *avx512_variant(void) {
    return cpu_features()->avx512_vbmi ? "avx512-vbmi" : "avx512";
}

const struct Tier kernels_tiers[] = {
    {&kernels_avx2, &probe_avx2, avx2_usable, NULL},
    {&kernels_avx512, &probe_avx512, avx512_usable, avx512_variant},
    {NULL, NULL, NULL, NULL},
};
