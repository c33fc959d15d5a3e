#include "client/printable.h"

#include <glib.h>

#include "tests/test.h"

static void text(void) {
    static const struct {
        const char *from, *to;
    } rows[] = {
        {"", ""},
        {"plain \u00e9 \u4f60 \U0001f600\n\t", "plain \u00e9 \u4f60 \U0001f600\n\t"},
        {"\x1b[2J", "\u241b[2J"},
        {"a\rb\bc\x07", "a\u240db\u2408c\u2407"},
        {"\x7f", "\u2421"},
        {"\xc2\x9b"
         "31m\xc2\x80",
         "\ufffd31m\ufffd"},
        {"\xc2\xa0", "\xc2\xa0"},
        {"\xff", "\ufffd"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *clean = printable_text(rows[i].from);
        CHECK_STR(clean, rows[i].to);
    }
}

static void line(void) {
    g_autofree char *clean = printable_line("a\nb\tc");
    CHECK_STR(clean, "a\u240ab\u2409c");
}

int main(void) {
    return TEST_MAIN({"text", text}, {"line", line});
}
