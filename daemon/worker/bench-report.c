#include "worker/bench-report.h"

#include <json-glib/json-glib.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#include "engine/bench/machine.h"

#define PROGRESS_USEC (100 * 1000)

static volatile sig_atomic_t is_interrupted;
static bool is_unread; /* nobody reads what is written */
static gint64 told_usec;
static const char *progress_model = "";

static void handle_signal(int signal) {
    is_interrupted = 1;
}

static JsonBuilder *line_begin(const char *type) {
    JsonBuilder *line = json_builder_new();
    json_builder_begin_object(line);
    json_builder_set_member_name(line, "type");
    json_builder_add_string_value(line, type);
    return line;
}

static void add_text(JsonBuilder *line, const char *name, const char *value) {
    json_builder_set_member_name(line, name);
    json_builder_add_string_value(line, value);
}

static void add_count(JsonBuilder *line, const char *name, guint64 value) {
    json_builder_set_member_name(line, name);
    json_builder_add_int_value(line, (gint64)value);
}

/* JSON has no other numbers. */
static void add_number(JsonBuilder *line, const char *name, double value) {
    json_builder_set_member_name(line, name);
    if (isfinite(value))
        json_builder_add_double_value(line, value);
    else
        json_builder_add_null_value(line);
}

/* Takes the line. */
static void line_end(JsonBuilder *line) {
    json_builder_end_object(line);
    g_autoptr(JsonNode) root = json_builder_get_root(line);
    g_autofree char *json = json_to_string(root, FALSE);
    g_autofree char *text = g_strconcat(json, "\n", NULL);
    const char *at = text;
    g_object_unref(line);
    for (gsize left = strlen(text); left > 0;) {
        const ssize_t n = write(STDOUT_FILENO, at, left);
        if (n <= 0) {
            is_unread = true;
            return;
        }
        at += n;
        left -= (gsize)n;
    }
}

void bench_report_machine(void) {
    const struct Machine *machine = machine_get();
    JsonBuilder *line = line_begin("machine");
    add_text(line, "version", RYZEN_LLM_VERSION);
    add_text(line, "tier", machine->tier);
    add_text(line, "cpu", machine->cpu);
    add_text(line, "kernel", machine->kernel);
    add_count(line, "cores", machine->n_cores);
    add_count(line, "cpus", machine->n_cpus);
    add_count(line, "smt", machine->n_smt);
    add_count(line, "l2_bytes", machine->l2_bytes);
    add_count(line, "l3_bytes", machine->l3_bytes);
    add_count(line, "l3_domains", machine->n_l3);
    add_count(line, "memory_bytes", machine->memory_bytes);
    line_end(line);
}

void bench_report_note(const char *model, const char *text) {
    JsonBuilder *line = line_begin("note");
    add_text(line, "model", model);
    add_text(line, "text", text);
    line_end(line);
}

void bench_report_done(void) {
    line_end(line_begin("done"));
}

static void read_limit_tell(void *userdata, const struct ReadLimit *limit) {
    JsonBuilder *line = line_begin("read");
    add_count(line, "threads", limit->n_threads);
    add_text(line, "pages", limit->is_huge ? "huge" : "small");
    add_count(line, "streams", limit->n_streams);
    add_count(line, "prefetch", limit->prefetch);
    add_number(line, "gbps", limit->speed * 1e-9);
    line_end(line);
}

static void roof_tell(void *userdata, unsigned n_threads, const struct Roof *roof) {
    JsonBuilder *line = line_begin("roof");
    add_count(line, "threads", n_threads);
    add_number(line, "gbps", roof->bytes * 1e-9);
    add_number(line, "i8_gops", roof->i8_operations * 1e-9);
    add_number(line, "f32_gops", roof->f32_operations * 1e-9);
    line_end(line);
}

static void add_limit(JsonBuilder *line, const struct Figure *figure, double seconds) {
    const struct Work *work = &figure->work;
    const double limit = roof_seconds(&figure->roof, work);
    const bool is_memory =
        roof_memory_seconds(&figure->roof, work) >= roof_compute_seconds(&figure->roof, work);
    add_number(line, "bytes", work->bytes);
    add_number(line, "i8_operations", work->i8_operations);
    add_number(line, "f32_operations", work->f32_operations);
    add_number(line, "gbps", work->bytes / seconds * 1e-9);
    add_number(line, "gops", (work->i8_operations + work->f32_operations) / seconds * 1e-9);
    add_number(line, "limit_gbps", figure->roof.bytes * 1e-9);
    add_number(line, "limit_i8_gops", figure->roof.i8_operations * 1e-9);
    add_number(line, "limit_f32_gops", figure->roof.f32_operations * 1e-9);
    add_number(line, "limit_seconds", limit);
    add_number(line, "percent", 100 * limit / seconds);
    add_text(line, "bound", is_memory ? "memory" : "compute");
}

static void figure_tell(void *userdata, const struct Figure *figure) {
    JsonBuilder *line = line_begin("figure");
    add_text(line, "suite", figure->suite);
    add_text(line, "model", figure->model);
    add_text(line, "weights", figure->weights);
    add_text(line, "name", figure->name);
    add_count(line, "n", figure->n);
    add_count(line, "threads", figure->n_threads);
    add_number(line, "value", figure->value);
    add_text(line, "unit", figure->unit);
    if (figure->samples && figure->samples->n > 0) {
        const double seconds = bench_quantile(figure->samples, 0.5);
        add_count(line, "samples", figure->samples->n);
        add_number(line, "seconds", seconds);
        add_number(line, "seconds_least", bench_quantile(figure->samples, 0));
        add_number(line, "seconds_most", bench_quantile(figure->samples, 1));
        if (figure->work.bytes > 0) add_limit(line, figure, seconds);
    }
    line_end(line);
}

static int progress_tell(void *userdata, const char *stage, double done, double total) {
    const gint64 now_usec = g_get_monotonic_time();
    if (is_interrupted || is_unread) return -1;
    if (total <= 0 || (now_usec - told_usec < PROGRESS_USEC && done < total)) return 0;
    told_usec = now_usec;
    JsonBuilder *line = line_begin("progress");
    add_text(line, "stage", stage);
    add_text(line, "model", progress_model);
    add_count(line, "done", (guint64)(1000 * CLAMP(done / total, 0, 1)));
    add_count(line, "total", 1000);
    line_end(line);
    return is_unread ? -1 : 0;
}

void bench_report_model(const char *name) {
    progress_model = name;
}

void bench_report_init(struct Report *report) {
    const struct sigaction action = {.sa_handler = handle_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    *report = (struct Report){
        .read_limit = read_limit_tell,
        .roof = roof_tell,
        .figure = figure_tell,
        .progress = progress_tell,
    };
}
