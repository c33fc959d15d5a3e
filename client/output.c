#include "client/output.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/failure.h"
#include "client/printable.h"

static int write_errno; /* of the first write that failed */

static bool has_colour(FILE *file) {
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(fileno(file)) && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
}

const char *output_style(FILE *file, enum Style style) {
    static const char *const sequences[] = {
        [STYLE_PLAIN] = "\033[0m",
        [STYLE_STRONG] = "\033[1m",
        [STYLE_FAINT] = "\033[2m",
        [STYLE_ERROR] = "\033[1;31m",
    };
    return has_colour(file) ? sequences[style] : "";
}

int output_text(const char *text) {
    g_autofree char *clean = isatty(STDOUT_FILENO) ? printable_text(text) : NULL;
    if (fputs(clean ? clean : text, stdout) != EOF && fflush(stdout) != EOF) return 0;
    if (!write_errno) write_errno = errno;
    return -write_errno;
}

void output_json(JsonBuilder *builder) {
    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    g_autofree char *text = json_to_string(root, TRUE);
    printf("%s\n", text);
}

static size_t width(const char *cell) {
    size_t columns = 0;
    for (const char *p = cell; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);
        if (!g_unichar_iszerowidth(c)) columns += g_unichar_iswide(c) ? 2 : 1;
    }
    return columns;
}

static void pad(size_t n) {
    while (n-- > 0) putchar(' ');
}

static void row_print(char **cells, const size_t *widths, unsigned n_columns, unsigned right) {
    for (unsigned i = 0; i < n_columns; i++) {
        size_t space = widths[i] - width(cells[i]);
        bool to_right = right & (1u << i);
        if (to_right) pad(space);
        fputs(cells[i], stdout);
        if (i + 1 < n_columns) pad(to_right ? 2 : space + 2);
    }
}

void output_table(GPtrArray *cells, unsigned n_columns, unsigned right) {
    g_autofree size_t *widths = g_new0(size_t, n_columns);
    for (guint i = 0; i < cells->len; i++) {
        char *clean = printable_line(cells->pdata[i]);
        g_free(cells->pdata[i]);
        cells->pdata[i] = clean;
        widths[i % n_columns] = MAX(widths[i % n_columns], width(clean));
    }
    for (guint i = 0; i < cells->len; i += n_columns) {
        if (i == 0) fputs(output_style(stdout, STYLE_STRONG), stdout);
        row_print((char **)cells->pdata + i, widths, n_columns, right);
        if (i == 0) fputs(output_style(stdout, STYLE_PLAIN), stdout);
        putchar('\n');
    }
}

static char *scaled(double n, double step, const char *const *units, size_t n_units) {
    size_t unit = 0;
    while (n >= step && unit + 1 < n_units) {
        n /= step;
        unit++;
    }
    return g_strdup_printf(unit && n < 100 ? "%.1f%s" : "%.0f%s", n, units[unit]);
}

char *output_bytes(uint64_t n) {
    static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB"};
    return scaled((double)n, 1024, units, G_N_ELEMENTS(units));
}

char *output_count(uint64_t n) {
    static const char *const units[] = {"", "K", "M", "B", "T"};
    return scaled((double)n, 1000, units, G_N_ELEMENTS(units));
}

int output_close(int exit_code) {
    if (fflush(stdout) != 0 && !write_errno) write_errno = errno;
    /* A full buffer may have failed to be written while something was printed. */
    if (ferror(stdout) && !write_errno) write_errno = EIO;
    if (!write_errno) return exit_code;
    /* Nobody reads any more: that is for the reader to explain. */
    if (write_errno == EPIPE) return EXIT_FAILURE;
    return failure(_("Cannot write: %s"), g_strerror(write_errno));
}
