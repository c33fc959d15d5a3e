/*
 * What the machine can do at most, measured: bytes read from memory and operations done in
 * registers a second. See kernels/probe.h for the loops.
 *
 * Memory is read in several ways (streams, pages, prefetching), a third of a second in all for a
 * number of threads, and the fastest counts: that is what a kernel can be expected to come near to.
 */
#pragma once

#include "engine/bench/report.h"
#include "engine/pool.h"

/* On all threads of the pool. `budget_sec`: about how long. -ENOMEM, -ECANCELED. */
int bench_limits(Pool *pool, double budget_sec, const struct Report *report, struct Roof *ret);
