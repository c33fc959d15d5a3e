/* The results of a benchmark as an SVG document: each figure a bar as long as its part of the
 * limit. Readable on light and on dark ground. */
#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

#include "client/printable.h"
#include "client/suite.h"

/* Pixels. The limit is FULL right of where bars begin. */
#define WIDTH 900
#define MARGIN 20
#define BAR_X 260
#define FULL 330
#define ROW 18
#define BAR 13
#define HEADING 34
#define GAP 6 /* between the bars of two layouts */
/* A bar that is longer than the paper: something was counted wrongly, or read from a cache. */
#define MOST 1.2
/* Characters that have room to the left of a bar, and across the paper. */
#define MAX_LABEL 36
#define MAX_HEADING 100

static const char style[] =
    "<style>\n"
    "  text { font: 12px sans-serif; fill: #1c1c1e; }\n"
    "  .strong { font-weight: bold; }\n"
    "  .faint { fill: #6b6b70; }\n"
    "  .ground { fill: #ffffff; }\n"
    "  .room { fill: #e8e8ed; }\n"
    "  .memory { fill: #2f6fd0; }\n"
    "  .compute { fill: #c8651b; }\n"
    "  .limit { stroke: #1c1c1e; stroke-width: 1; stroke-dasharray: 3 3; }\n"
    "  @media (prefers-color-scheme: dark) {\n"
    "    text { fill: #f0f0f2; }\n"
    "    .faint { fill: #9a9aa0; }\n"
    "    .ground { fill: #17171a; }\n"
    "    .room { fill: #2c2c31; }\n"
    "    .memory { fill: #6ea3f5; }\n"
    "    .compute { fill: #f0924a; }\n"
    "    .limit { stroke: #f0f0f2; }\n"
    "  }\n"
    "</style>\n";

/* XML has no control characters at all. */
static void text_add(GString *svg, int x, int y, const char *attributes, const char *text,
                     glong most) {
    g_autofree char *clean = printable_line(text);
    g_autofree char *begin = g_utf8_substring(clean, 0, MIN(g_utf8_strlen(clean, -1), most));
    g_autofree char *escaped = g_markup_escape_text(begin, -1);
    g_string_append_printf(svg, "<text x=\"%d\" y=\"%d\" %s>%s%s</text>\n", x, y, attributes,
                           escaped, strlen(begin) < strlen(clean) ? "…" : "");
}

static void rectangle_add(GString *svg, const char *class, int y, double width) {
    char number[G_ASCII_DTOSTR_BUF_SIZE];
    g_ascii_formatd(number, sizeof number, "%.1f", width);
    g_string_append_printf(
        svg, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%s\" height=\"%d\" rx=\"2\"/>\n", class,
        BAR_X, y, number, BAR);
}

/* Where a group of bars has its limit. */
static void limit_add(GString *svg, int top, int bottom) {
    g_string_append_printf(svg, "<line class=\"limit\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>\n",
                           BAR_X + FULL, top, BAR_X + FULL, bottom);
}

/* ---- Bars ---- */

/* "83 % of 51.8 GB/s: 12.1 tokens/s"; without what was measured where it is that speed. */
static char *value_text(JsonObject *figure) {
    const char *unit = suite_text(figure, "unit"),
               *speed = suite_is_memory(figure) ? "GB/s" : "GOPS";
    g_autofree char *value = suite_number_text(suite_number(figure, "value"));
    g_autofree char *limit = suite_number_text(suite_limit(figure));
    g_autofree char *part =
        g_strdup_printf(_("%.0f %% of %s %s"), suite_number(figure, "percent"), limit, speed);
    return g_str_equal(unit, speed) ? g_steal_pointer(&part)
                                    : g_strdup_printf("%s: %s %s", part, value, unit);
}

static void bar_add(GString *svg, JsonObject *figure, int y) {
    const double part = fmin(fmax(suite_number(figure, "percent") / 100, 0), MOST);
    g_autofree char *label = suite_figure_label(figure);
    g_autofree char *value = value_text(figure);
    text_add(svg, BAR_X - 10, y + BAR - 3, "text-anchor=\"end\"", label, MAX_LABEL);
    rectangle_add(svg, "room", y, FULL);
    rectangle_add(svg, suite_is_memory(figure) ? "memory" : "compute", y, part * FULL);
    text_add(svg, BAR_X + (int)(fmax(part, 1) * FULL) + 10, y + BAR - 3, "class=\"faint\"", value,
             MAX_LABEL);
}

/* Only what has a limit has a bar. */
static GPtrArray *bars_of(JsonArray *figures) {
    GPtrArray *bars = g_ptr_array_new();
    for (guint i = 0; i < json_array_get_length(figures); i++) {
        JsonObject *figure = json_array_get_object_element(figures, i);
        if (!isnan(suite_number(figure, "percent"))) g_ptr_array_add(bars, figure);
    }
    return bars;
}

static gboolean is_other_layout(const GPtrArray *bars, guint i) {
    return g_str_equal(suite_text(bars->pdata[i], "name"), "product") &&
           !g_str_equal(suite_text(bars->pdata[i], "weights"),
                        suite_text(bars->pdata[i - 1], "weights"));
}

/* Those of one heading, from bar `first`. Moves *y on, and returns the next bar. */
static guint group_add(GString *svg, const GPtrArray *bars, guint first, int *y) {
    g_autofree char *heading = suite_figure_heading(bars->pdata[first]);
    const int top = *y + HEADING;
    guint i;
    text_add(svg, MARGIN, top - 10, "class=\"strong\"", heading, MAX_HEADING);
    *y = top;
    for (i = first; i < bars->len; i++) {
        g_autofree char *next = suite_figure_heading(bars->pdata[i]);
        if (!g_str_equal(heading, next)) break;
        if (i > first && is_other_layout(bars, i)) *y += GAP;
        bar_add(svg, bars->pdata[i], *y);
        *y += ROW;
    }
    limit_add(svg, top - 4, *y);
    return i;
}

/* ---- The head ---- */

static int roof_add(GString *svg, JsonObject *roof, int y) {
    const unsigned n = (unsigned)suite_number(roof, "threads");
    g_autofree char *threads = g_strdup_printf(ngettext("%u thread", "%u threads", n), n);
    g_autofree char *memory = suite_number_text(suite_number(roof, "gbps"));
    g_autofree char *bytes = suite_number_text(suite_number(roof, "i8_gops"));
    g_autofree char *floats = suite_number_text(suite_number(roof, "f32_gops"));
    g_autofree char *text =
        g_strdup_printf(_("best limits, %s: %s GB/s; %s GOPS on bytes, %s on floats"), threads,
                        memory, bytes, floats);
    text_add(svg, MARGIN, y, "", text, MAX_HEADING);
    return y + ROW;
}

static void legend_add(GString *svg, int y) {
    g_string_append_printf(
        svg,
        "<rect class=\"memory\" x=\"%d\" y=\"%d\" width=\"10\" height=\"10\"/>\n"
        "<rect class=\"compute\" x=\"%d\" y=\"%d\" width=\"10\" height=\"10\"/>\n",
        MARGIN, y - 9, BAR_X, y - 9);
    text_add(svg, MARGIN + 16, y, "", _("bound by reading memory"), MAX_LABEL);
    text_add(svg, BAR_X + 16, y, "", _("bound by multiplying"), MAX_LABEL);
    text_add(svg, BAR_X + FULL, y, "class=\"faint\" text-anchor=\"middle\"", _("limit"), MAX_LABEL);
}

static int head_add(GString *svg, JsonObject *results) {
    JsonObject *machine = json_object_get_object_member(results, "machine");
    JsonArray *roofs = json_object_get_array_member(results, "roofs");
    int y = 28;
    g_autofree char *title =
        g_strdup_printf(_("%s, ryzen-llm %s (%s)"), suite_text(machine, "cpu"),
                        suite_text(machine, "version"), suite_text(machine, "tier"));
    text_add(svg, MARGIN, y, "class=\"strong\"", title, MAX_HEADING);
    y += ROW + 2;
    for (guint i = 0; i < json_array_get_length(roofs); i++)
        y = roof_add(svg, json_array_get_object_element(roofs, i), y);
    legend_add(svg, y + 4);
    return y + 4;
}

char *suite_plot(JsonObject *results) {
    g_autoptr(GString) body = g_string_new(NULL);
    g_autoptr(GPtrArray) bars = bars_of(json_object_get_array_member(results, "figures"));
    int y = head_add(body, results);
    for (guint i = 0; i < bars->len;) i = group_add(body, bars, i, &y);
    y += MARGIN;
    return g_strdup_printf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                           "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                           "viewBox=\"0 0 %d %d\">\n%s"
                           "<rect class=\"ground\" width=\"100%%\" height=\"100%%\"/>\n%s</svg>\n",
                           WIDTH, y, WIDTH, y, style, body->str);
}
