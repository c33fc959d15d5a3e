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
#include "worker/requantise-word.h"

/* Of a figure's time: what the limits take of each number of threads, and a product. */
#define LIMITS_SHARE 0.8
#define PRODUCT_SHARE 0.1

struct Bench {
    const struct BenchOptions *options;
    struct Report report;
    GPtrArray *shapes; /* names, NULL behind them */
    char **weights;    /* of each shape in turn; "": its own */
    GArray *threads;   /* unsigned */
    GArray *limits;    /* struct Limits of each */
    double budget_sec;
};

/* What a suite does with one number of threads. */
struct Suite {
    const char *name;
    /* Of the machine alone; NULL: the suite is about models ... */
    int (*run)(struct Bench *self, unsigned n_threads, struct Limits *limits);
    /* ... and does this with each. */
    int (*run_model)(struct Bench *self, const struct BenchModel *model, const char *name,
                     unsigned n_threads, struct Limits *limits, Reason *why);
};

static int kernels_run(struct Bench *self, unsigned n_threads, struct Limits *limits) {
    const struct ProductsOptions options = {(const char *const *)self->shapes->pdata,
                                            self->budget_sec * PRODUCT_SHARE, limits};
    Pool *pool;
    int r = pool_new(n_threads, &pool);
    if (r < 0) return r;
    r = bench_products(pool, &options, &self->report);
    pool_free(pool);
    return r;
}

static int inference_run(struct Bench *self, const struct BenchModel *model, const char *name,
                         unsigned n_threads, struct Limits *limits, Reason *why) {
    const struct InferenceOptions options = {name, self->options->figures, self->budget_sec,
                                             limits};
    Engine *engine;
    int r = bench_model_open(model, n_threads, &engine, why);
    if (r != 0) return r < 0 ? r : -ESTALE;
    r = bench_inference(engine, &options, &self->report);
    engine_free(engine);
    return r;
}

static int load_run(struct Bench *self, const struct BenchModel *model, const char *name,
                    unsigned n_threads, struct Limits *limits, Reason *why) {
    const struct LoadOptions options = {name, self->budget_sec, n_threads, limits};
    return bench_load(model, &options, &self->report, why);
}

static int concurrency_run(struct Bench *self, const struct BenchModel *model, const char *name,
                           unsigned n_threads, struct Limits *limits, Reason *why) {
    const struct ConcurrencyOptions options = {name, self->budget_sec};
    Engine *engine;
    int r = bench_model_open(model, n_threads, &engine, why);
    if (r != 0) return r < 0 ? r : -ESTALE;
    r = bench_concurrency(engine, &options, &self->report);
    engine_free(engine);
    return r;
}

enum { SUITE_KERNELS, SUITE_INFERENCE, SUITE_LOAD, SUITE_CONCURRENCY };

static const struct Suite suites[] = {
    [SUITE_KERNELS] = {"kernels", kernels_run, NULL},
    [SUITE_INFERENCE] = {"inference", NULL, inference_run},
    [SUITE_LOAD] = {"load", NULL, load_run},
    [SUITE_CONCURRENCY] = {"concurrency", NULL, concurrency_run},
};

/* ---- Limits ---- */

static int limits_measure(struct Bench *self, unsigned n_threads) {
    struct Limits limits;
    Pool *pool;
    int r = pool_new(n_threads, &pool);
    if (r < 0) return r;
    r = bench_limits(pool, self->budget_sec * LIMITS_SHARE, &self->report, &limits);
    pool_free(pool);
    if (r == 0) g_array_append_val(self->limits, limits);
    return r;
}

static int all_limits_measure(struct Bench *self) {
    int r = 0;
    for (guint i = 0; r == 0 && i < self->threads->len; i++)
        r = limits_measure(self, g_array_index(self->threads, unsigned, i));
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
                              &g_array_index(self->limits, struct Limits, i));
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
                                    &g_array_index(self->limits, struct Limits, i), why);
    return r;
}

/* What `weights` means: "q8" and "q4" are made when packing, as --weights of an installation does.
 */
static struct SyntheticOptions model_options(const struct Bench *self, const char *shape,
                                             const char *weights,
                                             struct BenchModelOptions *ret_more) {
    enum Requantise requantise;
    const bool is_packed = weights && requantise_parse(weights, &requantise);
    *ret_more = (struct BenchModelOptions){
        .requantise = is_packed ? weights : NULL,
        .copies = is_wanted(self, &suites[SUITE_LOAD]),
    };
    return (struct SyntheticOptions){
        .shape = shape,
        .weights = is_packed ? NULL : weights,
        .n_layers = self->options->n_layers,
        .n_vocab = self->options->n_vocab,
    };
}

static int model_run(struct Bench *self, const char *shape, const char *weights, Reason *why) {
    struct BenchModelOptions more;
    const struct SyntheticOptions synthetic = model_options(self, shape, weights, &more);
    struct BenchModel model;
    bench_report_model(shape);
    int r = bench_model_make(&model, &synthetic, &more, &self->report, why);
    if (r == 0) r = suites_run(self, &model, shape, why);
    bench_model_done(&model);
    return r;
}

static int file_run(struct Bench *self, const char *path, const char *weights, Reason *why) {
    g_autofree char *name = g_path_get_basename(path);
    struct BenchModelOptions more;
    struct BenchModel model;
    model_options(self, NULL, weights, &more);
    bench_report_model(name);
    int r = bench_model_take(&model, path, &more, &self->report, why);
    if (r == 0) r = suites_run(self, &model, name, why);
    bench_report_model("");
    bench_model_done(&model);
    return r;
}

static bool has_models(const struct Bench *self) {
    bool has = false;
    for (gsize k = 0; k < G_N_ELEMENTS(suites); k++)
        has = has || (suites[k].run_model && is_wanted(self, &suites[k]));
    return has;
}

static int shape_run(struct Bench *self, const char *shape, Reason *why) {
    int r = 0;
    for (char **weights = self->weights; r == 0 && *weights; weights++)
        r = model_run(self, shape, **weights ? *weights : NULL, why);
    return r;
}

static int models_run(struct Bench *self, Reason *why) {
    int r = 0;
    if (!has_models(self)) return 0;
    if (self->options->model) return file_run(self, self->options->model, *self->weights, why);
    for (const char *const *shape = (const char *const *)self->shapes->pdata; r == 0 && *shape;
         shape++)
        r = shape_run(self, *shape, why);
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

/* Names, and NULL behind the last. */
static void shapes_list(struct Bench *self) {
    static const char *const standard[] = {BENCH_SHAPE, NULL};
    const char *const *shapes = self->options->shapes;
    const char *name;
    if (!shapes || !*shapes) shapes = standard;
    for (; *shapes; shapes++) {
        const bool is_all = g_str_equal(*shapes, "all");
        if (!is_all) g_ptr_array_add(self->shapes, (gpointer)*shapes);
        for (unsigned i = 0; is_all && (name = synthetic_shape_name(i)); i++)
            g_ptr_array_add(self->shapes, (gpointer)name);
    }
    g_ptr_array_add(self->shapes, NULL);
}

static int shape_check(const struct Bench *self, const char *shape, Reason *why) {
    int r = 0;
    for (char **weights = self->weights; r == 0 && *weights; weights++) {
        struct BenchModelOptions more;
        const struct SyntheticOptions synthetic =
            model_options(self, shape, **weights ? *weights : NULL, &more);
        uint32_t n_layers;
        uint64_t size;
        r = synthetic_measure(&synthetic, &n_layers, &size, why);
    }
    return r;
}

/* A packed model, or a file, has the weights that it has. */
static int model_check(const struct Bench *self, Reason *why) {
    enum Requantise requantise;
    const char *weights = self->options->weights;
    if (weights && self->options->model && !requantise_parse(weights, &requantise))
        return reason_set(why, EINVAL, "--weights of a --model is file, q8 or q4");
    return 0;
}

/* Before anything is measured. */
static int options_check(const struct Bench *self, Reason *why) {
    if (!suite_is_known(self->options->suite))
        return reason_set(why, EINVAL, "there is no suite \"%s\"", self->options->suite);
    int r = model_check(self, why);
    for (guint i = 0; r == 0 && i + 1 < self->shapes->len; i++)
        r = shape_check(self, self->shapes->pdata[i], why);
    return r;
}

static int bench(struct Bench *self, Reason *why) {
    int r = options_check(self, why);
    if (r == 0 && threads_parse(self->options->threads, self->threads) < 0)
        r = reason_set(why, EINVAL, "threads are numbers from 1 to %u, with commas between them",
                       POOL_MAX_THREADS);
    if (r < 0) return r;
    bench_report_init(&self->report);
    bench_report_machine();
    r = all_limits_measure(self);
    if (r == 0) r = machine_run(self);
    if (r == 0) r = models_run(self, why);
    if (r == 0) bench_report_done();
    return r;
}

int bench_run(const struct BenchOptions *options) {
    struct Bench self = {
        .options = options,
        .shapes = g_ptr_array_new(),
        .weights = options->weights ? g_strsplit(options->weights, ",", -1)
                                    : g_strdupv((char *[]){"", NULL}),
        .threads = g_array_new(FALSE, FALSE, sizeof(unsigned)),
        .limits = g_array_new(FALSE, FALSE, sizeof(struct Limits)),
        .budget_sec = options->budget_sec > 0 ? options->budget_sec : BENCH_BUDGET_SEC,
    };
    Reason why = {""};
    shapes_list(&self);
    int r = bench(&self, &why);
    g_ptr_array_unref(self.shapes);
    g_strfreev(self.weights);
    g_array_unref(self.threads);
    g_array_unref(self.limits);
    if (r < 0 && r != -ECANCELED)
        g_printerr("ryzen-llm-worker: %s\n", *why.text ? why.text : g_strerror(-r));
    return r == 0 ? EXIT_SUCCESS : r == -EINVAL ? EX_USAGE : EXIT_FAILURE;
}
