/*
 * The loops of kernels/probe.h on all threads of a pool, once or again and again: memory that is
 * read, registers that are multiplied.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/pool.h"

struct Loop {
    PoolJob *job;
    double work; /* bytes or operations of a run, of all threads */
    /* Reading: */
    char *data;
    size_t size, part; /* in all; a thread's bytes */
    unsigned n_streams, prefetch;
    /* Multiplying: */
    uint64_t (*multiply)(uint64_t n);
    uint64_t n;
};

/* machine_uncached_bytes() of memory; each thread of the pool touches the part that it reads. One
 * stream, no prefetching: change that as you like. -ENOMEM. */
int loop_init_read(struct Loop *self, Pool *pool, bool is_huge);
/* Of the tier's kernels. A run is long enough to be timed. */
void loop_init_i8(struct Loop *self, Pool *pool);
void loop_init_f32(struct Loop *self, Pool *pool);
void loop_done(struct Loop *self); /* also of one that is all zero */

/* Seconds of a run on a pool of as many threads. */
double loop_run(struct Loop *self, Pool *pool);
