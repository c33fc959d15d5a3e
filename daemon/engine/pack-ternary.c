#include "engine/pack-ternary.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/bench/samples.h"
#include "engine/huge-pages.h"

/* First the one that the others must beat. */
static const struct {
    const char *name;
    enum MatrixLayout layout;
} layouts[TERNARY_N_LAYOUTS] = {{"t2", MATRIX_T2}, {"t1.6", MATRIX_T1_6}, {"lut", MATRIX_LUT}};

/* What matrices are multiplied with. An answer comes a token a step, each of which reads all
 * weights, while a prompt's tokens share a step by the hundred: most steps, and most of the time
 * that someone waits for, have one vector. Drafts and several users at once make a few. */
static const struct Case {
    uint32_t n_vectors;
    uint32_t n_pieces; /* of the data, one of which is multiplied at a time: about a millisecond */
    double weight;
} cases[TERNARY_N_CASES] = {{1, 16, 0.7}, {8, 64, 0.2}, {64, 256, 0.1}};

/* Weights of a matrix that is worth a trial: a layer of such is not the model of a cache. */
#define TRIAL_WEIGHTS (1u << 20)
/* Bytes that are timed: enough for any cache but those of servers, and no more than a machine that
 * loads a model can spare. */
#define TRIAL_MIN_SIZE ((size_t)64 << 20)
#define TRIAL_MAX_SIZE ((size_t)320 << 20)
/* Turns of a case, in each of which every layout multiplies the piece that is next: whatever else
 * the machine does meets all of them, and the median is what a token will meet. */
#define MIN_TURNS 3u
#define MAX_TURNS 25u
/* After so many seconds a case has no more turns. */
#define CASE_SECONDS 0.035

const char *ternary_layout_name(unsigned i) {
    return layouts[i].name;
}

enum MatrixLayout ternary_layout(unsigned i) {
    return layouts[i].layout;
}

static bool is_forced(enum MatrixLayout *ret) {
    const char *word = getenv("RYZEN_LLM_TERNARY");
    for (unsigned i = 0; word && i < TERNARY_N_LAYOUTS; i++) {
        if (strcmp(word, layouts[i].name) != 0) continue;
        *ret = layouts[i].layout;
        return true;
    }
    return false;
}

/* ---- Choosing ---- */

double ternary_cost(const struct TernaryTrial *trial, unsigned i) {
    double cost = 0;
    for (unsigned k = 0; k < TERNARY_N_CASES; k++)
        cost += cases[k].weight * (trial->times[k][i] / trial->times[k][0]);
    return cost;
}

unsigned ternary_choose(const struct TernaryTrial *trial) {
    unsigned best = 0;
    double least = ternary_cost(trial, 0);
    for (unsigned i = 1; i < TERNARY_N_LAYOUTS; i++) {
        double cost = ternary_cost(trial, i);
        if (cost >= least) continue;
        best = i;
        least = cost;
    }
    return best;
}

/* ---- A trial ---- */

struct Race {
    struct Matrix matrix; /* a piece of the data */
    struct Activations x;
    char *data;
    size_t size, at; /* of the data; where the next piece begins */
    float *y;
};

static void race_job(void *userdata, unsigned thread, unsigned n_threads) {
    const struct Race *race = userdata;
    unsigned long begin, end;
    pool_share(thread, n_threads, matrix_n_tiles(race->matrix.n_rows), &begin, &end);
    kernels_best()->matmul[race->matrix.layout](&race->matrix, (uint32_t)begin, (uint32_t)end,
                                                &race->x, race->y, race->matrix.n_rows);
}

/* Every byte is some code in each layout. Who reads the memory touches it first. */
static void fill_job(void *userdata, unsigned thread, unsigned n_threads) {
    const struct Race *race = userdata;
    unsigned long begin, end;
    pool_share(thread, n_threads, race->size, &begin, &end);
    memset(race->data + begin, 0x55, end - begin);
}

/* Multiplies the next piece of the data. */
static double run_once(Pool *pool, struct Race *race, enum MatrixLayout layout) {
    struct Matrix *matrix = &race->matrix;
    const size_t size = matrix_n_tiles(matrix->n_rows) * matrix_tile_size(layout, matrix->n_cols);
    if (race->at + size > race->size) race->at = 0;
    matrix->layout = layout;
    matrix->data = race->data + race->at;
    race->at += size;
    const double start = bench_now();
    pool_run(pool, race_job, race);
    return bench_now() - start;
}

static void time_case(Pool *pool, struct Race *race, double times[TERNARY_N_LAYOUTS]) {
    struct Samples samples[TERNARY_N_LAYOUTS] = {0};
    const double start = bench_now();
    for (unsigned turn = 0; turn < MAX_TURNS; turn++) {
        if (turn >= MIN_TURNS && bench_now() - start > CASE_SECONDS) break;
        for (unsigned i = 0; i < TERNARY_N_LAYOUTS; i++)
            bench_sample(&samples[i], run_once(pool, race, layouts[i].layout));
    }
    for (unsigned i = 0; i < TERNARY_N_LAYOUTS; i++) times[i] = bench_quantile(&samples[i], 0.5);
}

static size_t trial_size(void) {
    long cache = sysconf(_SC_LEVEL3_CACHE_SIZE); /* 0 or -1: unknown */
    size_t size = cache > 0 ? 3 * (size_t)cache : TRIAL_MIN_SIZE;
    if (size < TRIAL_MIN_SIZE) return TRIAL_MIN_SIZE;
    return size < TRIAL_MAX_SIZE ? size : TRIAL_MAX_SIZE;
}

/* Of the layout that takes most. */
static size_t largest_tile(uint32_t n_cols) {
    size_t ret = 0;
    for (unsigned i = 0; i < TERNARY_N_LAYOUTS; i++) {
        size_t size = matrix_tile_size(layouts[i].layout, n_cols);
        if (size > ret) ret = size;
    }
    return ret;
}

static void time_all(Pool *pool, struct Race *race, struct TernaryTrial *trial) {
    const size_t n_tiles = race->size / largest_tile(trial->n_cols);
    pool_run(pool, fill_job, race);
    for (unsigned k = 0; k < TERNARY_N_CASES; k++) {
        race->matrix.n_rows = (uint32_t)(n_tiles / cases[k].n_pieces + 1) * TILE_ROWS;
        race->x.n_vectors = cases[k].n_vectors;
        time_case(pool, race, trial->times[k]);
    }
    trial->chosen = ternary_choose(trial);
}

/* Leaves what a trial without memory finds out: nothing. */
static void try(Pool *pool, struct TernaryTrial *trial) {
    enum { MAX_VECTORS = 64 };
    static const float scales[MAX_VECTORS];
    static const int32_t sums[MAX_VECTORS];
    const size_t tile_size = largest_tile(trial->n_cols), n_tiles = trial_size() / tile_size + 2;
    const size_t stride = (((size_t)trial->n_cols + 63) / 64 | 1) * 64; /* as input.c has it */
    int8_t *q = calloc(MAX_VECTORS, stride);
    /* no case has more results than there are rows in all, and a tile of each vector */
    float *y = calloc((n_tiles + 2 * MAX_VECTORS) * TILE_ROWS, sizeof *y);
    struct Race race = {
        .matrix = {.n_cols = trial->n_cols, .scale = 1},
        .x = {ACTIVATION_I8_TOKEN, 0, trial->n_cols, stride, NULL, q, scales, sums},
        .data = huge_allocate(n_tiles * tile_size),
        .size = n_tiles * tile_size,
        .y = y,
    };
    if (race.data && q && y) time_all(pool, &race, trial);
    if (race.data) munmap(race.data, race.size);
    free(y);
    free(q);
}

enum MatrixLayout pack_ternary(Pool *pool, struct TernaryTrials *trials, uint64_t n_rows,
                               uint32_t n_cols) {
    enum MatrixLayout forced;
    if (is_forced(&forced)) return forced;
    if (n_rows * n_cols < TRIAL_WEIGHTS || kernels_best() == kernels_tier(0)) return MATRIX_T2;
    for (unsigned i = 0; i < trials->n; i++)
        if (trials->trials[i].n_cols == n_cols) return layouts[trials->trials[i].chosen].layout;
    if (trials->n == TERNARY_MAX_TRIALS) return MATRIX_T2;
    struct TernaryTrial *trial = &trials->trials[trials->n++];
    *trial = (struct TernaryTrial){.n_cols = n_cols};
    try(pool, trial);
    return layouts[trial->chosen].layout;
}
