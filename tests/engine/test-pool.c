/* The thread pool: every thread takes part in every run, and memory written on one side is seen on
 * the other. Meant to be run under ThreadSanitizer, too. */
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "engine/compute.h"
#include "engine/cores.h"
#include "engine/limits.h"
#include "engine/pool.h"
#include "engine/shares.h"
#include "test.h"

#define MAX_THREADS 4

struct Sum {
    const long *input;
    unsigned long n;
    long sums[MAX_THREADS]; /* plain memory: the pool orders it */
    unsigned n_calls[MAX_THREADS];
};

static void sum_job(void *userdata, unsigned thread, unsigned n_threads) {
    struct Sum *sum = userdata;
    unsigned long begin, end;
    pool_share(thread, n_threads, sum->n, &begin, &end);
    sum->sums[thread] = 0;
    sum->n_calls[thread]++;
    for (unsigned long i = begin; i < end; i++) sum->sums[thread] += sum->input[i];
}

static void check_sums(unsigned n_threads, unsigned n_runs, long pause_usec) {
    long input[101];
    struct Sum sum = {.input = input, .n = 101};
    Pool *pool;
    REQUIRE(pool_new(n_threads, &pool) == 0);
    CHECK_INT(pool_n_threads(pool), n_threads);
    for (unsigned run = 0; run < n_runs; run++) {
        long expected = 0, total = 0;
        for (int i = 0; i < 101; i++) expected += input[i] = (long)run * i;
        pool_run(pool, sum_job, &sum);
        for (unsigned i = 0; i < n_threads; i++) total += sum.sums[i];
        CHECK_INT(total, expected);
        if (pause_usec) nanosleep(&(struct timespec){.tv_nsec = pause_usec * 1000}, NULL);
    }
    for (unsigned i = 0; i < n_threads; i++) CHECK_INT(sum.n_calls[i], n_runs);
    pool_free(pool);
}

static void runs(void) {
    for (unsigned n = 1; n <= MAX_THREADS; n++) check_sums(n, 300, 0);
}

/* Pauses around the time that a worker spins: it is caught awake, asleep and falling asleep. */
static void runs_with_pauses(void) {
    for (long usec = POOL_SPIN_USEC / 2; usec <= 3 * POOL_SPIN_USEC; usec += 5)
        check_sums(3, 8, usec);
}

static void shares(void) {
    for (unsigned n_threads = 1; n_threads < 9; n_threads++)
        for (unsigned long n = 0; n < 20; n++) {
            unsigned long next = 0, begin, end;
            for (unsigned i = 0; i < n_threads; i++) {
                pool_share(i, n_threads, n, &begin, &end);
                CHECK_INT(begin, next);
                CHECK(end - begin <= n / n_threads + 1);
                next = end;
            }
            CHECK_INT(next, n);
        }
}

/* Two of three threads never come: the third does its own share from its beginning, then theirs. */
static void shares_of_others(void) {
    for (unsigned n_pieces = 1; n_pieces < 6; n_pieces++) {
        struct Shares shares;
        struct SharesWalk walk = {1, 3};
        unsigned long begin, end, next = 7, n = 0;
        bool is_taken[23] = {false};
        shares_init(&shares, 3, 23, n_pieces); /* [0, 7), [7, 15), [15, 23) */
        while (shares_take(&shares, &walk, &begin, &end)) {
            CHECK_INT(begin, next);
            CHECK(end - begin <= 8 / n_pieces + 1);
            for (unsigned long i = begin; i < end; i++, n++) {
                CHECK(!is_taken[i]);
                is_taken[i] = true;
            }
            next = end % 23;
        }
        CHECK_INT(n, 23);
    }
}

struct Counts {
    struct Shares shares;
    unsigned n[1000]; /* plain memory: one thread gets each */
};

static void count_job(void *userdata, unsigned thread, unsigned n_threads) {
    struct Counts *counts = userdata;
    struct SharesWalk walk = {thread, n_threads};
    unsigned long begin, end;
    while (shares_take(&counts->shares, &walk, &begin, &end))
        for (unsigned long i = begin; i < end; i++) counts->n[i]++;
}

static void shares_once(void) {
    Pool *pool;
    struct Counts counts = {.n = {0}};
    REQUIRE(pool_new(MAX_THREADS, &pool) == 0);
    for (unsigned run = 1; run <= 200; run++) {
        shares_init(&counts.shares, MAX_THREADS, 1000, 1 + run % 70);
        pool_run(pool, count_job, &counts);
        for (unsigned i = 0; i < 1000; i++) CHECK_INT(counts.n[i], run);
    }
    pool_free(pool);
}

static void count_row(void *userdata, uint32_t row) {
    unsigned *counts = userdata;
    counts[row]++;
}

static void rows(void) {
    struct Compute compute = {0};
    unsigned counts[50] = {0};
    REQUIRE(pool_new(3, &compute.pool) == 0);
    compute_rows(&compute, 50, COMPUTE_MIN_COST, count_row, counts); /* on all threads */
    compute_rows(&compute, 50, 1, count_row, counts);                /* on the caller */
    for (int i = 0; i < 50; i++) CHECK_INT(counts[i], 2);
    pool_free(compute.pool);
}

static cpu_set_t cpus(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CHECK_INT(sched_getaffinity(0, sizeof set, &set), 0);
    return set;
}

static void cpus_job(void *userdata, unsigned thread, unsigned n_threads) {
    ((cpu_set_t *)userdata)[thread] = cpus();
}

/* The caller is pinned for one pool at a time, and to none of a worker's cores. */
static void settling(void) {
    const cpu_set_t before = cpus();
    cpu_set_t sets[MAX_THREADS], now;
    Pool *pool, *other;
    int cores[MAX_THREADS];
    unsigned n_cores = cores_find(cores, MAX_THREADS), n = n_cores < 3 ? n_cores : 3;
    REQUIRE(pool_new(n, &pool) == 0);
    for (int i = 0; i < 2; i++) pool_settle(pool);
    pool_run(pool, cpus_job, sets);
    for (unsigned i = 0; n > 1 && i < n; i++) {
        CHECK_INT(CPU_COUNT(&sets[i]), 1);
        CHECK(CPU_ISSET(cores[i], &sets[i]));
    }
    REQUIRE(pool_new(1, &other) == 0);
    now = cpus();
    CHECK(CPU_EQUAL(&now, &before));
    pool_settle(other); /* alone: anywhere */
    now = cpus();
    CHECK(CPU_EQUAL(&now, &before));
    pool_settle(pool);
    pool_free(other);
    now = cpus();
    CHECK_INT(CPU_COUNT(&now), n > 1 ? 1 : CPU_COUNT(&before));
    pool_leave(pool);
    now = cpus();
    CHECK(CPU_EQUAL(&now, &before));
    pool_settle(pool);
    pool_free(pool);
    now = cpus();
    CHECK(CPU_EQUAL(&now, &before));
}

static void limits(void) {
    Pool *pool;
    int cores[2];
    CHECK_INT(pool_new(POOL_MAX_THREADS + 1, &pool), -EINVAL);
    REQUIRE(pool_new(0, &pool) == 0);
    CHECK_INT(pool_n_threads(pool), cores_find(cores, 2));
    pool_free(pool);
    pool_free(NULL);
}

int main(void) {
    return TEST_MAIN({"runs reach every thread", runs}, {"runs after pauses", runs_with_pauses},
                     {"shares are even", shares},
                     {"shares of threads that are late", shares_of_others},
                     {"nothing is done twice", shares_once}, {"rows", rows}, {"settling", settling},
                     {"limits", limits});
}
