/*
 * How fast matrix products are, of every layout, with 1 to 512 vectors, as the engine runs them;
 * and what a run of the pool costs in which nothing is done.
 *
 * Matrices have the sizes of real models and lie in memory so many times, one behind the other,
 * that each product finds its own outside of the caches.
 */
#pragma once

#include "engine/bench/limits.h"
#include "engine/pool.h"

struct ProductsOptions {
    const char *const *shapes; /* NULL-terminated names: the largest matrix of a layer of each */
    double budget_sec;         /* for one figure */
    struct Limits *limits;     /* of as many threads as the pool has; becomes better here */
};

/* -EINVAL: no such shape; -ENOMEM, -ECANCELED. */
int bench_products(Pool *pool, const struct ProductsOptions *options, const struct Report *report);
