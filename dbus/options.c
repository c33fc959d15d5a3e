#include "dbus/options.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/option-row.h"

void options_init(struct GenerateOptions *options) {
    *options = (struct GenerateOptions){
        .temperature = 0.8,
        .top_p = 0.95,
        .min_p = 0.05,
        .repeat_penalty = 1,
        .max_tokens = 512,
        .top_k = 40,
        .repeat_last_n = 64,
        .typical_p = 1,
        .top_n_sigma = -1,
        .xtc_threshold = 0.1,
        .dry_base = 1.75,
        .dry_allowed_length = 2,
        .dry_penalty_last_n = 1 << 20,
        .dynatemp_exponent = 1,
        .mirostat_tau = 5,
        .mirostat_eta = 0.1,
        .add_generation_prompt = true,
    };
}

/* ---- What the struct owns ---- */

static bool row_is_owned(const struct OptionRow *row) {
    return row->type == 's' || row->type == 'a' || row->type == 'm';
}

static void strings_free(char **strings) {
    for (char **s = strings; s && *s; s++) free(*s);
    free(strings);
}

void options_done(struct GenerateOptions *options) {
    for (size_t i = 0; i < N_OPTION_ROWS; i++) {
        const struct OptionRow *row = &option_rows[i];
        if (!row_is_owned(row)) continue;
        void **owned = option_field(options, row);
        if (row->type == 'a')
            strings_free(*owned);
        else
            free(*owned);
        *owned = NULL;
    }
}

/* `ret` does not have the option yet. */
static int owned_copy(const struct GenerateOptions *from, const struct OptionRow *row,
                      struct GenerateOptions *ret) {
    int r = 0;
    if (row->type == 's') {
        const char *text = *(char **)option_field(from, row);
        return text ? options_set_text(ret, row->name, text) : 0;
    }
    if (row->type == 'm') {
        const struct TokenBiases *biases = *(struct TokenBiases **)option_field(from, row);
        for (size_t i = 0; r == 0 && biases && i < biases->n; i++)
            r = options_add_bias(ret, biases->biases[i].token, biases->biases[i].bias);
        return r;
    }
    for (char **s = *(char ***)option_field(from, row); r == 0 && s && *s; s++)
        r = options_set_text(ret, row->name, *s);
    return r;
}

int options_copy(const struct GenerateOptions *from, struct GenerateOptions *ret) {
    struct GenerateOptions copy = *from;
    int r = 0;
    for (size_t i = 0; i < N_OPTION_ROWS; i++)
        if (row_is_owned(&option_rows[i])) *(void **)option_field(&copy, &option_rows[i]) = NULL;
    for (size_t i = 0; r == 0 && i < N_OPTION_ROWS; i++)
        if (row_is_owned(&option_rows[i])) r = owned_copy(from, &option_rows[i], &copy);
    if (r < 0)
        options_done(&copy);
    else
        *ret = copy;
    return r;
}

bool options_is_set(const struct GenerateOptions *options, const char *name) {
    const struct OptionRow *row = option_row_find(name);
    return row && (options->set & option_row_bit(row));
}

/* ---- Ranges ---- */

/* "auto, off or model" */
static void words_print(const struct OptionRow *row, char *buffer, size_t size) {
    size_t n = 0;
    for (size_t i = 0; row->words[i] && n < size; i++) {
        const char *before = i == 0 ? "" : row->words[i + 1] ? ", " : " or ";
        n += (size_t)snprintf(buffer + n, size - n, "%s%s", before, row->words[i]);
    }
}

static void text_range_print(const struct OptionRow *row, char *buffer, size_t size) {
    size_t n = 0;
    if (row->type == 'a')
        n = (size_t)snprintf(buffer, size, "up to %u %s", row->n_max, row->words ? "of " : "");
    if (row->words)
        words_print(row, buffer + n, size - n);
    else
        snprintf(buffer + n, size - n, "%s of %.0f to %.0f bytes", n ? "texts" : "a text",
                 row->minimum, row->maximum);
}

const char *options_range(const char *name, char *buffer, size_t size) {
    const struct OptionRow *row = option_row_find(name);
    if (!row) return NULL;
    switch (row->type) {
    case 'a':
    case 's':
        text_range_print(row, buffer, size);
        break;
    case 'm':
        snprintf(buffer, size, "up to %u tokens with a number from %g to %g, or -infinity",
                 row->n_max, row->minimum, row->maximum);
        break;
    case 'b':
        snprintf(buffer, size, "true or false");
        break;
    case 'd':
        snprintf(buffer, size, "a number from %g to %g", row->minimum, row->maximum);
        break;
    case 't':
        snprintf(buffer, size, "a whole number from 0 to %" PRIu64, UINT64_MAX);
        break;
    default:
        snprintf(buffer, size, "a whole number from %.0f to %.0f", row->minimum, row->maximum);
        break;
    }
    return buffer;
}

static bool text_in_range(const struct OptionRow *row, const char *text) {
    double length = (double)strlen(text);
    if (length < row->minimum || length > row->maximum) return false;
    if (!row->words) return true;
    for (const char *const *word = row->words; *word; word++)
        if (strcmp(*word, text) == 0) return true;
    return false;
}

/* ---- Setting ---- */

/* `value` is known to be in the row's range. */
static void number_store(struct GenerateOptions *options, const struct OptionRow *row,
                         double value) {
    void *field = option_field(options, row);
    switch (row->type) {
    case 'u':
        *(uint32_t *)field = (uint32_t)value;
        break;
    case 't':
        *(uint64_t *)field = (uint64_t)value;
        break;
    case 'b':
        *(bool *)field = value != 0;
        break;
    default:
        *(double *)field = value;
        break;
    }
    options->set |= option_row_bit(row);
}

int options_set_number(struct GenerateOptions *options, const char *name, double value) {
    const struct OptionRow *row = option_row_find(name);
    if (!row) return -ENOENT;
    if (row_is_owned(row) || !(value >= row->minimum && value <= row->maximum)) return -ERANGE;
    if (row->type != 'd' && value != floor(value)) return -ERANGE;
    if (row->type == 't' && value >= row->maximum) return -ERANGE;
    number_store(options, row, value);
    return 0;
}

void options_set_seed(struct GenerateOptions *options, uint64_t seed) {
    options->seed = seed;
    options->set |= option_row_bit(option_row_find("seed"));
}

static int seed_parse(struct GenerateOptions *options, const char *text) {
    char *end;
    errno = 0;
    unsigned long long seed = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-') return -ERANGE;
    options_set_seed(options, seed);
    return 0;
}

static int array_add(struct GenerateOptions *options, const struct OptionRow *row,
                     const char *text) {
    char ***array = option_field(options, row);
    size_t n = 0;
    while (*array && (*array)[n]) n++;
    if (n == row->n_max) return -ERANGE;

    char **grown = realloc(*array, (n + 2) * sizeof *grown);
    if (!grown) return -ENOMEM;
    *array = grown;
    grown[n] = strdup(text);
    grown[n + 1] = NULL;
    return grown[n] ? 0 : -ENOMEM;
}

int options_add_bias(struct GenerateOptions *options, int32_t token, double bias) {
    const struct OptionRow *row = option_row_find("logit_bias");
    size_t n = options->logit_bias ? options->logit_bias->n : 0;
    bool in_range = bias >= row->minimum && bias <= row->maximum; /* not for NaN */
    if (token < 0 || n == row->n_max || (!in_range && bias != -INFINITY)) return -ERANGE;

    struct TokenBiases *grown =
        realloc(options->logit_bias, sizeof *grown + (n + 1) * sizeof *grown->biases);
    if (!grown) return -ENOMEM;
    grown->biases[n] = (struct TokenBias){token, bias};
    grown->n = n + 1;
    options->logit_bias = grown;
    options->set |= option_row_bit(row);
    return 0;
}

/* "15043=-1.5" */
static int bias_parse(struct GenerateOptions *options, const char *text) {
    char *end;
    errno = 0;
    long token = strtol(text, &end, 10);
    if (errno || end == text || *end != '=' || token < 0 || token > INT32_MAX) return -ERANGE;
    const char *number = end + 1;
    double bias = strtod(number, &end);
    if (end == number || *end) return -ERANGE;
    return options_add_bias(options, (int32_t)token, bias);
}

void options_set_empty(struct GenerateOptions *options, const char *name) {
    options->set |= option_row_bit(option_row_find(name));
}

static int string_store(struct GenerateOptions *options, const struct OptionRow *row,
                        const char *text) {
    char **place = option_field(options, row), *copy = strdup(text);
    if (!copy) return -ENOMEM;
    free(*place);
    *place = copy;
    return 0;
}

int options_set_text(struct GenerateOptions *options, const char *name, const char *value) {
    const struct OptionRow *row = option_row_find(name);
    char *end;
    if (!row) return -ENOENT;
    if (row->type == 't') return seed_parse(options, value);
    if (row->type == 'm') return bias_parse(options, value);
    if (row_is_owned(row)) {
        if (!text_in_range(row, value)) return -ERANGE;
        int r =
            row->type == 'a' ? array_add(options, row, value) : string_store(options, row, value);
        if (r == 0) options->set |= option_row_bit(row);
        return r;
    }
    if (row->type == 'b' && (!strcmp(value, "true") || !strcmp(value, "false")))
        return options_set_number(options, name, *value == 't');
    double number = strtod(value, &end);
    if (end == value || *end) return -ERANGE;
    return options_set_number(options, name, number);
}
