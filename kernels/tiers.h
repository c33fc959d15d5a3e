/*
 * The tiers above C of the architecture that is compiled for: x86/tiers.c, or none (no-tiers.c).
 * This table, lowest first, and cpu_features() are all that a new architecture has to bring.
 */
#pragma once

#include <stdbool.h>

#include "kernels/kernels.h"
#include "kernels/probe.h"

struct Tier {
    const struct Kernels *kernels; /* NULL ends the table */
    const struct Probe *probe;     /* kernels/probe.h */
    bool (*usable)(void);
    const char *(*variant)(void); /* NULL: the tier's name */
};

extern const struct Tier kernels_tiers[];
