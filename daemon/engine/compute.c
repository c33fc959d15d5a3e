#include "engine/compute.h"

struct RowsRun {
    uint32_t n_rows;
    RowJob *job;
    void *userdata;
};

static void run_rows(void *userdata, unsigned thread, unsigned n_threads) {
    const struct RowsRun *run = userdata;
    unsigned long begin, end;
    pool_share(thread, n_threads, run->n_rows, &begin, &end);
    for (unsigned long row = begin; row < end; row++) run->job(run->userdata, (uint32_t)row);
}

void compute_rows(const struct Compute *compute, uint32_t n_rows, RowJob *job, void *userdata) {
    struct RowsRun run = {n_rows, job, userdata};
    if (n_rows > 1)
        pool_run(compute->pool, run_rows, &run);
    else
        run_rows(&run, 0, 1);
}
