/* Machines that steps are made up on: microseconds of a step of n tokens. */
#pragma once

typedef double Cost(double n);

static inline double fast(double n) {
    return 5000 + 200 * n;
}
static inline double slow(double n) {
    return 150000 + 20000 * n;
}
/* Memory is the limit up to eight vectors; more go through panels. */
static inline double panels(double n) {
    return n <= 8 ? 100000 + 5000 * n : 150000 + 15000 * n;
}
