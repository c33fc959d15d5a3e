/*
 * The machine's limits, in turns with what is compared with them.
 *
 * What a machine gives that does something else beside, or shares its memory with others, changes
 * from second to second. So what is measured takes turns with loops that only read and only
 * multiply, A B A B, and its median is compared with their medians. Memory is read in the way that
 * bench_limits() found to be the fastest.
 *
 * A turn leaves the caches to nobody. What is measured after it begins with a run that does not
 * count, unless that takes YARDSTICK_WARM_SEC: then it needs more from memory than caches give
 * back.
 */
#pragma once

#include "engine/bench/limits.h"
#include "engine/bench/loop.h"

/* Between two turns as much time is measured, or one run of what takes longer. */
#define YARDSTICK_SLICE_SEC 0.075
#define YARDSTICK_WARM_SEC 0.01

struct Yardstick {
    struct Limits *limits; /* the best of turns replaces what was there */
    struct Roof told;
    struct Loop read, i8, f32;
};

/* What it showed beside one figure: seconds that a byte or an operation took. */
struct Marks {
    struct Samples bytes, i8_operations, f32_operations;
};

/* `limits` are of as many threads as the pool has. -ENOMEM. */
int yardstick_init(struct Yardstick *self, Pool *pool, struct Limits *limits);
/* On a pool of as many threads. Takes a tenth of what is measured until the next; loops that have
 * nothing to do with the work are left out. */
void yardstick_turn(struct Yardstick *self, Pool *pool, const struct Work *work,
                    struct Marks *marks);
/* By the medians; the best where there were no turns. */
struct Roof yardstick_roof(const struct Yardstick *self, struct Marks *marks);
/* Limits that have become better are told. */
void yardstick_tell(struct Yardstick *self, const struct Report *report);
void yardstick_done(struct Yardstick *self); /* also of one that is all zero */
