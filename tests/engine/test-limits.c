/* The limits of the machine, measured again: what is better counts and is told, nothing else does.
 */
#include "engine/bench/limits.h"

#include "test.h"

static unsigned n_told;
static struct Roof told;

static void roof_told(void *userdata, unsigned n_threads, const struct Roof *roof) {
    CHECK(n_threads == 2);
    told = *roof;
    n_told++;
}

static struct Limits again(double speed, double budget_sec) {
    const struct Report report = {.roof = roof_told};
    struct Limits limits = {
        .roof = {speed, speed, speed},
        .way = {.n_threads = 2, .n_streams = 4, .prefetch = 1024, .speed = speed},
        .begin_sec = 1,
    };
    Pool *pool;
    n_told = 0;
    CHECK(pool_new(2, &pool) == 0);
    CHECK(bench_limits_again(pool, budget_sec, &report, &limits) == 0);
    pool_free(pool);
    return limits;
}

static void better(void) {
    const struct Limits limits = again(1, 0.25);
    CHECK(limits.roof.bytes > 1e6 && limits.roof.bytes == limits.way.speed);
    CHECK(limits.roof.i8_operations > 1e6 && limits.roof.f32_operations > 1e6);
    CHECK(n_told == 1 && memcmp(&told, &limits.roof, sizeof told) == 0);
}

static void no_better(void) {
    const struct Limits limits = again(1e30, 0.25);
    CHECK(limits.roof.bytes == 1e30 && limits.roof.i8_operations == 1e30);
    CHECK(n_told == 0);
}

/* Getting the memory takes a second: that is not worth it. */
static void no_time(void) {
    const struct Limits limits = again(1, 0.2);
    CHECK(limits.roof.bytes == 1 && limits.roof.i8_operations == 1 && n_told == 0);
}

int main(void) {
    return TEST_MAIN({"better limits are kept and told", better}, {"others are not", no_better},
                     {"only where there is time", no_time});
}
