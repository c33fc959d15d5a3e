/* How fast the matrix products are, and how far from what the machine can do. */
#include <stdio.h>
#include <string.h>

#include "tests/kernels/check.h"
#include "tests/kernels/peaks.h"
#include "tests/kernels/problem.h"

static const struct LayoutBench {
    const char *name;
    enum MatrixLayout layout;
    uint32_t rows; /* of 4096 columns: 64 MiB, more than an L3 */
} layouts[] = {
    {"T2", MATRIX_T2, 65536},  {"T1_6", MATRIX_T1_6, 81920}, {"LUT", MATRIX_LUT, 76800},
    {"I8", MATRIX_I8, 16384},  {"I4", MATRIX_I4, 32768},     {"F16", MATRIX_F16, 8192},
    {"F32", MATRIX_F32, 4096},
};

/* Shapes of a transformer of 7B and of BitNet 2B4T. */
static const struct Shape {
    uint32_t rows, columns;
} shapes[] = {{4096, 4096}, {11008, 4096}, {4096, 11008}, {2560, 6912}};

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static double read_peak;

struct Speed {
    double time, bytes, operations, peak;
};

/* All tiles are copies of one. */
static struct Problem prepare(enum MatrixLayout layout, const struct Shape *shape,
                              uint32_t n_vectors) {
    struct Problem p = problem_new(layout, FILL_RANDOM, TILE_ROWS, shape->columns, n_vectors);
    size_t tile_size = matrix_tile_size(layout, shape->columns);
    char *data = guarded_aligned(SLOT_F, shape->rows / TILE_ROWS * tile_size);

    for (size_t i = 0; i < shape->rows / TILE_ROWS; i++)
        memcpy(data + i * tile_size, p.matrix.data, tile_size);
    p.matrix.n_rows = shape->rows;
    p.matrix.data = data;
    return p;
}

/* The best of some runs: others' work only adds. */
static double best_time(const struct Kernels *tier, const struct Problem *p) {
    enum { MIN_RUNS = 3, MAX_RUNS = 15 };
    const uint32_t stride = p->matrix.n_rows, n_tiles = matrix_n_tiles(stride);
    float *y = guarded(SLOT_E, (size_t)stride * p->x.n_vectors * sizeof *y);
    double best = 1e9, all = 0;

    for (unsigned i = 0; i < MIN_RUNS || (i < MAX_RUNS && all < 0.5); i++) {
        double start = thread_time();
        tier->matmul[p->matrix.layout](&p->matrix, 0, n_tiles, &p->x, y, stride);
        double time = thread_time() - start;
        if (time < best) best = time;
        all += time;
    }
    return best;
}

static void print_speed(const char *name, const struct Kernels *tier, const struct Speed *s) {
    double rate = s->bytes / s->time / 1e9, operations = s->operations / s->time / 1e9;
    printf("%-34s %-8s %10.1f us %8.2f GB/s %5.1f %% %9.2f GOPS %5.1f %%\n", name, tier->tier,
           s->time * 1e6, rate, 100 * rate / read_peak, operations, 100 * operations / s->peak);
    fflush(stdout);
}

/* Peaks are measured beside each row, because processors change their pace. */
static void bench_shape(const struct LayoutBench *bench, const struct Shape *shape,
                        uint32_t n_vectors, const char *only) {
    const double n = (double)shape->rows * shape->columns;
    const struct Kernels *tier;
    char name[64];

    snprintf(name, sizeof name, "matmul[%s] %ux%u x%u", bench->name, shape->rows, shape->columns,
             n_vectors);
    if (only && !strstr(name, only)) return;
    struct Problem p = prepare(bench->layout, shape, n_vectors);
    for (unsigned i = 1; (tier = kernels_tier(i)); i++) {
        struct Speed speed = {best_time(tier, &p), 0, 2 * n * n_vectors, 0};
        speed.bytes = (double)matrix_size(bench->layout, shape->rows, shape->columns);
        speed.peak = p.x.form == ACTIVATION_F32 ? peak_float(tier) : peak_int8(tier);
        print_speed(name, tier, &speed);
    }
}

void bench_matmul(const char *only) {
    static const uint32_t few[] = {1, 2, 3, 4, 6, 8}, many[] = {16, 64, 512};
    read_peak = peak_read();
    if (!only || strstr("matmul", only) || strstr(only, "matmul"))
        printf("%-34s %-8s %10s    %8.2f GB/s\n", "read", "", "", read_peak);
    for (size_t i = 0; i < LENGTH(layouts); i++) {
        const struct Shape large = {layouts[i].rows, 4096};
        for (size_t k = 0; k < LENGTH(few); k++) bench_shape(&layouts[i], &large, few[k], only);
        for (size_t k = 0; k < LENGTH(many); k++)
            bench_shape(&layouts[i], &shapes[0], many[k], only);
        for (size_t k = 1; k < LENGTH(shapes); k++) bench_shape(&layouts[i], &shapes[k], 512, only);
    }
}
