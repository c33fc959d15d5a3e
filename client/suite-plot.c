/* The results of a benchmark as an SVG document: each figure a bar as long as its part of the
 * limit. Readable on light and on dark ground. */
#include <glib/gi18n.h>
#include <math.h>

#include "client/printable.h"
#include "client/suite.h"

/* Pixels. The limit is FULL right of where bars begin. */
#define WIDTH 860
#define BAR_X 250
#define FULL 330
#define ROW 20
#define BAR 14
#define HEADING 34
/* A bar that is longer than the paper: something was counted wrongly, or read from a cache. */
#define MOST 1.25

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

static void text_add(GString *svg, int x, int y, const char *attributes, const char *text) {
    g_autofree char *clean = printable_line(text); /* XML has no control characters at all */
    g_autofree char *escaped = g_markup_escape_text(clean, -1);
    g_string_append_printf(svg, "<text x=\"%d\" y=\"%d\" %s>%s</text>\n", x, y, attributes,
                           escaped);
}

static void rectangle_add(GString *svg, const char *class, int y, double width) {
    char number[G_ASCII_DTOSTR_BUF_SIZE];
    g_ascii_formatd(number, sizeof number, "%.1f", width);
    g_string_append_printf(
        svg, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%s\" height=\"%d\" rx=\"2\"/>\n", class,
        BAR_X, y, number, BAR);
}

static const char *bound_name(JsonObject *figure) {
    return g_str_equal(suite_text(figure, "bound"), "memory") ? "memory" : "compute";
}

static void bar_add(GString *svg, JsonObject *figure, int y) {
    const double part = fmin(fmax(suite_number(figure, "percent") / 100, 0), MOST);
    const gboolean is_memory = g_str_equal(bound_name(figure), "memory");
    g_autofree char *label = suite_figure_label(figure);
    g_autofree char *value = g_strdup_printf(
        "%.3g %s, %.3g %s, %.0f %%", suite_number(figure, "value"), suite_text(figure, "unit"),
        suite_number(figure, is_memory ? "gbps" : "gops"), is_memory ? "GB/s" : "GOPS",
        suite_number(figure, "percent"));
    text_add(svg, BAR_X - 10, y + BAR - 3, "text-anchor=\"end\"", label);
    rectangle_add(svg, "room", y, FULL);
    rectangle_add(svg, bound_name(figure), y, part * FULL);
    text_add(svg, BAR_X + (int)(fmax(part, 1) * FULL) + 10, y + BAR - 3, "class=\"faint\"", value);
}

/* Only what has a limit has a bar. */
static int bars_add(GString *svg, JsonArray *figures, int y) {
    g_autofree char *heading = g_strdup("");
    for (guint i = 0; i < json_array_get_length(figures); i++) {
        JsonObject *figure = json_array_get_object_element(figures, i);
        if (isnan(suite_number(figure, "percent"))) continue;
        char *next = suite_figure_heading(figure);
        if (!g_str_equal(heading, next)) {
            text_add(svg, BAR_X, y + HEADING - 10, "class=\"strong\"", next);
            y += HEADING;
        }
        g_free(heading);
        heading = next;
        bar_add(svg, figure, y);
        y += ROW;
    }
    return y;
}

static int head_add(GString *svg, JsonObject *results) {
    JsonObject *machine = json_object_get_object_member(results, "machine");
    g_autofree char *title =
        g_strdup_printf(_("%s, ryzen-llm %s (%s)"), suite_text(machine, "cpu"),
                        suite_text(machine, "version"), suite_text(machine, "tier"));
    text_add(svg, 20, 28, "class=\"strong\"", title);
    g_string_append(svg,
                    "<rect class=\"memory\" x=\"20\" y=\"40\" width=\"10\" height=\"10\"/>\n"
                    "<rect class=\"compute\" x=\"250\" y=\"40\" width=\"10\" height=\"10\"/>\n");
    text_add(svg, 36, 50, "", _("bound by reading memory"));
    text_add(svg, 266, 50, "", _("bound by multiplying"));
    text_add(svg, BAR_X + FULL, 50, "class=\"faint\" text-anchor=\"middle\"", _("limit"));
    return 56;
}

char *suite_plot(JsonObject *results) {
    g_autoptr(GString) body = g_string_new(NULL);
    const int top = head_add(body, results);
    const int bottom = bars_add(body, json_object_get_array_member(results, "figures"), top) + 10;
    g_string_append_printf(body,
                           "<line class=\"limit\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>\n",
                           BAR_X + FULL, top, BAR_X + FULL, bottom - 10);
    return g_strdup_printf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                           "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                           "viewBox=\"0 0 %d %d\">\n%s"
                           "<rect class=\"ground\" width=\"100%%\" height=\"100%%\"/>\n%s</svg>\n",
                           WIDTH, bottom + 10, WIDTH, bottom + 10, style, body->str);
}
