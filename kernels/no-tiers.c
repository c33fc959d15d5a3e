/* An architecture that has the C tier alone. */
#include "kernels/cpu.h"
#include "kernels/tiers.h"

const struct Tier kernels_tiers[] = {{NULL, NULL, NULL, NULL}};

const struct CpuFeatures *cpu_features(void) {
    static const struct CpuFeatures none;
    return &none;
}
