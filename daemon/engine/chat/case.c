#include "engine/chat/case.h"

#include <locale.h>
#include <pthread.h>
#include <wctype.h>

#include "engine/text/unicode.h"

static locale_t unicode_locale;

static void make_locale(void) {
    unicode_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

static locale_t get_locale(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_locale);
    return unicode_locale;
}

bool character_is(uint32_t c, enum Case which) {
    if (c < 0x80) return which == CASE_UPPER ? c - 'A' < 26 : c - 'a' < 26;
    locale_t locale = get_locale();
    if (!locale || c == UTF8_INVALID) return false;
    return which == CASE_UPPER ? iswupper_l(c, locale) : iswlower_l(c, locale);
}

static uint32_t convert(uint32_t c, enum Case which) {
    if (c < 0x80) return character_is(c, !which) ? c ^ 0x20 : c;
    locale_t locale = get_locale();
    if (!locale) return c;
    return which == CASE_UPPER ? towupper_l(c, locale) : towlower_l(c, locale);
}

void builder_add_cased(struct TextBuilder *builder, const struct Text *text, size_t from,
                       size_t size, enum Case which) {
    uint32_t c;
    for (size_t at = from; at < from + size;) {
        unsigned n = utf8_decode(text->bytes + at, from + size - at, &c);
        bool trusted = text_trusted_at(text, at);
        if (c == UTF8_INVALID)
            builder_add_part(builder, text, at, n);
        else if (c == 0xdf && which == CASE_UPPER)
            builder_add_words(builder, "SS", trusted);
        else
            builder_add_character(builder, convert(c, which), trusted);
        at += n;
    }
}
