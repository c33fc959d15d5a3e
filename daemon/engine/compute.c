#include "engine/compute.h"

void compute_run(const struct Compute *compute, uint64_t cost, PoolJob *job, void *userdata) {
    if (compute->is_alone || cost < COMPUTE_MIN_COST) {
        job(userdata, 0, 1);
        return;
    }
    pool_settle(compute->pool);
    pool_run(compute->pool, job, userdata);
}

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

void compute_rows(const struct Compute *compute, uint32_t n_rows, uint64_t row_cost, RowJob *job,
                  void *userdata) {
    struct RowsRun run = {n_rows, job, userdata};
    compute_run(compute, n_rows > 1 ? n_rows * row_cost : 0, run_rows, &run);
}
