/*
 * Measured values of one kind, and what to tell of them.
 */
#pragma once

#include <glib.h>

typedef struct Samples {
    GArray *values; /* double */
} Samples;

void samples_init(Samples *samples);
void samples_done(Samples *samples);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Samples, samples_done)

void samples_add(Samples *samples, double value);
/* `fraction` of the values are below: 0 the least, 0.5 the median, 1 the largest; between two
 * values in proportion. NaN when there are none. */
double samples_quantile(Samples *samples, double fraction);
