#include "client/samples.h"

#include <math.h>

void samples_init(Samples *samples) {
    samples->values = g_array_new(FALSE, FALSE, sizeof(double));
}

void samples_done(Samples *samples) {
    g_clear_pointer(&samples->values, g_array_unref);
}

void samples_add(Samples *samples, double value) {
    g_array_append_val(samples->values, value);
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double samples_quantile(Samples *samples, double fraction) {
    guint n = samples->values->len;
    if (n == 0) return NAN;
    g_array_sort(samples->values, compare);
    const double *sorted = (const double *)(void *)samples->values->data;
    double place = fraction * (n - 1);
    guint below = (guint)place, above = MIN(below + 1, n - 1);
    return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}
