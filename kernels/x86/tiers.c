#include "kernels/tiers.h"
#include "kernels/cpu.h"

const struct Tier kernels_tiers[] = {
    {NULL, NULL},
};
