/*
 * Values of configuration options as systemd writes them. All return 0, or -EINVAL for what is not
 * such a value.
 */
#pragma once

#include <stdint.h>

/* Absolute paths with blanks between them, at least one; the caller frees with g_strfreev(). */
int value_strings(const char *text, char ***ret);
/* A whole number. */
int value_count(const char *text, uint64_t minimum, uint64_t maximum, uint64_t *ret);
/* Bytes with an optional K, M, G or T (of 1024), or N% of the machine's memory. */
int value_size(const char *text, uint64_t *ret);
/* Microseconds of "300" (seconds), "5min", "1h 30min", "250ms". */
int value_span(const char *text, uint64_t *ret_usec);
