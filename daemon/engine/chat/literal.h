/* String and number literals of a template, as Python reads them. */
#pragma once

#include "engine/chat/value.h"

/* Reads the literal at the start of `source`, which starts with a quote or a digit; `after_dot`: it
 * can't be a float. Returns its size, or 0 with what is wrong in `words`. */
size_t literal_read(struct Arena *arena, const char *source, size_t size, bool after_dot,
                    Value *ret, const char **words);

/* A float as Python's float() reads it ("1e3", " -inf "), the whole of `text`. */
bool literal_parse_float(const struct Text *text, double *ret);
/* An integer as Python's int(text, base) reads it, base 0 or 2 to 36; false also when it has more
 * than 64 bits. */
bool literal_parse_int(const struct Text *text, unsigned base, int64_t *ret);
