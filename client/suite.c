#include "client/suite.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/failure.h"
#include "client/interrupt.h"
#include "client/printable.h"
#include "client/worker-program.h"

static const char *const suites[] = {"inference", "kernels", "load", "concurrency", "all"};

/* Lines of the worker, and where they go. */
static const struct {
    const char *type, *member;
} arrays[] = {{"read", "reads"}, {"roof", "roofs"}, {"note", "notes"}, {"figure", "figures"}};

static const struct {
    const char *stage, *label;
} stages[] = {
    {"memory", N_("Reading memory")},
    {"units", N_("Multiplying")},
    {"synthesize", N_("Making up a model")},
    {"pack", N_("Packing it")},
    {"kernels", N_("Measuring products")},
    {"inference", N_("Measuring the model")},
    {"load", N_("Loading again and again")},
    {"concurrency", N_("Serving several users")},
    {"copy", N_("Copying it")},
};

/* What a figure is called; %u is n. */
static const struct {
    const char *name, *label;
} labels[] = {
    {"barrier", N_("all threads do nothing")},
    {"decode", N_("decode")},
    {"together", N_("decode, %u together")},
    {"positions", N_("%u positions at once")},
    {"one more position", N_("one position more, of %u")},
    {"prompt", N_("prompt of %u tokens")},
    {"first token", N_("first token, prompt of %u")},
    {"weights", N_("weights")},
    {"bytes per token", N_("read for a token")},
    {"memory resident", N_("memory resident")},
    {"copy", N_("copy when installing")},
    {"pack", N_("pack when installing")},
    {"first use", N_("copy and pack: first use")},
    {"pack speed", N_("packing speed")},
    {"open", N_("open the packed file")},
    {"connect to first token", N_("connect to first token")},
    {"connect less a step", N_("the same, less a step")},
    {"worker resident", N_("memory of a worker")},
    {"worker beside weights", N_("less weights and state")},
    {"served", N_("users: %u, all answers")},
    {"between tokens, half", N_("users: %u, between tokens, half")},
    {"between tokens, 95 %", N_("users: %u, between tokens, 95 %%")},
    {"between tokens, worst", N_("users: %u, between tokens, worst")},
    {"first token, half", N_("users: %u, first token, half")},
    {"first token, 95 %", N_("users: %u, first token, 95 %%")},
    {"beside a prompt, half", N_("beside a prompt of %u, between tokens, half")},
    {"beside a prompt, 95 %", N_("beside a prompt of %u, between tokens, 95 %%")},
    {"beside a prompt, worst", N_("beside a prompt of %u, between tokens, worst")},
    {"prompt beside an answer", N_("prompt of %u, beside an answer")},
};

gboolean suite_is_known(const char *name) {
    for (gsize i = 0; i < G_N_ELEMENTS(suites); i++)
        if (g_str_equal(suites[i], name)) return TRUE;
    return FALSE;
}

/* ---- Reading a line ---- */

const char *suite_text(JsonObject *line, const char *name) {
    return json_object_get_string_member_with_default(line, name, "");
}

double suite_number(JsonObject *line, const char *name) {
    JsonNode *node = json_object_get_member(line, name);
    if (!node || !JSON_NODE_HOLDS_VALUE(node)) return NAN;
    const GType type = json_node_get_value_type(node);
    return type == G_TYPE_INT64 || type == G_TYPE_DOUBLE ? json_node_get_double(node) : NAN;
}

gboolean suite_is_memory(JsonObject *figure) {
    return g_str_equal(suite_text(figure, "bound"), "memory");
}

double suite_limit(JsonObject *figure) {
    const double work = suite_is_memory(figure) ? suite_number(figure, "bytes")
                                                : suite_number(figure, "i8_operations") +
                                                      suite_number(figure, "f32_operations");
    return work / suite_number(figure, "limit_seconds") * 1e-9;
}

char *suite_number_text(double value) {
    const double size = fabs(value);
    if (isnan(value)) return g_strdup("");
    return g_strdup_printf(size < 9.995 ? "%.2f" : size < 99.95 ? "%.1f" : "%.0f", value);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* rows of a table, checked by msgfmt */
char *suite_figure_label(JsonObject *figure) {
    const char *name = suite_text(figure, "name");
    const double n = suite_number(figure, "n");
    const unsigned count = isnan(n) ? 0 : (unsigned)n;
    if (g_str_equal(name, "product"))
        return g_strdup_printf(_("%s, vectors: %u"), suite_text(figure, "weights"), count);
    for (gsize i = 0; i < G_N_ELEMENTS(labels); i++)
        if (g_str_equal(labels[i].name, name)) return g_strdup_printf(_(labels[i].label), count);
    return g_strdup(name);
}
#pragma GCC diagnostic pop

char *suite_figure_heading(JsonObject *figure) {
    const gboolean is_product = g_str_equal(suite_text(figure, "name"), "product");
    const char *model = suite_text(figure, "model");
    const char *weights = is_product ? "" : suite_text(figure, "weights");
    const unsigned n_threads = (unsigned)suite_number(figure, "threads");
    g_autofree char *threads =
        g_strdup_printf(ngettext("%u thread", "%u threads", n_threads), n_threads);
    return g_strdup_printf("%s%s%s%s%s, %s", suite_text(figure, "suite"), *model ? ": " : "", model,
                           *weights ? " " : "", weights, threads);
}

/* ---- Following the worker ---- */

/* A better roof of as many threads takes the place of the one before. */
static void roof_replaced(JsonArray *roofs, JsonObject *roof) {
    const double n = suite_number(roof, "threads");
    for (guint i = 0; i < json_array_get_length(roofs); i++)
        if (suite_number(json_array_get_object_element(roofs, i), "threads") == n)
            json_array_remove_element(roofs, i--);
}

static void results_add(JsonObject *results, SuiteTable *table, JsonNode *root) {
    g_autoptr(JsonNode) line = json_node_copy(root);
    JsonObject *object = json_node_get_object(line);
    g_autofree char *type = g_strdup(suite_text(object, "type"));
    json_object_remove_member(object, "type");
    if (table) suite_table_take(table, type, object);
    if (g_str_equal(type, "roof"))
        roof_replaced(json_object_get_array_member(results, "roofs"), object);
    if (g_str_equal(type, "machine"))
        json_object_set_member(results, "machine", g_steal_pointer(&line));
    for (gsize i = 0; line && i < G_N_ELEMENTS(arrays); i++)
        if (g_str_equal(arrays[i].type, type))
            json_array_add_element(json_object_get_array_member(results, arrays[i].member),
                                   g_steal_pointer(&line));
    if (g_str_equal(type, "done")) json_object_set_boolean_member(results, "complete", TRUE);
}

static void progress_show(Progress *progress, JsonObject *line) {
    const double done = suite_number(line, "done"), total = suite_number(line, "total");
    g_autofree char *model = printable_line(suite_text(line, "model"));
    const char *doing = _("Measuring");
    for (gsize i = 0; i < G_N_ELEMENTS(stages); i++)
        if (g_str_equal(stages[i].stage, suite_text(line, "stage"))) doing = _(stages[i].label);
    g_autofree char *label = g_strconcat(model, *model ? ": " : "", doing, NULL);
    if (done >= 0 && total > 0) progress_update(progress, label, (guint64)done, (guint64)total);
}

static void line_take(JsonObject *results, SuiteTable *table, Progress *progress, const char *text,
                      gsize length) {
    g_autoptr(JsonParser) parser = json_parser_new();
    if (!json_parser_load_from_data(parser, text, (gssize)length, NULL)) return;
    JsonNode *root = json_parser_get_root(parser);
    if (!root || !JSON_NODE_HOLDS_OBJECT(root)) return;
    if (g_str_equal(suite_text(json_node_get_object(root), "type"), "progress"))
        progress_show(progress, json_node_get_object(root));
    else
        results_add(results, table, root);
}

static JsonObject *results_new(void) {
    JsonObject *results = json_object_new();
    json_object_set_object_member(results, "machine", json_object_new());
    for (gsize i = 0; i < G_N_ELEMENTS(arrays); i++)
        json_object_set_array_member(results, arrays[i].member, json_array_new());
    json_object_set_boolean_member(results, "complete", FALSE);
    return results;
}

struct Following {
    GSubprocess *worker;
    JsonObject *results;
    SuiteTable *table; /* or NULL */
    Progress *progress;
    GMainLoop *loop;
};

static void line_read(GObject *stream, GAsyncResult *result, gpointer userdata) {
    const struct Following *following = userdata;
    GDataInputStream *lines = G_DATA_INPUT_STREAM(stream);
    gsize length;
    g_autofree char *line = g_data_input_stream_read_line_finish(lines, result, &length, NULL);
    if (!line) {
        g_main_loop_quit(following->loop);
        return;
    }
    line_take(following->results, following->table, following->progress, line, length);
    g_data_input_stream_read_line_async(lines, G_PRIORITY_DEFAULT, NULL, line_read, userdata);
}

/* The worker clears away what it made. Ctrl-C in a terminal has told it already, a signal to this
 * program alone has not. */
static void interrupted(void *userdata) {
    const struct Following *following = userdata;
    g_subprocess_send_signal(following->worker, SIGINT);
}

static JsonObject *worker_follow(GSubprocess *worker, gboolean shows_tables,
                                 bool *ret_is_interrupted) {
    g_autoptr(Progress) progress = progress_new();
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(GDataInputStream) lines =
        g_data_input_stream_new(g_subprocess_get_stdout_pipe(worker));
    struct Following following = {
        .worker = worker,
        .results = results_new(),
        .table = shows_tables ? suite_table_new(progress) : NULL,
        .progress = progress,
        .loop = loop,
    };
    g_autoptr(Interrupt) interrupt = interrupt_new(interrupted, &following);
    g_data_input_stream_read_line_async(lines, G_PRIORITY_DEFAULT, NULL, line_read, &following);
    g_main_loop_run(loop);
    if (following.table) suite_table_end(following.table);
    *ret_is_interrupted = interrupt_happened(interrupt);
    return following.results;
}

/* ---- Showing ---- */

/* Before minutes are spent on what is to be written there. NULL: it is not asked for. */
static bool is_writable(const char *path) {
    if (!path) return true;
    g_autofree char *folder = g_path_get_dirname(path);
    const char *checked = g_file_test(path, G_FILE_TEST_EXISTS) ? path : folder;
    int error = g_access(checked, W_OK) < 0 ? errno : 0;
    if (!error && g_file_test(path, G_FILE_TEST_IS_DIR)) error = EISDIR;
    if (error) failure(_("Cannot write %s: %s"), path, g_strerror(error));
    return !error;
}

static int file_write(const char *path, const char *text) {
    g_autoptr(GError) error = NULL;
    if (g_file_set_contents(path, text, -1, &error)) return EXIT_SUCCESS;
    return failure("%s", error->message);
}

static char *results_json(JsonObject *results) {
    g_autoptr(JsonNode) root = json_node_init_object(json_node_alloc(), results);
    g_autofree char *text = json_to_string(root, TRUE);
    return g_strconcat(text, "\n", NULL);
}

static int results_show(const struct SuiteOptions *options, JsonObject *results) {
    g_autofree char *json = results_json(results);
    int code = EXIT_SUCCESS;
    if (options->json) fputs(json, stdout);
    if (options->output) code = file_write(options->output, json);
    if (code == EXIT_SUCCESS && options->plot) {
        g_autofree char *svg = suite_plot(results);
        code = file_write(options->plot, svg);
    }
    return code;
}

static GSubprocess *worker_start(const struct SuiteOptions *options) {
    g_autoptr(GPtrArray) arguments = worker_arguments_new();
    worker_argument(arguments, "--bench", options->suite);
    for (char **shape = options->shapes; shape && *shape; shape++)
        worker_argument(arguments, "--shape", *shape);
    worker_argument(arguments, "--threads", options->threads);
    worker_argument(arguments, "--weights", options->weights);
    worker_argument(arguments, "--budget", options->budget);
    worker_argument_count(arguments, "--layers", options->n_layers);
    worker_argument_count(arguments, "--vocabulary", options->n_vocab);
    return worker_program_start(arguments, G_SUBPROCESS_FLAGS_STDOUT_PIPE);
}

/* What was measured before something failed, or Ctrl-C, is shown, too. */
int suite_run(const struct SuiteOptions *options) {
    bool is_interrupted;
    if (!is_writable(options->output) || !is_writable(options->plot)) return EXIT_FAILURE;
    g_autoptr(GSubprocess) worker = worker_start(options);
    if (!worker) return EXIT_FAILURE;
    g_autoptr(JsonObject) results = worker_follow(worker, !options->json, &is_interrupted);
    const int status = worker_program_wait(worker);
    if (status == EXIT_USAGE) return status;
    int code = EXIT_SUCCESS;
    if (json_array_get_length(json_object_get_array_member(results, "roofs")) > 0)
        code = results_show(options, results);
    if (status == EXIT_SUCCESS) return code;
    return is_interrupted ? EXIT_INTERRUPTED : status;
}
