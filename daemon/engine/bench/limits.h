/*
 * What the machine can do at most, measured: bytes read from memory and operations done in
 * registers a second. See kernels/probe.h for the loops.
 *
 * Memory is read in several ways (streams, pages, prefetching), and the fastest pass of the fastest
 * way counts: that is what a kernel can be expected to come near to. What a machine that does
 * something else gives changes from second to second, so limits are measured again between the
 * figures that are compared with them, and the best that was seen is the limit.
 */
#pragma once

#include "engine/bench/report.h"
#include "engine/pool.h"

struct Limits {
    struct Roof roof;     /* the best until now */
    struct ReadLimit way; /* the fastest of reading memory */
    double begin_sec;     /* what getting that memory took */
};

/* On all threads of the pool. `budget_sec`: about how long. -ENOMEM, -ECANCELED. */
int bench_limits(Pool *pool, double budget_sec, const struct Report *report, struct Limits *ret);
/* Again, memory in the fastest way alone, on a pool of as many threads: what is better replaces
 * what was there, and is told. Nothing where getting the memory would take many times the budget.
 * -ENOMEM. */
int bench_limits_again(Pool *pool, double budget_sec, const struct Report *report,
                       struct Limits *limits);
