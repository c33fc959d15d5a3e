#include "client/printable.h"

#include <glib.h>
#include <stdbool.h>
#include <string.h>

#define CONTROL_PICTURES 0x2400u /* + the code of a C0 character */
#define PICTURE_OF_DELETE 0x2421u
#define REPLACEMENT 0xfffdu

static gunichar visible(gunichar c) {
    if (c < 0x20) return CONTROL_PICTURES + c;
    if (c == 0x7f) return PICTURE_OF_DELETE;
    return c >= 0x80 && c < 0xa0 ? REPLACEMENT : c;
}

static char *printable(const char *text, const char *keep) {
    GString *result = g_string_sized_new(strlen(text));
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    for (const char *p = valid; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);
        bool kept = c < 0x80 && strchr(keep, (int)c);
        g_string_append_unichar(result, kept ? c : visible(c));
    }
    return g_string_free(result, FALSE);
}

char *printable_text(const char *text) {
    return printable(text, "\n\t");
}

char *printable_line(const char *text) {
    return printable(text, "");
}
