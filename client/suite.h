/*
 * ryzen-llm bench --suite: what ryzen-llm-worker --bench measures, shown as tables, as JSON, as a
 * plot. No service is asked.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "client/progress.h"

struct SuiteOptions {
    const char *suite, *threads, *weights, *budget; /* but for suite, NULL: not given */
    char **shapes;                                  /* NULL-terminated, or NULL */
    int n_layers, n_vocab;                          /* 0: the shape's own */
    const char *output, *plot;                      /* files to write, or NULL */
    gboolean json;
};

/* Whether there is a suite of this name. */
gboolean suite_is_known(const char *name);
/* Measures and shows. Returns the exit code. */
int suite_run(const struct SuiteOptions *options);

/*
 * The results, an object:
 *
 *     machine   object: version, tier, cpu, cores, ...
 *     reads, roofs, notes, figures   arrays of objects
 *
 * with the members that daemon/worker/bench-report.h describes, but for "type".
 */

/* A member of a line, "" or NAN where there is none. */
const char *suite_text(JsonObject *line, const char *name);
double suite_number(JsonObject *line, const char *name);

/* What the limit of a figure allows, in GB/s or GOPS as it is bound by memory or by units. */
double suite_limit(JsonObject *figure);
gboolean suite_is_memory(JsonObject *figure);

/* Three digits that count, "" for NAN. g_free() it. */
char *suite_number_text(double value);

/* "decode", "prompt of 512 tokens": what a figure is, in the user's language. g_free() it. */
char *suite_figure_label(JsonObject *figure);
/* Of what it is: suite, model, weights, threads. Figures of one heading follow each other. */
char *suite_figure_heading(JsonObject *figure);

/* Tables on stdout, as lines come; client/suite-table.c. `progress` is wiped before each, and stays
 * the caller's. */
typedef struct SuiteTable SuiteTable;
SuiteTable *suite_table_new(Progress *progress);
void suite_table_take(SuiteTable *self, const char *type, JsonObject *line);
/* Prints what is left, and frees it. */
void suite_table_end(SuiteTable *self);

char *suite_plot(JsonObject *results); /* an SVG document; client/suite-plot.c; g_free() it */
