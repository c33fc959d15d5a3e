#include "engine/compute.h"

#include "engine/shares.h"

void compute_run(const struct Compute *compute, uint64_t cost, PoolJob *job, void *userdata) {
    if (compute->is_alone || cost < COMPUTE_MIN_COST) {
        job(userdata, 0, 1);
        return;
    }
    pool_settle(compute->pool);
    pool_run(compute->pool, job, userdata);
}

struct RowsRun {
    RowJob *job;
    void *userdata;
    struct Shares shares; /* of the rows */
};

static void run_rows(void *userdata, unsigned thread, unsigned n_threads) {
    struct RowsRun *run = userdata;
    struct SharesWalk walk = {thread, n_threads};
    unsigned long begin, end;
    while (shares_take(&run->shares, &walk, &begin, &end))
        for (unsigned long row = begin; row < end; row++) run->job(run->userdata, (uint32_t)row);
}

void compute_rows(const struct Compute *compute, uint32_t n_rows, uint64_t row_cost, RowJob *job,
                  void *userdata) {
    const unsigned n_threads = pool_n_threads(compute->pool);
    struct RowsRun run;
    run.job = job;
    run.userdata = userdata;
    shares_init(&run.shares, n_threads, n_rows, n_rows / n_threads);
    compute_run(compute, n_rows > 1 ? n_rows * row_cost : 0, run_rows, &run);
}
