/*
 * How fast matrix products are, of every layout, with 1 to 512 vectors, as the engine runs them.
 *
 * Matrices have the sizes of real models and lie in memory so many times, one behind the other,
 * that each product finds its own outside of the caches.
 */
#pragma once

#include "engine/bench/report.h"
#include "engine/pool.h"

struct ProductsOptions {
    double budget_sec; /* for one figure */
    struct Roof roof;
};

/* -ENOMEM, -ECANCELED. */
int bench_products(Pool *pool, const struct ProductsOptions *options, const struct Report *report);
