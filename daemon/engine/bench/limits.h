/*
 * What the machine can do at most, measured: bytes read from memory and operations done in
 * registers a second. See kernels/probe.h for the loops.
 *
 * Memory is read in several ways (streams, pages, prefetching), in turns, and the fastest pass of
 * all counts: that is what the machine can give. What it does give changes from second to second
 * where it does something else beside; figures are compared with that (engine/bench/yardstick.h),
 * memory being read in the way that was the fastest by its median.
 */
#pragma once

#include "engine/bench/report.h"
#include "engine/pool.h"

struct Limits {
    struct Roof roof;     /* the best until now */
    struct ReadLimit way; /* of reading memory, the fastest by its median */
};

/* On all threads of the pool. `budget_sec`: about how long. -ENOMEM, -ECANCELED. */
int bench_limits(Pool *pool, double budget_sec, const struct Report *report, struct Limits *ret);
