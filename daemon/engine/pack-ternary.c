#include "engine/pack-ternary.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* Weights of a matrix that is worth a trial: a layer of such is not the model of a cache. */
#define TRIAL_WEIGHTS (1u << 20)
/* Bytes that both are timed on: enough for any cache but those of servers, and no more than a
 * machine that loads a model can spare. */
#define TRIAL_MIN_SIZE ((size_t)64 << 20)
#define TRIAL_MAX_SIZE ((size_t)320 << 20)
/* Of each, in turns; the fastest counts. */
#define TRIAL_RUNS 6
/* What has to be gained: large batches lose some of it. */
#define TRIAL_GAIN 1.03

static bool is_forced(enum MatrixLayout *ret) {
    const char *word = getenv("RYZEN_LLM_TERNARY");
    if (!word || (strcmp(word, "t2") != 0 && strcmp(word, "t1.6") != 0)) return false;
    *ret = strcmp(word, "t2") == 0 ? MATRIX_T2 : MATRIX_T1_6;
    return true;
}

/* ---- A trial ---- */

struct Race {
    struct Matrix matrix;
    struct Activations x;
    float *y;
};

static void race_job(void *userdata, unsigned thread, unsigned n_threads) {
    const struct Race *race = userdata;
    unsigned long begin, end;
    pool_share(thread, n_threads, matrix_n_tiles(race->matrix.n_rows), &begin, &end);
    kernels_best()->matmul[race->matrix.layout](&race->matrix, (uint32_t)begin, (uint32_t)end,
                                                &race->x, race->y, race->matrix.n_rows);
}

static double run_once(Pool *pool, struct Race *race, enum MatrixLayout layout) {
    struct timespec start, end;
    race->matrix.layout = layout;
    clock_gettime(CLOCK_MONOTONIC, &start);
    pool_run(pool, race_job, race);
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
}

static enum MatrixLayout faster(Pool *pool, struct Race *race) {
    static const enum MatrixLayout layouts[] = {MATRIX_T2, MATRIX_T1_6};
    double best[2] = {0, 0};
    for (unsigned i = 0; i < 2 * TRIAL_RUNS; i++) {
        double time = run_once(pool, race, layouts[i % 2]);
        if (i < 2 || time < best[i % 2]) best[i % 2] = time;
    }
    return best[0] > best[1] * TRIAL_GAIN ? MATRIX_T1_6 : MATRIX_T2;
}

static size_t trial_size(void) {
    long cache = sysconf(_SC_LEVEL3_CACHE_SIZE); /* 0 or -1: unknown */
    size_t size = cache > 0 ? 3 * (size_t)cache : TRIAL_MIN_SIZE;
    if (size < TRIAL_MIN_SIZE) return TRIAL_MIN_SIZE;
    return size < TRIAL_MAX_SIZE ? size : TRIAL_MAX_SIZE;
}

/* Both layouts read the same bytes, every one of which is some code in either. */
static enum MatrixLayout try(Pool *pool, uint32_t n_cols) {
    const size_t tile_size = matrix_tile_size(MATRIX_T2, n_cols);
    const uint32_t n_rows = (uint32_t)(trial_size() / tile_size + 1) * TILE_ROWS;
    const size_t size = matrix_size(MATRIX_T2, n_rows, n_cols);
    const size_t stride = ((size_t)n_cols + I8_BLOCK - 1) / I8_BLOCK * I8_BLOCK;
    enum MatrixLayout ret = MATRIX_T2;
    const float scale = 1;
    const int32_t sum = 0;
    int8_t *q = calloc(1, stride);
    float *y = calloc(n_rows, sizeof *y);
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data != MAP_FAILED && q && y) {
        struct Race race = {
            .matrix = {MATRIX_T2, n_rows, n_cols, 1, data},
            .x = {ACTIVATION_I8_TOKEN, 1, n_cols, stride, NULL, q, &scale, &sum},
            .y = y,
        };
        madvise(data, size, MADV_HUGEPAGE);
        memset(data, 0x55, size);
        ret = faster(pool, &race);
    }
    if (data != MAP_FAILED) munmap(data, size);
    free(y);
    free(q);
    return ret;
}

enum MatrixLayout pack_ternary(Pool *pool, struct TernaryTrials *trials, uint64_t n_rows,
                               uint32_t n_cols) {
    enum MatrixLayout layout;
    if (is_forced(&layout)) return layout;
    if (n_rows * n_cols < TRIAL_WEIGHTS) return MATRIX_T2;
    for (unsigned i = 0; i < trials->n; i++)
        if (trials->trials[i].n_cols == n_cols) return trials->trials[i].layout;
    if (trials->n == TERNARY_MAX_TRIALS) return MATRIX_T2;
    layout = try(pool, n_cols);
    trials->trials[trials->n++] = (struct TernaryTrial){n_cols, layout};
    return layout;
}
