/*
 * What a benchmark tells while it runs: limits, figures, how far it is. Calls come from the thread
 * that called the benchmark.
 */
#pragma once

#include "engine/bench/roof.h"
#include "engine/bench/samples.h"

/* One measured thing. Strings are the caller's and gone after the call. */
struct Figure {
    const char *suite;   /* "kernels", "inference", ... */
    const char *model;   /* shape, or matrix sizes; "" */
    const char *weights; /* how they are held */
    const char *name;    /* "decode", "prompt", ... */
    unsigned n;          /* how many at once: vectors, tokens, sequences, positions */
    unsigned n_threads;
    struct Samples *samples; /* sorted by who reports; NULL: `value` alone was measured */
    double value;            /* what people look at */
    const char *unit;        /* of value */
    struct Work work;        /* of one sample; all zero: there is no limit to be near to */
    struct Roof roof;        /* what the machine gave in the turns of the samples */
};

/* One way to read memory, in bytes a second of its fastest pass. */
struct ReadLimit {
    unsigned n_threads, n_streams;
    unsigned prefetch; /* bytes ahead */
    int is_huge;       /* pages of 2 MiB, as far as the kernel gives them */
    double speed;
};

struct Report {
    void (*read_limit)(void *userdata, const struct ReadLimit *limit);
    /* What so many threads have reached at most. */
    void (*roof)(void *userdata, unsigned n_threads, const struct Roof *roof);
    void (*figure)(void *userdata, const struct Figure *figure);
    /* Nonzero cancels with -ECANCELED. `stage`: a word or a few. */
    int (*progress)(void *userdata, const char *stage, double done, double total);
    void *userdata;
};

static inline int report_progress(const struct Report *report, const char *stage, double done,
                                  double total) {
    return report->progress(report->userdata, stage, done, total);
}
