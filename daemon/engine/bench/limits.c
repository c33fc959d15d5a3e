#include "engine/bench/limits.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "engine/bench/loop.h"

static const struct Way {
    unsigned n_streams, prefetch;
} ways[] = {{1, 0}, {1, 1024}, {1, 4096}, {2, 1024}, {2, 4096},
            {4, 0}, {4, 1024}, {4, 4096}, {8, 0},    {8, 1024}};
#define N_WAYS (sizeof ways / sizeof *ways)

/* ---- Memory ---- */

struct Reading {
    struct Loop loops[2]; /* with small pages, and with huge ones */
    struct Samples samples[2][N_WAYS];
};

static void read_all_ways(struct Reading *reading, Pool *pool) {
    for (unsigned i = 0; i < 2 * N_WAYS; i++) {
        struct Loop *loop = &reading->loops[i % 2];
        loop->n_streams = ways[i / 2].n_streams;
        loop->prefetch = ways[i / 2].prefetch;
        bench_sample(&reading->samples[i % 2][i / 2], loop_run(loop, pool));
    }
}

/* With one kind of pages. Returns the median of the fastest. */
static double fastest_way(struct Reading *reading, unsigned is_huge, struct ReadLimit *ret) {
    struct Samples *samples = reading->samples[is_huge], *fastest = samples;
    for (unsigned i = 1; i < N_WAYS; i++)
        if (bench_quantile(&samples[i], 0.5) < bench_quantile(fastest, 0.5)) fastest = &samples[i];
    ret->is_huge = (int)is_huge;
    ret->n_streams = ways[fastest - samples].n_streams;
    ret->prefetch = ways[fastest - samples].prefetch;
    ret->speed = reading->loops[is_huge].work / bench_quantile(fastest, 0);
    return bench_quantile(fastest, 0.5);
}

static void ways_tell(struct Reading *reading, unsigned n_threads, const struct Report *report,
                      struct Limits *limits) {
    struct ReadLimit limit[2] = {{.n_threads = n_threads}, {.n_threads = n_threads}};
    const double small = fastest_way(reading, 0, &limit[0]);
    const double huge = fastest_way(reading, 1, &limit[1]);
    for (unsigned i = 0; i < 2; i++) {
        report->read_limit(report->userdata, &limit[i]);
        limits->roof.bytes = fmax(limits->roof.bytes, limit[i].speed);
    }
    limits->way = limit[huge < small];
}

/* All ways take turns: which is the fastest in a good moment is not always so in a bad one. */
static int read_measure(Pool *pool, double budget_sec, const struct Report *report,
                        struct Limits *limits) {
    struct Reading *reading = calloc(1, sizeof *reading);
    if (!reading) return -ENOMEM;
    int r = 0;
    for (unsigned i = 0; r == 0 && i < 2; i++) r = loop_init_read(&reading->loops[i], pool, i);
    const double start = bench_now();
    double spent = 0;
    while (r == 0 && spent < budget_sec) {
        read_all_ways(reading, pool);
        spent = bench_now() - start;
        if (report_progress(report, "memory", fmin(spent, budget_sec), 1.5 * budget_sec))
            r = -ECANCELED;
    }
    if (r == 0) ways_tell(reading, pool_n_threads(pool), report, limits);
    for (unsigned i = 0; i < 2; i++) loop_done(&reading->loops[i]);
    free(reading);
    return r;
}

/* ---- Units ---- */

/* The fastest run is what counts: others were disturbed. */
static double best_multiply(void (*init)(struct Loop *self, Pool *pool), Pool *pool,
                            double budget_sec) {
    const double end = bench_now() + budget_sec;
    struct Loop loop;
    init(&loop, pool);
    double least = loop_run(&loop, pool);
    while (bench_now() < end) least = fmin(least, loop_run(&loop, pool));
    return loop.work / least;
}

int bench_limits(Pool *pool, double budget_sec, const struct Report *report, struct Limits *ret) {
    struct Limits limits = {.roof = {0}};
    pool_settle(pool);
    int r = read_measure(pool, budget_sec * 2 / 3, report, &limits);
    if (r < 0) return r;
    if (report_progress(report, "units", 2, 3)) return -ECANCELED;
    limits.roof.i8_operations = best_multiply(loop_init_i8, pool, budget_sec / 6);
    limits.roof.f32_operations = best_multiply(loop_init_f32, pool, budget_sec / 6);
    report->roof(report->userdata, limits.way.n_threads, &limits.roof);
    *ret = limits;
    return report_progress(report, "units", 3, 3) ? -ECANCELED : 0;
}
