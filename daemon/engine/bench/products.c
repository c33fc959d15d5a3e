#include "engine/bench/products.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "engine/bench/filling.h"
#include "engine/bench/machine.h"
#include "engine/bench/yardstick.h"
#include "engine/huge-pages.h"
#include "engine/input.h"
#include "engine/synthetic/synthetic.h"

static const uint32_t vectors[] = {1, 2, 4, 8, 64, 512};
#define N_VECTORS (sizeof vectors / sizeof *vectors)
#define MAX_VECTORS 512u

/* A figure is measured in so many turns, with those of other vectors between them. */
#define N_TURNS 4
/* Empty runs that are timed together. */
#define N_RUNS 100u

struct Products {
    const struct ProductsOptions *options;
    const struct Report *report;
    struct Compute compute;
    struct Input input;
    struct Rows y;
    const char *shape;
    uint32_t n_rows, n_cols;
    enum MatrixLayout layout;
    void *data; /* n_copies matrices */
    size_t size;
    unsigned n_copies, next;
    struct Yardstick yardstick;
    struct Samples samples[N_VECTORS];
    struct Marks marks[N_VECTORS];
    unsigned n_shapes, done; /* done: turns */
};

static size_t matrix_bytes(const struct Products *self) {
    return matrix_size(self->layout, self->n_rows, self->n_cols);
}

static unsigned copies_count(const struct Products *self) {
    const uint64_t wanted = machine_uncached_bytes(pool_n_threads(self->compute.pool));
    return (unsigned)(wanted / matrix_bytes(self)) + 1;
}

static int matrices_make(struct Products *self) {
    self->n_copies = copies_count(self);
    self->size = self->n_copies * matrix_bytes(self);
    self->data = huge_allocate(self->size);
    if (!self->data) return -ENOMEM;
    return filling_make(self->layout, self->n_rows, self->n_cols, self->n_copies, self->data);
}

static void input_fill(struct Products *self, uint32_t n_vectors, Forms forms) {
    const uint32_t n_cols = self->n_cols;
    input_begin(&self->input, n_vectors, n_cols);
    for (uint32_t i = 0; i < n_vectors; i++) {
        float *row = input_row(&self->input, i);
        for (uint32_t k = 0; k < n_cols; k++) row[k] = (float)((i + k * 37) % 255) / 127 - 1;
        input_seal(&self->input, self->compute.kernels, i, forms);
    }
}

static double multiply_once(struct Products *self) {
    const struct Matrix matrix = {
        .layout = self->layout,
        .n_rows = self->n_rows,
        .n_cols = self->n_cols,
        .scale = 1,
        .data = (const char *)self->data + self->next * matrix_bytes(self),
    };
    const struct Product product = {&matrix, &self->y, NULL};
    self->next = (self->next + 1) % self->n_copies;
    const double start = bench_now();
    input_multiply(&self->input, &self->compute, &product, 1);
    return bench_now() - start;
}

static struct Work product_work(const struct Products *self, unsigned i) {
    const double operations = 2.0 * self->n_rows * self->n_cols * vectors[i];
    const bool is_float = matrix_activation_form(self->layout) == ACTIVATION_F32;
    return (struct Work){(double)matrix_bytes(self), is_float ? 0 : operations,
                         is_float ? operations : 0};
}

/* Products until the next turn of the yardstick, one that counts at least. */
static void slice(struct Products *self, struct Samples *samples, double seconds) {
    const double end = bench_now() + seconds;
    double took = multiply_once(self);
    if (took < YARDSTICK_WARM_SEC) took = multiply_once(self);
    bench_sample(samples, took);
    while (bench_now() < end) bench_sample(samples, multiply_once(self));
}

static void turn(struct Products *self, unsigned i) {
    const struct Matrix matrix = {.layout = self->layout};
    const struct Work work = product_work(self, i);
    const double end = self->samples[i].total + self->options->budget_sec / N_TURNS;
    Pool *pool = self->compute.pool;
    if (self->samples[i].total >= self->options->budget_sec) return;
    input_fill(self, vectors[i], form_of(&matrix));
    while (self->samples[i].total < end) {
        yardstick_turn(&self->yardstick, pool, &work, &self->marks[i]);
        slice(self, &self->samples[i], fmin(YARDSTICK_SLICE_SEC, end - self->samples[i].total));
    }
}

static void figure_tell(struct Products *self, unsigned i) {
    struct Figure figure = {
        .suite = "kernels",
        .weights = filling_name(self->layout),
        .name = "product",
        .n = vectors[i],
        .n_threads = pool_n_threads(self->compute.pool),
        .samples = &self->samples[i],
        .work = product_work(self, i),
        .roof = yardstick_roof(&self->yardstick, &self->marks[i]),
    };
    char model[80];
    snprintf(model, sizeof model, "%.40s %u×%u", self->shape, self->n_rows, self->n_cols);
    figure.model = model;
    const bool is_memory = roof_memory_seconds(&figure.roof, &figure.work) >
                           roof_compute_seconds(&figure.roof, &figure.work);
    figure.unit = is_memory ? "GB/s" : "GOPS";
    figure.value =
        (is_memory ? figure.work.bytes : figure.work.i8_operations + figure.work.f32_operations) *
        1e-9 / bench_quantile(figure.samples, 0.5);
    self->report->figure(self->report->userdata, &figure);
}

static int layout_measure(struct Products *self) {
    const double total = (double)self->n_shapes * N_MATRIX_LAYOUTS * N_TURNS;
    for (unsigned i = 0; i < N_VECTORS; i++) {
        self->samples[i] = (struct Samples){.n = 0};
        self->marks[i] = (struct Marks){.bytes.n = 0};
    }
    for (unsigned k = 0; k < N_TURNS; k++) {
        for (unsigned i = 0; i < N_VECTORS; i++) turn(self, i);
        if (report_progress(self->report, "kernels", self->done++, total)) return -ECANCELED;
    }
    yardstick_tell(&self->yardstick, self->report);
    for (unsigned i = 0; i < N_VECTORS; i++) figure_tell(self, i);
    return 0;
}

static int shape_measure(struct Products *self) {
    const Forms forms = (1u << N_ACTIVATION_FORMS) - 1;
    int r = input_init(&self->input, forms, MAX_VECTORS, self->n_cols);
    if (r == 0) r = rows_init(&self->y, MAX_VECTORS, self->n_rows);
    for (unsigned i = 0; r == 0 && i < N_MATRIX_LAYOUTS; i++) {
        self->layout = (enum MatrixLayout)i;
        self->next = 0;
        r = matrices_make(self);
        if (r == 0) r = layout_measure(self);
        if (self->data) munmap(self->data, self->size);
    }
    input_done(&self->input);
    rows_done(&self->y);
    return r;
}

static void nothing(void *userdata, unsigned thread, unsigned n_threads) {}

/* What it costs to set all threads to work and to wait for them, a few times in each layer. */
static void barrier_measure(Pool *pool, const struct ProductsOptions *options,
                            const struct Report *report) {
    static struct Samples samples;
    const double end = bench_now() + options->budget_sec;
    samples = (struct Samples){.n = 0};
    do {
        const double start = bench_now();
        for (unsigned i = 0; i < N_RUNS; i++) pool_run(pool, nothing, NULL);
        bench_sample(&samples, (bench_now() - start) / N_RUNS);
    } while (bench_now() < end);
    const struct Figure figure = {
        .suite = "kernels",
        .model = "",
        .weights = "",
        .name = "barrier",
        .n = pool_n_threads(pool),
        .n_threads = pool_n_threads(pool),
        .samples = &samples,
        .value = bench_quantile(&samples, 0.5) * 1e6,
        .unit = "µs",
    };
    report->figure(report->userdata, &figure);
}

int bench_products(Pool *pool, const struct ProductsOptions *options, const struct Report *report) {
    struct Products *self = calloc(1, sizeof *self);
    if (!self) return -ENOMEM;
    self->options = options;
    self->report = report;
    self->compute = (struct Compute){kernels_best(), pool, MAX_VECTORS, false};
    while (options->shapes[self->n_shapes]) self->n_shapes++;
    pool_settle(pool);
    if (pool_n_threads(pool) > 1) barrier_measure(pool, options, report);
    int r = yardstick_init(&self->yardstick, pool, options->limits);
    for (unsigned i = 0; r == 0 && i < self->n_shapes; i++) {
        self->shape = options->shapes[i];
        r = synthetic_largest_matrix(self->shape, &self->n_rows, &self->n_cols);
        if (r == 0) r = shape_measure(self);
    }
    yardstick_done(&self->yardstick);
    free(self);
    return r;
}
