#include "service/config-value.h"

#include <errno.h>
#include <glib.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

/* A unit and what it multiplies by. */
struct Unit {
    const char *name;
    double factor;
};

static const struct Unit size_units[] = {
    {"", 1},       {"B", 1},        {"K", 0x1p10},   {"M", 0x1p20},   {"G", 0x1p30},
    {"T", 0x1p40}, {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40},
};
static const struct Unit span_units[] = {
    {"", 1e6},      {"s", 1e6},     {"sec", 1e6},     {"us", 1},         {"usec", 1},
    {"ms", 1e3},    {"msec", 1e3},  {"m", 60e6},      {"min", 60e6},     {"h", 3600e6},
    {"hr", 3600e6}, {"d", 86400e6}, {"day", 86400e6}, {"days", 86400e6},
};

/* One number with a unit at `*text`, which is moved behind it. */
static int number_with_unit(const char **text, const struct Unit *units, size_t n_units,
                            double *ret) {
    char *end;
    size_t n_digits = strspn(*text, "0123456789.");
    double value = g_ascii_strtod(*text, &end);
    /* no signs, exponents, hexadecimals, "inf", "nan" */
    if (n_digits == 0 || end != *text + n_digits) return -EINVAL;
    while (*end == ' ') end++;
    size_t length = strspn(end, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    for (size_t i = 0; i < n_units; i++) {
        if (strlen(units[i].name) != length || strncmp(units[i].name, end, length)) continue;
        *text = end + length;
        *ret = value * units[i].factor;
        return 0;
    }
    return -EINVAL;
}

int value_strings(const char *text, char ***ret) {
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) words = g_strsplit_set(text, " \t", -1);
    for (char **word = words; *word; word++) {
        if (!**word) continue;
        if (!g_path_is_absolute(*word)) return -EINVAL;
        g_ptr_array_add(paths, g_strdup(*word));
    }
    if (!paths->len) return -EINVAL;
    g_ptr_array_add(paths, NULL);
    *ret = (char **)g_ptr_array_free(g_steal_pointer(&paths), FALSE);
    return 0;
}

int value_count(const char *text, uint64_t minimum, uint64_t maximum, uint64_t *ret) {
    guint64 value;
    if (!g_ascii_string_to_unsigned(text, 10, minimum, maximum, &value, NULL)) return -EINVAL;
    *ret = value;
    return 0;
}

static int percent(const char *text, uint64_t *ret) {
    char *end;
    double share = g_ascii_strtod(text, &end);
    if (!g_ascii_isdigit(*text) || strcmp(end, "%") || !(share > 0 && share <= 100)) return -EINVAL;
    double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    *ret = (uint64_t)(memory * share / 100);
    return 0;
}

int value_size(const char *text, uint64_t *ret) {
    double bytes;
    if (g_str_has_suffix(text, "%")) return percent(text, ret);
    int r = number_with_unit(&text, size_units, G_N_ELEMENTS(size_units), &bytes);
    if (r < 0 || *text || !(bytes < 0x1p62)) return -EINVAL;
    *ret = (uint64_t)bytes;
    return 0;
}

int value_span(const char *text, uint64_t *ret_usec) {
    double sum = 0, part;
    do {
        if (number_with_unit(&text, span_units, G_N_ELEMENTS(span_units), &part) < 0)
            return -EINVAL;
        sum += part;
        while (*text == ' ') text++;
    } while (*text);
    if (!(sum < 0x1p62)) return -EINVAL;
    *ret_usec = (uint64_t)sum;
    return 0;
}
