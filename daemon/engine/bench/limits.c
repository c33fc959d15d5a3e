#include "engine/bench/limits.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/bench/machine.h"
#include "engine/huge-pages.h"
#include "kernels/probe.h"

/* A run of multiplications: longer than it takes the pool to begin, short enough to fall between
 * what else the machine does. */
#define RUN_SEC 1e-3

static atomic_uint_fast64_t sink; /* so that no loop is for nothing */

/* ---- Memory ---- */

struct Reading {
    char *data;
    size_t size, part; /* in all; a thread's bytes */
    unsigned n_streams, prefetch;
};

/* First touch by who reads it. */
static void fill_job(void *userdata, unsigned thread, unsigned n_threads) {
    const struct Reading *reading = userdata;
    memset(reading->data + thread * reading->part, 1 + (int)thread, reading->part);
}

static void read_job(void *userdata, unsigned thread, unsigned n_threads) {
    const struct Reading *reading = userdata;
    atomic_fetch_add(&sink,
                     probe_best()->read(reading->data + thread * reading->part, reading->part,
                                        reading->n_streams, reading->prefetch));
}

/* Four times what the caches hold, within a quarter of the memory that is free. */
static size_t part_size(unsigned n_threads) {
    const struct Machine *machine = machine_get();
    uint64_t size = 4 * (machine->l3_bytes + machine->l2_bytes * n_threads);
    const uint64_t most = machine_available_bytes() / 4;
    if (size < (uint64_t)128 << 20) size = (uint64_t)128 << 20;
    if (size > most) size = most;
    size = size / n_threads / HUGE_PAGE * HUGE_PAGE;
    return size > HUGE_PAGE ? size : HUGE_PAGE;
}

static int reading_begin(struct Reading *self, Pool *pool, bool is_huge) {
    self->part = part_size(pool_n_threads(pool));
    self->size = self->part * pool_n_threads(pool);
    self->data = huge_allocate(self->size);
    if (!self->data) return -ENOMEM;
    if (!is_huge) madvise(self->data, self->size, MADV_NOHUGEPAGE);
    pool_run(pool, fill_job, self);
    return 0;
}

static void reading_end(struct Reading *self) {
    munmap(self->data, self->size);
}

/* The fastest pass is what counts: others were disturbed. */
static double best_read_speed(Pool *pool, struct Reading *reading, double budget_sec) {
    const double end = bench_now() + budget_sec;
    double least = 0;
    do {
        const double start = bench_now();
        pool_run(pool, read_job, reading);
        const double seconds = bench_now() - start;
        if (least == 0 || seconds < least) least = seconds;
    } while (bench_now() < end);
    return (double)reading->part * pool_n_threads(pool) / least;
}

static const struct Way {
    unsigned n_streams, prefetch;
} ways[] = {{1, 0}, {1, 1024}, {1, 4096}, {2, 1024}, {2, 4096},
            {4, 0}, {4, 1024}, {4, 4096}, {8, 0},    {8, 1024}};
#define N_WAYS (sizeof ways / sizeof *ways)

/* All ways with one kind of pages; only the best is told. */
static int read_ways(Pool *pool, bool is_huge, double budget_sec, const struct Report *report,
                     struct Limits *limits) {
    struct ReadLimit best = {.n_threads = pool_n_threads(pool), .is_huge = is_huge};
    struct Reading reading;
    const double start = bench_now();
    int r = reading_begin(&reading, pool, is_huge);
    if (r < 0) return r;
    const double begin_sec = bench_now() - start;
    for (unsigned i = 0; i < N_WAYS; i++) {
        reading.n_streams = ways[i].n_streams;
        reading.prefetch = ways[i].prefetch;
        const double speed = best_read_speed(pool, &reading, budget_sec / N_WAYS);
        if (speed <= best.speed) continue;
        best.speed = speed;
        best.n_streams = ways[i].n_streams;
        best.prefetch = ways[i].prefetch;
    }
    reading_end(&reading);
    report->read_limit(report->userdata, &best);
    if (best.speed > limits->way.speed) {
        limits->way = best;
        limits->begin_sec = begin_sec;
    }
    return 0;
}

static int read_again(Pool *pool, double budget_sec, struct Limits *limits) {
    struct Reading reading = {.n_streams = limits->way.n_streams, .prefetch = limits->way.prefetch};
    int r = reading_begin(&reading, pool, limits->way.is_huge);
    if (r < 0) return r;
    const double speed = best_read_speed(pool, &reading, budget_sec);
    if (speed > limits->way.speed) limits->way.speed = speed;
    reading_end(&reading);
    return 0;
}

/* ---- Units ---- */

typedef uint64_t Multiply(uint64_t n);

struct Multiplying {
    Multiply *multiply;
    uint64_t n;
};

static void multiply_job(void *userdata, unsigned thread, unsigned n_threads) {
    const struct Multiplying *multiplying = userdata;
    atomic_fetch_add(&sink, multiplying->multiply(multiplying->n));
}

/* Operations a second of all threads: `best`, or more. Rounds are doubled until a run can be timed.
 */
static double peak(Pool *pool, Multiply *multiply, unsigned operations, double budget_sec,
                   double best) {
    struct Multiplying multiplying = {multiply, 1000};
    for (const double end = bench_now() + budget_sec; best == 0 || bench_now() < end;) {
        const double start = bench_now();
        pool_run(pool, multiply_job, &multiplying);
        const double seconds = bench_now() - start;
        const double speed = (double)multiplying.n * operations / seconds;
        if (seconds < RUN_SEC)
            multiplying.n *= 2;
        else if (speed * pool_n_threads(pool) > best)
            best = speed * pool_n_threads(pool);
    }
    return best;
}

static void multiply_both(Pool *pool, double budget_sec, struct Roof *roof) {
    const struct Probe *probe = probe_best();
    roof->i8_operations =
        peak(pool, probe->multiply_i8, probe->i8_operations, budget_sec / 2, roof->i8_operations);
    roof->f32_operations = peak(pool, probe->multiply_f32, probe->f32_operations, budget_sec / 2,
                                roof->f32_operations);
}

/* ---- Both ---- */

static void tell(const struct Limits *limits, const struct Report *report) {
    report->roof(report->userdata, limits->way.n_threads, &limits->roof);
}

int bench_limits(Pool *pool, double budget_sec, const struct Report *report, struct Limits *ret) {
    struct Limits limits = {.roof = {0}};
    pool_settle(pool);
    for (unsigned is_huge = 0; is_huge < 2; is_huge++) {
        if (report_progress(report, "memory", is_huge, 3)) return -ECANCELED;
        int r = read_ways(pool, is_huge, budget_sec / 3, report, &limits);
        if (r < 0) return r;
    }
    limits.roof.bytes = limits.way.speed;
    if (report_progress(report, "units", 2, 3)) return -ECANCELED;
    multiply_both(pool, budget_sec / 3, &limits.roof);
    tell(&limits, report);
    *ret = limits;
    return report_progress(report, "units", 3, 3) ? -ECANCELED : 0;
}

int bench_limits_again(Pool *pool, double budget_sec, const struct Report *report,
                       struct Limits *limits) {
    const struct Roof before = limits->roof;
    if (budget_sec < limits->begin_sec / 4) return 0;
    pool_settle(pool);
    int r = read_again(pool, budget_sec / 2, limits);
    if (r < 0) return r;
    limits->roof.bytes = limits->way.speed;
    multiply_both(pool, budget_sec / 2, &limits->roof);
    if (memcmp(&before, &limits->roof, sizeof before) != 0) tell(limits, report);
    return 0;
}
