#include "worker/bench.h"

#include <errno.h>
#include <glib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sysexits.h>

#include "engine/bench/inference.h"
#include "engine/bench/limits.h"
#include "engine/bench/machine.h"
#include "engine/bench/products.h"
#include "engine/limits.h"
#include "worker/bench-concurrency.h"
#include "worker/bench-load.h"
#include "worker/bench-model.h"
#include "worker/bench-report.h"
#include "worker/log.h"

/* Of a figure's time: what the limits take of each number of threads, and a product. */
#define LIMITS_SHARE 0.8
#define PRODUCT_SHARE 0.1

struct Bench {
    const struct BenchOptions *options;
    struct Report report;
    GArray *threads; /* unsigned */
    GArray *roofs;   /* struct Roof of each */
    double budget_sec;
};

/* What a suite does with one number of threads. */
struct Suite {
    const char *name;
    /* Of the machine alone; NULL: the suite is about models ... */
    int (*run)(struct Bench *self, unsigned n_threads, const struct Roof *roof);
    /* ... and does this with each. */
    int (*run_model)(struct Bench *self, const struct BenchModel *model, const char *name,
                     unsigned n_threads, const struct Roof *roof, Reason *why);
};

static int kernels_run(struct Bench *self, unsigned n_threads, const struct Roof *roof) {
    const struct ProductsOptions options = {self->budget_sec * PRODUCT_SHARE, *roof};
    Pool *pool;
    int r = pool_new(n_threads, &pool);
    if (r < 0) return r;
    r = bench_products(pool, &options, &self->report);
    pool_free(pool);
    return r;
}

static int inference_run(struct Bench *self, const struct BenchModel *model, const char *name,
                         unsigned n_threads, const struct Roof *roof, Reason *why) {
    const struct InferenceOptions options = {name, self->options->figures, self->budget_sec, *roof};
    Engine *engine;
    int r = bench_model_open(model, n_threads, &engine, why);
    if (r != 0) return r < 0 ? r : -ESTALE;
    r = bench_inference(engine, &options, &self->report);
    engine_free(engine);
    return r;
}

static int load_run(struct Bench *self, const struct BenchModel *model, const char *name,
                    unsigned n_threads, const struct Roof *roof, Reason *why) {
    const struct LoadOptions options = {name, self->budget_sec, n_threads, *roof};
    return bench_load(model, &options, &self->report, why);
}

static int concurrency_run(struct Bench *self, const struct BenchModel *model, const char *name,
                           unsigned n_threads, const struct Roof *roof, Reason *why) {
    const struct ConcurrencyOptions options = {name, self->budget_sec};
    Engine *engine;
    int r = bench_model_open(model, n_threads, &engine, why);
    if (r != 0) return r < 0 ? r : -ESTALE;
    r = bench_concurrency(engine, &options, &self->report);
    engine_free(engine);
    return r;
}

static const struct Suite suites[] = {
    {"kernels", kernels_run, NULL},
    {"inference", NULL, inference_run},
    {"load", NULL, load_run},
    {"concurrency", NULL, concurrency_run},
};

/* ---- Limits ---- */

static int roof_measure(struct Bench *self, unsigned n_threads) {
    struct Roof roof;
    Pool *pool;
    int r = pool_new(n_threads, &pool);
    if (r < 0) return r;
    r = bench_limits(pool, self->budget_sec * LIMITS_SHARE, &self->report, &roof);
    pool_free(pool);
    if (r == 0) g_array_append_val(self->roofs, roof);
    return r;
}

static int roofs_measure(struct Bench *self) {
    int r = 0;
    for (guint i = 0; r == 0 && i < self->threads->len; i++)
        r = roof_measure(self, g_array_index(self->threads, unsigned, i));
    return r;
}

/* ---- Suites ---- */

static bool is_wanted(const struct Bench *self, const struct Suite *suite) {
    return g_str_equal(self->options->suite, "all") ||
           g_str_equal(self->options->suite, suite->name);
}

static int machine_run(struct Bench *self) {
    int r = 0;
    for (gsize k = 0; k < G_N_ELEMENTS(suites); k++)
        for (guint i = 0;
             suites[k].run && is_wanted(self, &suites[k]) && r == 0 && i < self->threads->len; i++)
            r = suites[k].run(self, g_array_index(self->threads, unsigned, i),
                              &g_array_index(self->roofs, struct Roof, i));
    return r;
}

static int suites_run(struct Bench *self, const struct BenchModel *model, const char *name,
                      Reason *why) {
    int r = 0;
    for (gsize k = 0; k < G_N_ELEMENTS(suites); k++)
        for (guint i = 0;
             suites[k].run_model && is_wanted(self, &suites[k]) && r == 0 && i < self->threads->len;
             i++)
            r = suites[k].run_model(self, model, name, g_array_index(self->threads, unsigned, i),
                                    &g_array_index(self->roofs, struct Roof, i), why);
    return r;
}

static int model_run(struct Bench *self, const char *name, Reason *why) {
    const struct SyntheticOptions synthetic = {
        .shape = name,
        .weights = self->options->weights,
        .n_layers = self->options->n_layers,
        .n_vocab = self->options->n_vocab,
    };
    struct BenchModel model;
    int r = bench_model_make(&model, &synthetic, &self->report, why);
    if (r == 0) r = suites_run(self, &model, name, why);
    bench_model_done(&model);
    return r;
}

static int file_run(struct Bench *self, const char *path, Reason *why) {
    g_autofree char *name = g_path_get_basename(path);
    struct BenchModel model;
    int r = bench_model_take(&model, path, &self->report, why);
    if (r == 0) r = suites_run(self, &model, name, why);
    bench_model_done(&model);
    return r;
}

static bool has_models(const struct Bench *self) {
    bool has = false;
    for (gsize k = 0; k < G_N_ELEMENTS(suites); k++)
        has = has || (suites[k].run_model && is_wanted(self, &suites[k]));
    return has;
}

static int models_run(struct Bench *self, Reason *why) {
    const char *const *shapes = self->options->shapes, *name;
    const char *const standard[] = {BENCH_SHAPE, NULL};
    int r = 0;
    if (!has_models(self)) return 0;
    if (self->options->model) return file_run(self, self->options->model, why);
    if (!shapes || !shapes[0]) shapes = standard;
    for (; r == 0 && *shapes; shapes++) {
        if (!g_str_equal(*shapes, "all"))
            r = model_run(self, *shapes, why);
        else
            for (unsigned i = 0; r == 0 && (name = synthetic_shape_name(i)); i++)
                r = model_run(self, name, why);
    }
    return r;
}

/* ---- Options ---- */

static int threads_parse(const char *list, GArray *threads) {
    g_auto(GStrv) words = g_strsplit(list ? list : "0", ",", -1);
    for (char **word = words; *word; word++) {
        guint64 n;
        if (!g_ascii_string_to_unsigned(*word, 10, list ? 1 : 0, POOL_MAX_THREADS, &n, NULL))
            return -EINVAL;
        const unsigned n_threads = n > 0 ? (unsigned)n : machine_get()->n_cores;
        g_array_append_val(threads, n_threads);
    }
    return threads->len > 0 ? 0 : -EINVAL;
}

static bool suite_is_known(const char *name) {
    bool known = g_str_equal(name, "all");
    for (gsize k = 0; k < G_N_ELEMENTS(suites); k++)
        known = known || g_str_equal(name, suites[k].name);
    return known;
}

/* Before anything is measured. */
static int options_check(const struct BenchOptions *options, Reason *why) {
    if (!suite_is_known(options->suite))
        return reason_set(why, EINVAL, "there is no suite \"%s\"", options->suite);
    for (const char *const *shape = options->shapes; shape && *shape; shape++) {
        const struct SyntheticOptions synthetic = {
            .shape = *shape,
            .weights = options->weights,
            .n_layers = options->n_layers,
            .n_vocab = options->n_vocab,
        };
        uint32_t n_layers;
        uint64_t size;
        int r =
            g_str_equal(*shape, "all") ? 0 : synthetic_measure(&synthetic, &n_layers, &size, why);
        if (r < 0) return r;
    }
    return 0;
}

static int bench(struct Bench *self, Reason *why) {
    int r = options_check(self->options, why);
    if (r == 0 && threads_parse(self->options->threads, self->threads) < 0)
        r = reason_set(why, EINVAL, "threads are numbers from 1 to %u, with commas between them",
                       POOL_MAX_THREADS);
    if (r < 0) return r;
    bench_report_init(&self->report);
    bench_report_machine();
    r = roofs_measure(self);
    if (r == 0) r = machine_run(self);
    if (r == 0) r = models_run(self, why);
    if (r == 0) bench_report_done();
    return r;
}

int bench_run(const struct BenchOptions *options) {
    struct Bench self = {
        .options = options,
        .threads = g_array_new(FALSE, FALSE, sizeof(unsigned)),
        .roofs = g_array_new(FALSE, FALSE, sizeof(struct Roof)),
        .budget_sec = options->budget_sec > 0 ? options->budget_sec : BENCH_BUDGET_SEC,
    };
    Reason why = {""};
    int r = bench(&self, &why);
    g_array_unref(self.threads);
    g_array_unref(self.roofs);
    if (r < 0 && r != -ECANCELED)
        g_printerr("ryzen-llm-worker: %s\n", *why.text ? why.text : g_strerror(-r));
    return r == 0 ? EXIT_SUCCESS : r == -EINVAL ? EX_USAGE : EXIT_FAILURE;
}
