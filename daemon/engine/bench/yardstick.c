#include "engine/bench/yardstick.h"

#include <math.h>
#include <string.h>

/* Of what is measured until the next turn. */
#define SHARE 0.1

int yardstick_init(struct Yardstick *self, Pool *pool, struct Limits *limits) {
    *self = (struct Yardstick){.limits = limits, .told = limits->roof};
    pool_settle(pool);
    int r = loop_init_read(&self->read, pool, limits->way.is_huge);
    if (r < 0) return r;
    self->read.n_streams = limits->way.n_streams;
    self->read.prefetch = limits->way.prefetch;
    loop_init_i8(&self->i8, pool);
    loop_init_f32(&self->f32, pool);
    return 0;
}

void yardstick_done(struct Yardstick *self) {
    loop_done(&self->read);
    loop_done(&self->i8);
    loop_done(&self->f32);
}

/* One run at least. */
static void mark(struct Loop *loop, Pool *pool, double seconds, struct Samples *samples,
                 double *best) {
    for (const double end = bench_now() + seconds; seconds > 0; seconds = end - bench_now()) {
        const double one = loop_run(loop, pool) / loop->work;
        bench_sample(samples, one);
        *best = fmax(*best, 1 / one);
    }
}

void yardstick_turn(struct Yardstick *self, Pool *pool, const struct Work *work,
                    struct Marks *marks) {
    struct Roof *best = &self->limits->roof;
    const double least = roof_seconds(best, work);
    const double seconds = SHARE * (least > YARDSTICK_SLICE_SEC ? least : YARDSTICK_SLICE_SEC);
    pool_settle(pool);
    if (work->i8_operations > 0)
        mark(&self->i8, pool, seconds / 4, &marks->i8_operations, &best->i8_operations);
    if (work->f32_operations > 0)
        mark(&self->f32, pool, seconds / 4, &marks->f32_operations, &best->f32_operations);
    mark(&self->read, pool, seconds / 2, &marks->bytes, &best->bytes);
}

static double median_speed(struct Samples *samples, double otherwise) {
    return samples->n > 0 ? 1 / bench_quantile(samples, 0.5) : otherwise;
}

struct Roof yardstick_roof(const struct Yardstick *self, struct Marks *marks) {
    const struct Roof *best = &self->limits->roof;
    return (struct Roof){
        .bytes = median_speed(&marks->bytes, best->bytes),
        .i8_operations = median_speed(&marks->i8_operations, best->i8_operations),
        .f32_operations = median_speed(&marks->f32_operations, best->f32_operations),
    };
}

void yardstick_tell(struct Yardstick *self, const struct Report *report) {
    const struct Roof *best = &self->limits->roof;
    if (memcmp(&self->told, best, sizeof *best) == 0) return;
    self->told = *best;
    report->roof(report->userdata, self->limits->way.n_threads, best);
}
