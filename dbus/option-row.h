/*
 * The table of generation options: what options.h's functions and those that read and write D-Bus
 * messages share. Nobody else includes it.
 */
#pragma once

#include "dbus/options.h"

/* One row is one option. */
struct OptionRow {
    const char *name;
    char type; /* 'u', 't', 'b', 'd', 's'; 'a': an array of strings; 'm': of tokens and biases */
    size_t offset; /* in struct GenerateOptions */
    /* Of the number, or of each bias; of the length of the string, or of each, in bytes. */
    double minimum, maximum;
    unsigned n_max;           /* elements of an array */
    const char *const *words; /* the strings that there are, NULL-terminated; NULL: any */
};

#define N_OPTION_ROWS 37u
extern const struct OptionRow option_rows[N_OPTION_ROWS];
_Static_assert(N_OPTION_ROWS <= 64, "GenerateOptions.set has a bit for each row");

const struct OptionRow *option_row_find(const char *name); /* NULL: there is none */

static inline uint64_t option_row_bit(const struct OptionRow *row) {
    return UINT64_C(1) << (row - option_rows);
}

static inline void *option_field(const struct GenerateOptions *options,
                                 const struct OptionRow *row) {
    return (char *)options + row->offset;
}
