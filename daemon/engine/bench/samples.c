#include "engine/bench/samples.h"

#include <stdlib.h>
#include <time.h>

double bench_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Past the end a new one takes the place of one in the middle of the order, whatever it is. */
void bench_sample(struct Samples *samples, double seconds) {
    samples->total += seconds;
    if (samples->n < BENCH_MAX_SAMPLES)
        samples->seconds[samples->n++] = seconds;
    else
        samples->seconds[rand() % (int)BENCH_MAX_SAMPLES] = seconds;
}

static int compare(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

double bench_quantile(struct Samples *samples, double fraction) {
    if (samples->n == 0) return 0;
    qsort(samples->seconds, samples->n, sizeof *samples->seconds, compare);
    const double place = fraction * (samples->n - 1);
    const unsigned below = (unsigned)place, above = below + 1 < samples->n ? below + 1 : below;
    const double low = samples->seconds[below], high = samples->seconds[above];
    return low + (place - below) * (high - low);
}
