#include "engine/bench/limits.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/bench/machine.h"
#include "kernels/probe.h"

#define HUGE_PAGE ((size_t)2 << 20)

/* A run of multiplications: longer than it takes the pool to begin, short enough to fall between
 * what else the machine does. */
#define RUN_SEC 1e-3

static atomic_uint_fast64_t sink; /* so that no loop is for nothing */

/* ---- Memory ---- */

struct Reading {
    char *data;
    size_t part; /* a thread's bytes */
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
static void read_pages(Pool *pool, struct Reading *reading, bool is_huge, double budget_sec,
                       const struct Report *report, struct Roof *roof) {
    struct ReadLimit best = {.n_threads = pool_n_threads(pool), .is_huge = is_huge};
    pool_run(pool, fill_job, reading);
    for (unsigned i = 0; i < N_WAYS; i++) {
        reading->n_streams = ways[i].n_streams;
        reading->prefetch = ways[i].prefetch;
        const double speed = best_read_speed(pool, reading, budget_sec / N_WAYS);
        if (speed <= best.speed) continue;
        best.speed = speed;
        best.n_streams = ways[i].n_streams;
        best.prefetch = ways[i].prefetch;
    }
    if (best.speed > roof->bytes) roof->bytes = best.speed;
    report->read_limit(report->userdata, &best);
}

static int read_memory(Pool *pool, bool is_huge, double budget_sec, const struct Report *report,
                       struct Roof *roof) {
    struct Reading reading = {.part = part_size(pool_n_threads(pool))};
    const size_t size = reading.part * pool_n_threads(pool), mapped = size + HUGE_PAGE;
    char *mapping = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) return -ENOMEM;
    reading.data = mapping + (HUGE_PAGE - (uintptr_t)mapping % HUGE_PAGE) % HUGE_PAGE;
    madvise(reading.data, size, is_huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    read_pages(pool, &reading, is_huge, budget_sec, report, roof);
    munmap(mapping, mapped);
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

/* Operations a second of all threads. Rounds are doubled until a run can be timed. */
static double peak(Pool *pool, Multiply *multiply, unsigned operations, double budget_sec) {
    struct Multiplying multiplying = {multiply, 1000};
    double best = 0;
    for (const double end = bench_now() + budget_sec; bench_now() < end;) {
        const double start = bench_now();
        pool_run(pool, multiply_job, &multiplying);
        const double seconds = bench_now() - start;
        const double speed = (double)multiplying.n * operations / seconds;
        if (seconds < RUN_SEC)
            multiplying.n *= 2;
        else if (speed * pool_n_threads(pool) > best)
            best = speed * pool_n_threads(pool);
    }
    return best > 0 ? best : 1;
}

int bench_limits(Pool *pool, double budget_sec, const struct Report *report, struct Roof *ret) {
    const struct Probe *probe = probe_best();
    const unsigned n_threads = pool_n_threads(pool);
    struct Roof roof = {0};
    pool_settle(pool);
    for (unsigned is_huge = 0; is_huge < 2; is_huge++) {
        if (report_progress(report, "memory", is_huge, 3)) return -ECANCELED;
        int r = read_memory(pool, is_huge, budget_sec / 3, report, &roof);
        if (r < 0) return r;
    }
    if (report_progress(report, "units", 2, 3)) return -ECANCELED;
    roof.i8_operations = peak(pool, probe->multiply_i8, probe->i8_operations, budget_sec / 6);
    roof.f32_operations = peak(pool, probe->multiply_f32, probe->f32_operations, budget_sec / 6);
    report->roof(report->userdata, n_threads, &roof);
    *ret = roof;
    return report_progress(report, "units", 3, 3) ? -ECANCELED : 0;
}
