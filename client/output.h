/*
 * What a verb prints on stdout: tables, JSON, answers. Colour only on a terminal, and not when
 * NO_COLOR is set. Write errors are remembered by stdio and reported once, by output_close().
 */
#pragma once

#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum Style { STYLE_PLAIN, STYLE_STRONG, STYLE_FAINT, STYLE_ERROR };

/* The escape sequence, or "" where there is no colour. */
const char *output_style(FILE *file, enum Style style);

/* A piece of an answer, at once. Control characters are made visible on a terminal; elsewhere the
 * text stays what it is. Returns 0 or -errno. */
int output_text(const char *text);

/* Takes the builder's root and prints it, with a final newline. */
void output_json(JsonBuilder *builder);

/* Columns as wide as their widest cell, "" for an empty one. `n_columns` strings a row, headings
 * first. Column i is set to the right where bit i of `right` is set. */
void output_table(GPtrArray *cells, unsigned n_columns, unsigned right);

/* "1.4 GiB", "2.4B" (parameters). The caller frees. */
char *output_bytes(uint64_t n);
char *output_count(uint64_t n);

/* The last of stdout. Returns `exit_code`, or EXIT_FAILURE after saying what could not be
 * written. */
int output_close(int exit_code);
