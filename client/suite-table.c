/* The results of a benchmark as tables, each printed when the last line of it has come. */
#include <glib/gi18n.h>
#include <math.h>
#include <stdio.h>

#include "client/output.h"
#include "client/printable.h"
#include "client/suite.h"

#define RIGHT(column) (1u << (column))

struct SuiteTable {
    Progress *progress;
    GPtrArray *roofs;   /* JsonObject, one for a number of threads: the best until now */
    GPtrArray *figures; /* JsonObject of one heading, not yet printed */
    char *heading;
    gboolean has_limits, has_better_limits; /* printed; told after that */
};

static void cell(GPtrArray *cells, const char *text) {
    g_ptr_array_add(cells, g_strdup(text));
}

static void cell_number(GPtrArray *cells, double value) {
    g_ptr_array_add(cells, suite_number_text(value));
}

static void headings(GPtrArray *cells, const char *const *names, gsize n) {
    for (gsize i = 0; i < n; i++) cell(cells, _(names[i]));
}

/* ---- The machine ---- */

static void machine_print(JsonObject *machine) {
    g_autofree char *l2 = output_bytes((guint64)fmax(0, suite_number(machine, "l2_bytes")));
    g_autofree char *l3 = output_bytes((guint64)fmax(0, suite_number(machine, "l3_bytes")));
    g_autofree char *memory = output_bytes((guint64)fmax(0, suite_number(machine, "memory_bytes")));
    g_autofree char *cpu = printable_line(suite_text(machine, "cpu"));
    printf(_("%s: cores: %.0f, L2 of each: %s, L3: %s (domains: %.0f), memory: %s; kernels: %s; "
             "version %s\n\n"),
           cpu, suite_number(machine, "cores"), l2, l3, suite_number(machine, "l3_domains"), memory,
           suite_text(machine, "tier"), suite_text(machine, "version"));
}

static void limits_print(const SuiteTable *self) {
    static const char *const names[] = {N_("BEST LIMITS"), N_("MEMORY GB/s"), N_("8-BIT GOPS"),
                                        N_("FLOAT GOPS")};
    g_autoptr(GPtrArray) cells = g_ptr_array_new_with_free_func(g_free);
    headings(cells, names, G_N_ELEMENTS(names));
    for (guint i = 0; i < self->roofs->len; i++) {
        JsonObject *roof = self->roofs->pdata[i];
        const unsigned n = (unsigned)suite_number(roof, "threads");
        g_ptr_array_add(cells, g_strdup_printf(ngettext("%u thread", "%u threads", n), n));
        cell_number(cells, suite_number(roof, "gbps"));
        cell_number(cells, suite_number(roof, "i8_gops"));
        cell_number(cells, suite_number(roof, "f32_gops"));
    }
    output_table(cells, G_N_ELEMENTS(names), RIGHT(1) | RIGHT(2) | RIGHT(3));
}

/* Limits go before the first thing that was measured against them. */
static void limits_end(SuiteTable *self) {
    if (self->has_limits || self->roofs->len == 0) return;
    limits_print(self);
    self->has_limits = TRUE;
}

static void note_print(JsonObject *note) {
    g_autofree char *model = printable_line(suite_text(note, "model"));
    g_autofree char *text = printable_line(suite_text(note, "text"));
    printf("\n%s: %s\n", model, text);
}

/* ---- Figures, one a row ---- */

/* "31.4 GB/s": what the limit that applies allows; "" where there is none. */
static char *limit_text(JsonObject *figure) {
    const double limit = suite_limit(figure);
    g_autofree char *number = suite_number_text(limit);
    return isnan(limit) ? g_strdup("")
                        : g_strconcat(number, suite_is_memory(figure) ? " GB/s" : " GOPS", NULL);
}

/* GB/s and GOPS are speeds, the per cent how much of the limit that applies was reached. */
static void row_add(GPtrArray *cells, JsonObject *figure) {
    const double percent = suite_number(figure, "percent");
    g_ptr_array_add(cells, suite_figure_label(figure));
    cell_number(cells, suite_number(figure, "value"));
    cell(cells, suite_text(figure, "unit"));
    cell_number(cells, suite_number(figure, "gbps"));
    cell_number(cells, suite_number(figure, "gops"));
    g_ptr_array_add(cells, isnan(percent) ? g_strdup("") : g_strdup_printf("%.0f %%", percent));
    g_ptr_array_add(cells, limit_text(figure));
}

static void rows_print(const GPtrArray *figures) {
    static const char *const names[] = {N_("MEASURED"), N_("VALUE"),    N_("UNIT"),      "GB/s",
                                        "GOPS",         N_("OF LIMIT"), N_("LIMIT THEN")};
    g_autoptr(GPtrArray) cells = g_ptr_array_new_with_free_func(g_free);
    headings(cells, names, G_N_ELEMENTS(names));
    for (guint i = 0; i < figures->len; i++) row_add(cells, figures->pdata[i]);
    output_table(cells, G_N_ELEMENTS(names), RIGHT(1) | RIGHT(3) | RIGHT(4) | RIGHT(5) | RIGHT(6));
}

/* ---- Products: a row for a layout, a column for a number of vectors ---- */

#define MAX_COLUMNS 16u

static gboolean is_product(JsonObject *figure) {
    return g_str_equal(suite_text(figure, "name"), "product");
}

/* The columns that the first layout has. */
static guint columns_count(const GPtrArray *figures) {
    const char *first = suite_text(figures->pdata[0], "weights");
    guint n = 0;
    while (n < figures->len && n < MAX_COLUMNS &&
           g_str_equal(suite_text(figures->pdata[n], "weights"), first))
        n++;
    return n;
}

static void product_add(GPtrArray *cells, JsonObject *figure) {
    g_autofree char *value = suite_number_text(suite_number(figure, "value"));
    g_ptr_array_add(cells, g_strdup_printf("%s %s %3.0f %%", value, suite_text(figure, "unit"),
                                           suite_number(figure, "percent")));
}

static void products_print(const GPtrArray *figures) {
    const guint n_columns = columns_count(figures);
    g_autoptr(GPtrArray) cells = g_ptr_array_new_with_free_func(g_free);
    cell(cells, _("VECTORS"));
    for (guint i = 0; i < n_columns; i++)
        g_ptr_array_add(cells, g_strdup_printf("%.0f", suite_number(figures->pdata[i], "n")));
    for (guint i = 0; i < figures->len; i++) {
        if (i % n_columns == 0) cell(cells, suite_text(figures->pdata[i], "weights"));
        product_add(cells, figures->pdata[i]);
    }
    while (cells->len % (n_columns + 1) != 0) cell(cells, "");
    output_table(cells, n_columns + 1, ~RIGHT(0));
}

static void figures_end(SuiteTable *self) {
    if (self->figures->len == 0) return;
    g_autofree char *heading = printable_line(self->heading);
    printf("\n%s%s%s\n", output_style(stdout, STYLE_STRONG), heading,
           output_style(stdout, STYLE_PLAIN));
    if (is_product(self->figures->pdata[0]))
        products_print(self->figures);
    else
        rows_print(self->figures);
    g_ptr_array_set_size(self->figures, 0);
}

/* ---- Taking lines ---- */

static void machine_take(SuiteTable *self, JsonObject *machine) {
    machine_print(machine);
}

static void roof_take(SuiteTable *self, JsonObject *roof) {
    const double n = suite_number(roof, "threads");
    if (self->has_limits) self->has_better_limits = TRUE;
    for (guint i = 0; i < self->roofs->len; i++)
        if (suite_number(self->roofs->pdata[i], "threads") == n)
            g_ptr_array_remove_index(self->roofs, i--);
    g_ptr_array_add(self->roofs, json_object_ref(roof));
}

static void note_take(SuiteTable *self, JsonObject *note) {
    limits_end(self);
    figures_end(self);
    note_print(note);
}

static void figure_take(SuiteTable *self, JsonObject *figure) {
    char *heading = suite_figure_heading(figure);
    limits_end(self);
    if (!self->heading || !g_str_equal(self->heading, heading)) figures_end(self);
    g_free(self->heading);
    self->heading = heading;
    g_ptr_array_add(self->figures, json_object_ref(figure));
}

static const struct {
    const char *type;
    void (*take)(SuiteTable *self, JsonObject *line);
} types[] = {
    {"machine", machine_take},
    {"roof", roof_take},
    {"note", note_take},
    {"figure", figure_take},
};

SuiteTable *suite_table_new(Progress *progress) {
    SuiteTable *self = g_new0(SuiteTable, 1);
    self->progress = progress;
    self->roofs = g_ptr_array_new_with_free_func((GDestroyNotify)json_object_unref);
    self->figures = g_ptr_array_new_with_free_func((GDestroyNotify)json_object_unref);
    return self;
}

void suite_table_take(SuiteTable *self, const char *type, JsonObject *line) {
    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        if (!g_str_equal(types[i].type, type)) continue;
        progress_clear(self->progress);
        types[i].take(self, line);
        fflush(stdout);
    }
}

void suite_table_end(SuiteTable *self) {
    progress_clear(self->progress);
    limits_end(self);
    figures_end(self);
    if (self->has_better_limits) {
        putchar('\n');
        limits_print(self);
    }
    g_ptr_array_unref(self->roofs);
    g_ptr_array_unref(self->figures);
    g_free(self->heading);
    g_free(self);
}
