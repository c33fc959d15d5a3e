/* The results of a benchmark as tables. */
#include <glib/gi18n.h>
#include <math.h>
#include <stdio.h>

#include "client/output.h"
#include "client/printable.h"
#include "client/suite.h"

#define RIGHT(column) (1u << (column))

static void cell(GPtrArray *cells, const char *text) {
    g_ptr_array_add(cells, g_strdup(text));
}

/* Three digits that count. */
static void cell_number(GPtrArray *cells, double value) {
    const double size = fabs(value);
    if (isnan(value))
        cell(cells, "");
    else
        g_ptr_array_add(cells, g_strdup_printf(size < 10    ? "%.2f"
                                               : size < 100 ? "%.1f"
                                                            : "%.0f",
                                               value));
}

static void headings(GPtrArray *cells, const char *const *names, gsize n) {
    for (gsize i = 0; i < n; i++) cell(cells, _(names[i]));
}

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

static void roofs_print(JsonArray *roofs) {
    static const char *const names[] = {N_("LIMITS"), N_("MEMORY GB/s"), N_("8-BIT GOPS"),
                                        N_("FLOAT GOPS")};
    g_autoptr(GPtrArray) cells = g_ptr_array_new_with_free_func(g_free);
    headings(cells, names, G_N_ELEMENTS(names));
    for (guint i = 0; i < json_array_get_length(roofs); i++) {
        JsonObject *roof = json_array_get_object_element(roofs, i);
        const unsigned n = (unsigned)suite_number(roof, "threads");
        g_ptr_array_add(cells, g_strdup_printf(ngettext("%u thread", "%u threads", n), n));
        cell_number(cells, suite_number(roof, "gbps"));
        cell_number(cells, suite_number(roof, "i8_gops"));
        cell_number(cells, suite_number(roof, "f32_gops"));
    }
    output_table(cells, G_N_ELEMENTS(names), RIGHT(1) | RIGHT(2) | RIGHT(3));
}

static void notes_print(JsonArray *notes) {
    for (guint i = 0; i < json_array_get_length(notes); i++) {
        JsonObject *note = json_array_get_object_element(notes, i);
        g_autofree char *text = printable_line(suite_text(note, "text"));
        printf("%s%s: %s\n", i == 0 ? "\n" : "", suite_text(note, "model"), text);
    }
}

/* GB/s and GOPS are speeds, the per cent how much of the limit that applies was reached. */
static void figure_add(GPtrArray *cells, JsonObject *figure) {
    const double percent = suite_number(figure, "percent");
    const char *bound = suite_text(figure, "bound");
    g_ptr_array_add(cells, suite_figure_label(figure));
    cell_number(cells, suite_number(figure, "value"));
    cell(cells, suite_text(figure, "unit"));
    cell_number(cells, suite_number(figure, "gbps"));
    cell_number(cells, suite_number(figure, "gops"));
    g_ptr_array_add(cells, isnan(percent) ? g_strdup("") : g_strdup_printf("%.0f %%", percent));
    cell(cells, g_str_equal(bound, "memory")    ? _("memory")
                : g_str_equal(bound, "compute") ? _("units")
                                                : "");
}

static GPtrArray *figures_begin(void) {
    static const char *const names[] = {N_("MEASURED"), N_("VALUE"),    N_("UNIT"), "GB/s",
                                        "GOPS",         N_("OF LIMIT"), N_("LIMIT")};
    GPtrArray *cells = g_ptr_array_new_with_free_func(g_free);
    headings(cells, names, G_N_ELEMENTS(names));
    return cells;
}

static void figures_end(GPtrArray *cells, const char *heading) {
    printf("\n%s%s%s\n", output_style(stdout, STYLE_STRONG), heading,
           output_style(stdout, STYLE_PLAIN));
    output_table(cells, 7, RIGHT(1) | RIGHT(3) | RIGHT(4) | RIGHT(5));
    g_ptr_array_unref(cells);
}

static void figures_print(JsonArray *figures) {
    g_autofree char *heading = NULL;
    GPtrArray *cells = NULL;
    for (guint i = 0; i < json_array_get_length(figures); i++) {
        JsonObject *figure = json_array_get_object_element(figures, i);
        char *next = suite_figure_heading(figure);
        if (cells && !g_str_equal(heading, next)) {
            figures_end(cells, heading);
            cells = NULL;
        }
        if (!cells) cells = figures_begin();
        g_free(heading);
        heading = next;
        figure_add(cells, figure);
    }
    if (cells) figures_end(cells, heading);
}

void suite_table(JsonObject *results) {
    machine_print(json_object_get_object_member(results, "machine"));
    roofs_print(json_object_get_array_member(results, "roofs"));
    notes_print(json_object_get_array_member(results, "notes"));
    figures_print(json_object_get_array_member(results, "figures"));
}
