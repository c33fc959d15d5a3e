#include "engine/bench/loop.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/bench/machine.h"
#include "engine/bench/samples.h"
#include "engine/huge-pages.h"
#include "kernels/probe.h"

/* A run of multiplications: longer than it takes the pool to begin, short enough to fall between
 * what else the machine does. */
#define RUN_SEC 1e-3

static atomic_uint_fast64_t sink; /* so that no loop is for nothing */

double loop_run(struct Loop *self, Pool *pool) {
    const double start = bench_now();
    pool_run(pool, self->job, self);
    return bench_now() - start;
}

void loop_done(struct Loop *self) {
    if (self->data) munmap(self->data, self->size);
    *self = (struct Loop){.data = NULL};
}

/* ---- Memory ---- */

/* First touch by who reads it. */
static void fill_job(void *userdata, unsigned thread, unsigned n_threads) {
    const struct Loop *self = userdata;
    memset(self->data + thread * self->part, 1 + (int)thread, self->part);
}

static void read_job(void *userdata, unsigned thread, unsigned n_threads) {
    const struct Loop *self = userdata;
    atomic_fetch_add(&sink, probe_best()->read(self->data + thread * self->part, self->part,
                                               self->n_streams, self->prefetch));
}

static size_t part_size(unsigned n_threads) {
    const size_t size = machine_uncached_bytes(n_threads) / n_threads / HUGE_PAGE * HUGE_PAGE;
    return size > HUGE_PAGE ? size : HUGE_PAGE;
}

int loop_init_read(struct Loop *self, Pool *pool, bool is_huge) {
    const unsigned n_threads = pool_n_threads(pool);
    const size_t part = part_size(n_threads), size = part * n_threads;
    char *data = huge_allocate(size);
    if (!data) return -ENOMEM;
    if (!is_huge) madvise(data, size, MADV_NOHUGEPAGE);
    *self = (struct Loop){
        .job = read_job,
        .work = (double)size,
        .data = data,
        .size = size,
        .part = part,
        .n_streams = 1,
    };
    pool_run(pool, fill_job, self);
    return 0;
}

/* ---- Units ---- */

static void multiply_job(void *userdata, unsigned thread, unsigned n_threads) {
    const struct Loop *self = userdata;
    atomic_fetch_add(&sink, self->multiply(self->n));
}

/* Rounds are doubled until a run can be timed; one alone may have been long for another reason. */
static void init_multiply(struct Loop *self, Pool *pool, uint64_t (*multiply)(uint64_t n),
                          unsigned operations) {
    *self = (struct Loop){.job = multiply_job, .multiply = multiply, .n = 1000};
    while (loop_run(self, pool) < RUN_SEC || loop_run(self, pool) < RUN_SEC) self->n *= 2;
    self->work = (double)self->n * operations * pool_n_threads(pool);
}

void loop_init_i8(struct Loop *self, Pool *pool) {
    init_multiply(self, pool, probe_best()->multiply_i8, probe_best()->i8_operations);
}

void loop_init_f32(struct Loop *self, Pool *pool) {
    init_multiply(self, pool, probe_best()->multiply_f32, probe_best()->f32_operations);
}
