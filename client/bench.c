/* ryzen-llm bench: how fast answers come, measured from outside, as every other program gets them;
 * or, of --suite, how fast models and kernels are (client/suite.h).
 */
#include <glib/gi18n.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/arguments.h"
#include "client/export.h"
#include "client/failure.h"
#include "client/interrupt.h"
#include "client/model.h"
#include "client/output.h"
#include "client/progress.h"
#include "client/request.h"
#include "client/samples.h"
#include "client/suite.h"
#include "client/workload.h"

#define CONCURRENCY_MAX 256

enum { METRIC_FIRST, METRIC_PROMPT, METRIC_DECODE, METRIC_TOTAL, N_METRICS };

/* Decode goes by the service's clock: a program that wakes up late reads many tokens at once, and
 * by its own clock they would have taken no time. */
static const struct {
    const char *key, *label, *unit;
} metrics[] = {
    /* from the call to the first text, this program's clock */
    [METRIC_FIRST] = {"time_to_first_token", N_("Time to first token"), "ms"},
    /* prompt tokens that were not recycled, the service's clock */
    [METRIC_PROMPT] = {"prompt", N_("Prompt"), "tokens/s"},
    /* tokens after the first of one request, the service's clock */
    [METRIC_DECODE] = {"decode", N_("Decode"), "tokens/s"},
    /* answer tokens of all parallel requests, by the time from the first call to the last end, this
     * program's clock */
    [METRIC_TOTAL] = {"total", N_("All requests"), "tokens/s"},
};

typedef struct Bench Bench;

enum { WORD_SUITE, WORD_THREADS, WORD_WEIGHTS, WORD_BUDGET, WORD_OUTPUT, WORD_PLOT, N_SUITE_WORDS };

/* One request of the ones that run at the same time. */
struct Run {
    Bench *bench;
    char *prompt;
    Request *request;
    gint64 start_usec, first_usec, end_usec;
};

struct Bench {
    char *model_name;
    char *draft, *export_path;
    struct SuiteOptions suite;
    char *suite_words[N_SUITE_WORDS]; /* of its options */
    int n_prompt_tokens, n_tokens, n_repeats, n_parallel;
    gboolean json;
    Model model;
    Connection *connection;
    GMainLoop *loop;
    Progress *progress;
    struct Run *runs; /* n_parallel */
    int n_running;
    Samples samples[N_METRICS];
    Samples prompt_tokens, cached_tokens, completion_tokens;
    uint64_t n_drafted, n_accepted; /* of all rounds that count */
};

static void runs_clear(Bench *bench) {
    for (int i = 0; bench->runs && i < bench->n_parallel; i++) {
        request_free(bench->runs[i].request);
        g_free(bench->runs[i].prompt);
        bench->runs[i] = (struct Run){.bench = bench};
    }
}

static void bench_init(Bench *bench) {
    *bench = (Bench){.n_prompt_tokens = 128, .n_tokens = 64, .n_repeats = 5, .n_parallel = 1};
    bench->loop = g_main_loop_new(NULL, FALSE);
    bench->progress = progress_new();
    for (size_t i = 0; i < N_METRICS; i++) samples_init(&bench->samples[i]);
    samples_init(&bench->prompt_tokens);
    samples_init(&bench->cached_tokens);
    samples_init(&bench->completion_tokens);
}

static void bench_done(Bench *bench) {
    runs_clear(bench);
    g_free(bench->runs);
    for (size_t i = 0; i < N_METRICS; i++) samples_done(&bench->samples[i]);
    samples_done(&bench->prompt_tokens);
    samples_done(&bench->cached_tokens);
    samples_done(&bench->completion_tokens);
    progress_free(bench->progress);
    g_main_loop_unref(bench->loop);
    model_done(&bench->model);
    connection_close(bench->connection);
    g_free(bench->model_name);
    g_free(bench->draft);
    g_free(bench->export_path);
    g_strfreev(bench->suite.shapes);
    for (size_t i = 0; i < N_SUITE_WORDS; i++) g_free(bench->suite_words[i]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Bench, bench_done)

static void run_event(const struct Event *event, void *userdata) {
    struct Run *run = userdata;
    if (event->type == EVENT_DELTA && !run->first_usec) run->first_usec = g_get_monotonic_time();
}

static void run_ended(Request *request, void *userdata) {
    struct Run *run = userdata;
    run->end_usec = g_get_monotonic_time();
    if (--run->bench->n_running == 0) g_main_loop_quit(run->bench->loop);
}

static const struct RequestHandlers handlers = {run_event, run_ended};

static void bench_interrupted(void *userdata) {
    Bench *bench = userdata;
    for (int i = 0; i < bench->n_parallel; i++)
        if (bench->runs[i].request) request_cancel(bench->runs[i].request);
}

static void run_start(struct Run *run) {
    Bench *bench = run->bench;
    struct GenerateOptions options;
    options_init(&options);
    options_set_number(&options, "max_tokens", bench->n_tokens);
    options_set_number(&options, "temperature", 0);
    options_set_number(&options, "ignore_eos", 1);
    options_set_seed(&options, 1);
    if (bench->draft) options_set_text(&options, "draft", bench->draft);

    sd_bus_message *call = connection_manager(bench->connection, "Generate");
    sd_bus_message_append(call, "ss", bench->model.name, run->prompt);
    options_append(call, &options);
    options_done(&options);
    run->start_usec = g_get_monotonic_time();
    run->request = request_new(bench->connection, call, &handlers, run);
}

static void speed_add(Samples *samples, double n_tokens, double msec) {
    if (n_tokens > 0 && msec > 0) samples_add(samples, n_tokens * 1e3 / msec);
}

static void run_measure(Bench *bench, const struct Run *run) {
    const struct Outcome *outcome = request_outcome(run->request);
    const struct Usage *usage = &outcome->usage;
    double n_prompt = (double)usage->prompt_tokens, n_cached = (double)usage->cached_tokens,
           n_answer = (double)usage->completion_tokens;

    samples_add(&bench->prompt_tokens, n_prompt);
    samples_add(&bench->cached_tokens, n_cached);
    samples_add(&bench->completion_tokens, n_answer);
    bench->n_drafted += usage->drafted_tokens;
    bench->n_accepted += usage->accepted_tokens;
    speed_add(&bench->samples[METRIC_PROMPT], n_prompt - n_cached, outcome->timings.prompt_ms);
    speed_add(&bench->samples[METRIC_DECODE], n_answer - 1, outcome->timings.generate_ms);
    if (run->first_usec)
        samples_add(&bench->samples[METRIC_FIRST],
                    (double)(run->first_usec - run->start_usec) / 1e3);
}

/* All of a round, which have ended well. */
static void round_measure(Bench *bench) {
    gint64 start = G_MAXINT64, end = 0;
    double n_tokens = 0;
    for (int i = 0; i < bench->n_parallel; i++) {
        const struct Run *run = &bench->runs[i];
        run_measure(bench, run);
        start = MIN(start, run->start_usec);
        end = MAX(end, run->end_usec);
        n_tokens += (double)request_outcome(run->request)->usage.completion_tokens;
    }
    if (end > start)
        samples_add(&bench->samples[METRIC_TOTAL], n_tokens * 1e6 / (double)(end - start));
}

static int round_check(Bench *bench) {
    for (int i = 0; i < bench->n_parallel; i++) {
        const struct Outcome *outcome = request_outcome(bench->runs[i].request);
        if (*outcome->error_name) return failure_named(outcome->error_name, outcome->error_message);
        if (g_str_equal(outcome->finish_reason, "cancelled"))
            return failure(_("The request was cancelled."));
    }
    return EXIT_SUCCESS;
}

/* Prompts are made before the clock starts. */
static int round_run(Bench *bench) {
    runs_clear(bench);
    for (int i = 0; i < bench->n_parallel; i++)
        if (workload_prompt(bench->connection, bench->model.name, (unsigned)bench->n_prompt_tokens,
                            &bench->runs[i].prompt) < 0)
            return EXIT_FAILURE;

    g_autoptr(Interrupt) interrupt = interrupt_new(bench_interrupted, bench);
    bench->n_running = bench->n_parallel;
    for (int i = 0; i < bench->n_parallel; i++) run_start(&bench->runs[i]);
    g_main_loop_run(bench->loop);
    if (interrupt_happened(interrupt)) return EXIT_INTERRUPTED;
    return round_check(bench);
}

static int rounds_run(Bench *bench) {
    /* The first round loads the model and warms the caches; it is not counted. */
    for (int round = 0; round <= bench->n_repeats; round++) {
        progress_update(bench->progress, round ? _("Measuring") : _("Warming up"), (guint64)round,
                        (guint64)bench->n_repeats + 1);
        int code = round_run(bench);
        if (code != EXIT_SUCCESS) return code;
        if (round > 0) round_measure(bench);
    }
    return EXIT_SUCCESS;
}

static void number_json(JsonBuilder *builder, const char *name, double value) {
    json_builder_set_member_name(builder, name);
    if (isnan(value))
        json_builder_add_null_value(builder);
    else
        json_builder_add_double_value(builder, value);
}

static void count_json(JsonBuilder *builder, const char *name, int64_t value) {
    json_builder_set_member_name(builder, name);
    json_builder_add_int_value(builder, value);
}

static void metric_json(JsonBuilder *builder, size_t i, Samples *samples) {
    json_builder_set_member_name(builder, metrics[i].key);
    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "unit");
    json_builder_add_string_value(builder, metrics[i].unit);
    number_json(builder, "median", samples_quantile(samples, 0.5));
    number_json(builder, "minimum", samples_quantile(samples, 0));
    number_json(builder, "maximum", samples_quantile(samples, 1));
    json_builder_end_object(builder);
}

static void bench_json(Bench *bench) {
    g_autoptr(JsonBuilder) builder = json_builder_new();
    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "model");
    json_builder_add_string_value(builder, bench->model.name);
    count_json(builder, "repeat", bench->n_repeats);
    count_json(builder, "concurrency", bench->n_parallel);
    number_json(builder, "prompt_tokens", samples_quantile(&bench->prompt_tokens, 0.5));
    number_json(builder, "cached_tokens", samples_quantile(&bench->cached_tokens, 0.5));
    number_json(builder, "completion_tokens", samples_quantile(&bench->completion_tokens, 0.5));
    count_json(builder, "drafted_tokens", (int64_t)bench->n_drafted);
    count_json(builder, "accepted_tokens", (int64_t)bench->n_accepted);
    for (size_t i = 0; i < N_METRICS; i++) metric_json(builder, i, &bench->samples[i]);
    json_builder_end_object(builder);
    output_json(builder);
}

static void value_add(GPtrArray *cells, double value) {
    g_ptr_array_add(cells, isnan(value) ? g_strdup("-") : g_strdup_printf("%.1f", value));
}

static void bench_table(Bench *bench) {
    g_autoptr(GPtrArray) cells = g_ptr_array_new_with_free_func(g_free);
    static const char *const headings[] = {N_("MEASURED"), N_("MEDIAN"), N_("LEAST"), N_("MOST"),
                                           N_("UNIT")};
    for (size_t i = 0; i < G_N_ELEMENTS(headings); i++)
        g_ptr_array_add(cells, g_strdup(_(headings[i])));
    for (size_t i = 0; i < N_METRICS; i++) {
        g_ptr_array_add(cells, g_strdup(_(metrics[i].label)));
        value_add(cells, samples_quantile(&bench->samples[i], 0.5));
        value_add(cells, samples_quantile(&bench->samples[i], 0));
        value_add(cells, samples_quantile(&bench->samples[i], 1));
        g_ptr_array_add(cells, g_strdup(metrics[i].unit));
    }
    printf(_("%s: prompt %.0f tokens (%.0f recycled), answer %.0f tokens, %d at a time, "
             "%d rounds\n"),
           bench->model.name, samples_quantile(&bench->prompt_tokens, 0.5),
           samples_quantile(&bench->cached_tokens, 0.5),
           samples_quantile(&bench->completion_tokens, 0.5), bench->n_parallel, bench->n_repeats);
    output_table(cells, G_N_ELEMENTS(headings), 1u << 1 | 1u << 2 | 1u << 3);
    if (bench->n_drafted)
        printf(_("Guessed ahead: %" PRIu64 " of %" PRIu64 " tokens were right\n"),
               bench->n_accepted, bench->n_drafted);
}

static bool draft_is_known(const char *mode) {
    struct GenerateOptions options;
    options_init(&options);
    int r = mode ? options_set_text(&options, "draft", mode) : 0;
    options_done(&options);
    return r == 0;
}

static bool has_suite_options(const struct SuiteOptions *suite) {
    return suite->threads || suite->weights || suite->budget || suite->output || suite->plot ||
           suite->n_layers != 0 || suite->n_vocab != 0;
}

static bool is_list(const Bench *bench) {
    char **shapes = bench->suite.shapes;
    return shapes && !bench->export_path && g_strv_contains((const char *const *)shapes, "list");
}

/* What is written or measured without the service. */
static int shapes_check(const Bench *bench, const struct Verb *verb) {
    const struct SuiteOptions *suite = &bench->suite;
    if (suite->n_layers < 0 || suite->n_vocab < 0)
        return failure_usage(verb, _("--layers and --vocabulary are not negative."));
    if (bench->export_path && (!suite->shapes || g_strv_length(suite->shapes) != 1))
        return failure_usage(verb, _("--export writes a model of one --shape."));
    if (bench->export_path)
        return suite->suite
                   ? failure_usage(verb, _("--export measures nothing: it goes without --suite."))
                   : ARGUMENTS_READ;
    if (!suite_is_known(suite->suite))
        return failure_usage(verb, _("There is no suite \"%s\": --suite is %s."), suite->suite,
                             "inference, kernels, load, concurrency, all");
    if (bench->model_name)
        return failure_usage(verb,
                             _("--suite measures models that it makes up, and takes no --model."));
    return ARGUMENTS_READ;
}

/* Models that are named and not written are measured. */
static void suite_set(Bench *bench) {
    struct SuiteOptions *suite = &bench->suite;
    char **words = bench->suite_words;
    suite->suite = words[WORD_SUITE];
    suite->threads = words[WORD_THREADS];
    suite->weights = words[WORD_WEIGHTS];
    suite->budget = words[WORD_BUDGET];
    suite->output = words[WORD_OUTPUT];
    suite->plot = words[WORD_PLOT];
    suite->json = bench->json;
    if (!suite->suite && suite->shapes && !bench->export_path) suite->suite = "inference";
}

static int bench_check(const Bench *bench, const struct Verb *verb) {
    char range[OPTIONS_RANGE_SIZE];
    if (is_list(bench)) return ARGUMENTS_READ;
    if (bench->export_path || bench->suite.suite) return shapes_check(bench, verb);
    if (has_suite_options(&bench->suite))
        return failure_usage(verb, _("--threads, --weights, --budget, --layers, --vocabulary, "
                                     "--output and --plot go with --suite or --shape."));
    if (!draft_is_known(bench->draft))
        return failure_usage(verb, _("--draft must be %s."),
                             options_range("draft", range, sizeof range));
    if (bench->n_prompt_tokens < 1 || bench->n_tokens < 2 || bench->n_repeats < 1)
        return failure_usage(verb, _("--prompt-tokens and --repeat are at least 1, --tokens 2."));
    if (bench->n_parallel < 1 || bench->n_parallel > CONCURRENCY_MAX)
        return failure_usage(verb, _("--concurrency is from 1 to %d."), CONCURRENCY_MAX);
    return ARGUMENTS_READ;
}

static int bench_parse(Bench *bench, const struct Verb *verb, int argc, char **argv) {
    char **words = bench->suite_words;
    const GOptionEntry entries[] = {
        {"model", 'm', 0, G_OPTION_ARG_FILENAME, &bench->model_name,
         N_("Name of the model; the default one if not given"), N_("MODEL")},
        {"prompt-tokens", 'p', 0, G_OPTION_ARG_INT, &bench->n_prompt_tokens,
         N_("Tokens of each prompt (128)"), N_("N")},
        {"tokens", 'n', 0, G_OPTION_ARG_INT, &bench->n_tokens, N_("Tokens of each answer (64)"),
         N_("N")},
        {"repeat", 'r', 0, G_OPTION_ARG_INT, &bench->n_repeats,
         N_("Rounds that are counted, after one that is not (5)"), N_("N")},
        {"draft", 0, 0, G_OPTION_ARG_FILENAME, &bench->draft,
         N_("Guess ahead: auto, off, lookup or model; same answer (auto)"), N_("MODE")},
        {"concurrency", 'c', 0, G_OPTION_ARG_INT, &bench->n_parallel,
         N_("Requests at the same time (1)"), N_("N")},
        {"export", 0, 0, G_OPTION_ARG_FILENAME, &bench->export_path,
         N_("Measure nothing: write a model with random weights"), N_("FILE.gguf")},
        {"suite", 0, 0, G_OPTION_ARG_FILENAME, &words[WORD_SUITE],
         N_("Without the service: inference, kernels, load, concurrency, all"), N_("SUITE")},
        {"shape", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &bench->suite.shapes,
         N_("Model to make up; again for more (\"list\" names them, \"all\")"), N_("SHAPE")},
        {"weights", 0, 0, G_OPTION_ARG_FILENAME, &words[WORD_WEIGHTS],
         N_("Types of its matrices, such as F16 or Q8_0,q4 (q8, q4: as install)"), N_("LIST")},
        {"layers", 0, 0, G_OPTION_ARG_INT, &bench->suite.n_layers,
         N_("Its layers, if not as many as the shape has"), N_("N")},
        {"vocabulary", 0, 0, G_OPTION_ARG_INT, &bench->suite.n_vocab,
         N_("Its tokens, if not as many as the shape has"), N_("N")},
        {"threads", 0, 0, G_OPTION_ARG_FILENAME, &words[WORD_THREADS],
         N_("Threads of a suite, such as 1,2,8 (one per core)"), N_("LIST")},
        {"budget", 0, 0, G_OPTION_ARG_FILENAME, &words[WORD_BUDGET],
         N_("Time for each figure of a suite (3)"), N_("SECONDS")},
        {"output", 0, 0, G_OPTION_ARG_FILENAME, &words[WORD_OUTPUT],
         N_("Write the results of a suite as JSON"), N_("FILE.json")},
        {"plot", 0, 0, G_OPTION_ARG_FILENAME, &words[WORD_PLOT], N_("Write a plot of them"),
         N_("FILE.svg")},
        {"json", 0, 0, G_OPTION_ARG_NONE, &bench->json, N_("Print a JSON object"), NULL},
        {NULL},
    };
    struct Arguments arguments = {.entries = entries};
    int code = arguments_parse(&arguments, verb, argc, argv);
    if (code != ARGUMENTS_READ) return code;
    g_strfreev(arguments.rest);
    suite_set(bench);
    return bench_check(bench, verb);
}

int verb_bench(const struct Verb *verb, int argc, char **argv) {
    g_auto(Bench) bench;
    bench_init(&bench);
    int code = bench_parse(&bench, verb, argc, argv);
    if (code != ARGUMENTS_READ) return code;
    if (is_list(&bench)) return export_list();
    if (bench.export_path) return export_model(&bench.suite, bench.export_path);
    if (bench.suite.suite) return suite_run(&bench.suite);
    if (connection_open(&bench.connection) < 0) return EXIT_FAILURE;
    if (model_get(bench.connection, bench.model_name, &bench.model) < 0) return EXIT_FAILURE;

    bench.runs = g_new0(struct Run, bench.n_parallel);
    code = rounds_run(&bench);
    progress_clear(bench.progress);
    if (code != EXIT_SUCCESS) return code;
    if (bench.json)
        bench_json(&bench);
    else
        bench_table(&bench);
    return EXIT_SUCCESS;
}
