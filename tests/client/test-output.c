#include "client/output.h"

#include <glib.h>

#include "tests/test.h"

static void bytes(void) {
    static const struct {
        uint64_t n;
        const char *text;
    } rows[] = {{0, "0 B"},
                {1023, "1023 B"},
                {1024, "1.0 KiB"},
                {1500000000, "1.4 GiB"},
                {UINT64_C(300) << 30, "300 GiB"},
                {UINT64_MAX, "16777216 TiB"}};
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = output_bytes(rows[i].n);
        CHECK_STR(text, rows[i].text);
    }
}

static void count(void) {
    g_autofree char *few = output_count(999), *million = output_count(125000000),
                    *billion = output_count(2400000000);
    CHECK_STR(few, "999");
    CHECK_STR(million, "125M");
    CHECK_STR(billion, "2.4B");
}

int main(void) {
    return TEST_MAIN({"bytes", bytes}, {"count", count});
}
