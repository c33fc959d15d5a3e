/*
 * How long one thing took, measured again and again: the times of the last BENCH_MAX_SAMPLES runs.
 */
#pragma once

#include <stdbool.h>

#define BENCH_MAX_SAMPLES 1024u

struct Samples {
    double seconds[BENCH_MAX_SAMPLES];
    unsigned n;   /* how many are there */
    double total; /* of all that were ever added */
};

double bench_now(void); /* seconds, monotonic */

void bench_sample(struct Samples *samples, double seconds);
/* `fraction` of the times are below: 0 the least, 0.5 the median. 0 when there are none. Sorts. */
double bench_quantile(struct Samples *samples, double fraction);
