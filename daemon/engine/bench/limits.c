#include "engine/bench/limits.h"

#include <errno.h>

#include "engine/bench/loop.h"

/* The fastest run is what counts: others were disturbed. */
static double best_speed(struct Loop *loop, Pool *pool, double budget_sec) {
    const double end = bench_now() + budget_sec;
    double least = loop_run(loop, pool);
    while (bench_now() < end) {
        const double seconds = loop_run(loop, pool);
        if (seconds < least) least = seconds;
    }
    return loop->work / least;
}

static const struct Way {
    unsigned n_streams, prefetch;
} ways[] = {{1, 0}, {1, 1024}, {1, 4096}, {2, 1024}, {2, 4096},
            {4, 0}, {4, 1024}, {4, 4096}, {8, 0},    {8, 1024}};
#define N_WAYS (sizeof ways / sizeof *ways)

/* All ways with one kind of pages; only the best is told. */
static int read_ways(Pool *pool, int is_huge, double budget_sec, const struct Report *report,
                     struct Limits *limits) {
    struct ReadLimit best = {.n_threads = pool_n_threads(pool), .is_huge = is_huge};
    struct Loop loop;
    int r = loop_init_read(&loop, pool, is_huge);
    if (r < 0) return r;
    for (unsigned i = 0; i < N_WAYS; i++) {
        loop.n_streams = ways[i].n_streams;
        loop.prefetch = ways[i].prefetch;
        const double speed = best_speed(&loop, pool, budget_sec / N_WAYS);
        if (speed <= best.speed) continue;
        best.speed = speed;
        best.n_streams = ways[i].n_streams;
        best.prefetch = ways[i].prefetch;
    }
    loop_done(&loop);
    report->read_limit(report->userdata, &best);
    if (best.speed > limits->way.speed) limits->way = best;
    return 0;
}

static double best_multiply(void (*init)(struct Loop *self, Pool *pool), Pool *pool,
                            double budget_sec) {
    struct Loop loop;
    init(&loop, pool);
    return best_speed(&loop, pool, budget_sec);
}

int bench_limits(Pool *pool, double budget_sec, const struct Report *report, struct Limits *ret) {
    struct Limits limits = {.roof = {0}};
    pool_settle(pool);
    for (int is_huge = 0; is_huge < 2; is_huge++) {
        if (report_progress(report, "memory", is_huge, 3)) return -ECANCELED;
        int r = read_ways(pool, is_huge, budget_sec / 3, report, &limits);
        if (r < 0) return r;
    }
    limits.roof.bytes = limits.way.speed;
    if (report_progress(report, "units", 2, 3)) return -ECANCELED;
    limits.roof.i8_operations = best_multiply(loop_init_i8, pool, budget_sec / 6);
    limits.roof.f32_operations = best_multiply(loop_init_f32, pool, budget_sec / 6);
    report->roof(report->userdata, limits.way.n_threads, &limits.roof);
    *ret = limits;
    return report_progress(report, "units", 3, 3) ? -ECANCELED : 0;
}
