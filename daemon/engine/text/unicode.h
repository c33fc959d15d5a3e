/*
 * UTF-8 and what tokenizers ask about characters: the general categories Letter, Number,
 * Punctuation, Symbol and Mark (\p{L} \p{N} \p{P} \p{S} \p{M}) and the property White_Space (\s).
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

/* No character is in two of them: what is in Separator (Z) is white space. */
enum UnicodeClass {
    UNICODE_OTHER, /* controls, formats, unassigned */
    UNICODE_LETTER,
    UNICODE_NUMBER,
    UNICODE_PUNCTUATION,
    UNICODE_SYMBOL,
    UNICODE_MARK,
    UNICODE_SPACE,
};

/* UTF8_INVALID is in the class of U+FFFD, which many programs would put in its place. */
enum UnicodeClass unicode_class(uint32_t code_point);
