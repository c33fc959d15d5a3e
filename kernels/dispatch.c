/* Chooses a tier. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/reference.h"
#include "kernels/tiers.h"

const struct Kernels *kernels_tier(unsigned i) {
    if (i == 0) return &kernels_c;
    for (const struct Tier *tier = kernels_tiers; tier->kernels; tier++)
        if (tier->usable() && --i == 0) return tier->kernels;
    return NULL;
}

const char *kernels_variant(const struct Kernels *kernels) {
    for (const struct Tier *tier = kernels_tiers; tier->kernels; tier++)
        if (tier->kernels == kernels && tier->variant) return tier->variant();
    return kernels->tier;
}

static const struct Kernels *choose(void) {
    const char *limit = getenv("RYZEN_LLM_CPU");
    const struct Kernels *best = &kernels_c, *kernels;

    if (limit && !strcmp(limit, best->tier)) return best;
    for (unsigned i = 1; (kernels = kernels_tier(i)); i++) {
        best = kernels;
        if (limit && !strcmp(limit, best->tier)) break;
    }
    return best;
}

const struct Kernels *kernels_best(void) {
    /* Threads that race here find the same answer. */
    static _Atomic(const struct Kernels *) best;
    const struct Kernels *kernels = atomic_load_explicit(&best, memory_order_relaxed);

    if (!kernels) {
        kernels = choose();
        atomic_store_explicit(&best, kernels, memory_order_relaxed);
    }
    return kernels;
}
