/* Limits in turns with what is compared with them: only what bounds a piece of work is measured,
 * medians count, and what is better than ever is told. */
#include "engine/bench/yardstick.h"

#include "test.h"

static unsigned n_told;
static struct Roof told;

static void roof_told(void *userdata, unsigned n_threads, const struct Roof *roof) {
    CHECK(n_threads == 2);
    told = *roof;
    n_told++;
}

static const struct Report report = {.roof = roof_told};

static struct Limits limits_of(double speed) {
    return (struct Limits){
        .roof = {speed, speed, speed},
        .way = {.n_threads = 2, .n_streams = 4, .prefetch = 1024, .speed = speed},
    };
}

/* Three turns beside work of bytes and of floats. */
static void turns(struct Limits *limits, struct Roof *ret) {
    static struct Marks marks;
    const struct Work work = {.bytes = 1, .f32_operations = 1};
    struct Yardstick yardstick;
    Pool *pool;
    n_told = 0;
    marks = (struct Marks){.bytes.n = 0};
    CHECK(pool_new(2, &pool) == 0);
    CHECK(yardstick_init(&yardstick, pool, limits) == 0);
    for (unsigned i = 0; i < 3; i++) yardstick_turn(&yardstick, pool, &work, &marks);
    CHECK(marks.bytes.n >= 3 && marks.f32_operations.n >= 3 && marks.i8_operations.n == 0);
    *ret = yardstick_roof(&yardstick, &marks);
    yardstick_tell(&yardstick, &report);
    yardstick_tell(&yardstick, &report);
    yardstick_done(&yardstick);
    pool_free(pool);
}

static void better(void) {
    struct Limits limits = limits_of(1);
    struct Roof roof;
    turns(&limits, &roof);
    CHECK(roof.bytes > 1e6 && roof.f32_operations > 1e6 && roof.i8_operations == 1);
    CHECK(limits.roof.bytes >= roof.bytes && limits.roof.f32_operations >= roof.f32_operations);
    CHECK(n_told == 1 && memcmp(&told, &limits.roof, sizeof told) == 0);
}

static void no_better(void) {
    struct Limits limits = limits_of(1e30);
    struct Roof roof;
    turns(&limits, &roof);
    CHECK(limits.roof.bytes == 1e30 && limits.roof.f32_operations == 1e30 && n_told == 0);
    CHECK(roof.bytes > 1e6 && roof.bytes < 1e30 && roof.i8_operations == 1e30);
}

int main(void) {
    return TEST_MAIN({"better limits are kept, and told once", better},
                     {"others count for what they stand beside", no_better});
}
