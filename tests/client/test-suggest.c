#include "client/suggest.h"

#include <limits.h>

#include "tests/test.h"

static void distance(void) {
    CHECK_INT(suggest_distance("", ""), 0);
    CHECK_INT(suggest_distance("", "abc"), 3);
    CHECK_INT(suggest_distance("show", "show"), 0);
    CHECK_INT(suggest_distance("show", "sohw"), 1);
    CHECK_INT(suggest_distance("kitten", "sitting"), 3);
    CHECK_INT(suggest_distance("chat", "cat"), 1);
    char longest[64] = {0}, too_long[65] = {0};
    memset(longest, 'a', 63);
    memset(too_long, 'a', 64);
    CHECK_INT(suggest_distance(longest, "a"), 62);
    CHECK_INT(suggest_distance(too_long, "a"), UINT_MAX);
}

static void nearest(void) {
    static const char *const words[] = {"ask", "chat", "models", "unload", "load", NULL};
    CHECK_STR(suggest("aks", words), "ask");
    CHECK_STR(suggest("model", words), "models");
    CHECK_STR(suggest("lod", words), "load");
    CHECK_STR(suggest("unlaod", words), "unload");
    CHECK(suggest("xyzzy", words) == NULL);
    CHECK(suggest("x", words) == NULL);
    CHECK(suggest("", words) == NULL);
}

int main(void) {
    return TEST_MAIN({"distance", distance}, {"nearest", nearest});
}
