/*
 * UTF-8 and what tokenizers ask about characters: the general categories Letter and Number
 * (\p{L}, \p{N}) and the property White_Space (\s).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* What utf8_decode() gives for a byte that starts no character. */
#define UTF8_INVALID UINT32_MAX
#define UTF8_MAX_SIZE 4

/* The character at the start of `text` (size >= 1): returns its size in bytes. Malformed,
 * overlong, surrogate or cut short: 1 and UTF8_INVALID. */
unsigned utf8_decode(const char *text, size_t size, uint32_t *ret);

/* Writes a code point < 0x110000 and returns its size. */
unsigned utf8_encode(uint32_t code_point, char ret[UTF8_MAX_SIZE]);

enum UnicodeClass {
    UNICODE_OTHER, /* and what is invalid */
    UNICODE_LETTER,
    UNICODE_NUMBER,
    UNICODE_SPACE,
};

enum UnicodeClass unicode_class(uint32_t code_point);
