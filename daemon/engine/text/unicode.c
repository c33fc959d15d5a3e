#include "engine/text/unicode.h"

#include <stdbool.h>

#include "engine/text/unicode-tables.h"

#define UNICODE_END 0x110000
#define REPLACEMENT 0xfffd

unsigned utf8_decode(const char *text, size_t size, uint32_t *ret) {
    /* By size: the bits of the first byte that are fixed, their value, the least code point. */
    static const struct {
        uint8_t mask, value;
        uint32_t least;
    } SIZES[] = {
        {0}, {0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    const uint8_t *bytes = (const uint8_t *)text;
    for (unsigned n = 1; n <= UTF8_MAX_SIZE && n <= size; n++) {
        if ((bytes[0] & SIZES[n].mask) != SIZES[n].value) continue;
        uint32_t c = bytes[0] & (uint8_t)~SIZES[n].mask;
        bool whole = true;
        for (unsigned i = 1; i < n; i++) {
            whole = whole && (bytes[i] & 0xc0) == 0x80;
            c = c << 6 | (bytes[i] & 0x3f);
        }
        if (!whole || c < SIZES[n].least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) break;
        *ret = c;
        return n;
    }
    *ret = UTF8_INVALID;
    return 1;
}

unsigned utf8_encode(uint32_t c, char ret[UTF8_MAX_SIZE]) {
    if (c < 0x80) {
        ret[0] = (char)c;
        return 1;
    }
    unsigned size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (unsigned i = size - 1; i > 0; i--, c >>= 6) ret[i] = (char)(0x80 | (c & 0x3f));
    ret[0] = (char)(0xf00 >> size | c);
    return size;
}

enum UnicodeClass unicode_class(uint32_t c) {
    if (c >= UNICODE_END) c = REPLACEMENT;
    size_t low = 0, high = UNICODE_CHANGES_SIZE;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (UNICODE_CHANGES[middle] >> UNICODE_CLASS_BITS <= c)
            low = middle;
        else
            high = middle;
    }
    return UNICODE_CHANGES[low] & ((1 << UNICODE_CLASS_BITS) - 1);
}
