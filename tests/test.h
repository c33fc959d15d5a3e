/*
 * A test program in one header: a table of named cases, checks that print where they failed, TAP on
 * stdout.
 *
 *     static void adds(void) { CHECK_INT(1 + 1, 2); }
 *     int main(void) { return TEST_MAIN({"adds", adds}); }
 *
 * A case that lacks what it needs calls test_skip("why") and returns; it is reported, loudly, as
 * skipped.
 */
#pragma once

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct TestCase {
    const char *name;
    void (*run)(void);
};

/* Of the running case. Weak: the files of a program share them. */
__attribute__((weak)) int test_n_failures;
__attribute__((weak)) const char *test_skip_reason;

__attribute__((format(printf, 3, 4), unused)) static void test_fail(const char *file, int line,
                                                                    const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    printf("# %s:%d: ", file, line);
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    test_n_failures++;
}

__attribute__((unused)) static void test_skip(const char *reason) {
    test_skip_reason = reason;
}

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) test_fail(__FILE__, __LINE__, "%s", #condition);                         \
    } while (0)

#define CHECK_INT(actual, expected)                                                                \
    do {                                                                                           \
        intmax_t a_ = (intmax_t)(actual), e_ = (intmax_t)(expected);                               \
        if (a_ != e_) test_fail(__FILE__, __LINE__, "%s is %jd, expected %jd", #actual, a_, e_);   \
    } while (0)

#define CHECK_STR(actual, expected)                                                                \
    do {                                                                                           \
        const char *a_ = (actual), *e_ = (expected);                                               \
        if (!a_ || strcmp(a_, e_))                                                                 \
            test_fail(__FILE__, __LINE__, "%s is \"%s\", expected \"%s\"", #actual,                \
                      a_ ? a_ : "(null)", e_);                                                     \
    } while (0)

#define CHECK_NEAR(actual, expected, bound)                                                        \
    do {                                                                                           \
        double a_ = (actual), e_ = (expected);                                                     \
        if (!(fabs(a_ - e_) <= (bound)))                                                           \
            test_fail(__FILE__, __LINE__, "%s is %g, expected %g within %g", #actual, a_, e_,      \
                      (double)(bound));                                                            \
    } while (0)

/* Ends the case at once when the rest could only crash. */
#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            test_fail(__FILE__, __LINE__, "%s", #condition);                                       \
            return;                                                                                \
        }                                                                                          \
    } while (0)

/* A file under the directory that RYZEN_LLM_TEST_DATA names (large fixtures that do not come with
 * the source), or NULL after skipping the case. The caller frees it. */
__attribute__((unused)) static char *test_data(const char *name) {
    const char *directory = getenv("RYZEN_LLM_TEST_DATA");
    char *path = NULL;
    if (!directory || !*directory) {
        test_skip("RYZEN_LLM_TEST_DATA is not set");
        return NULL;
    }
    if (asprintf(&path, "%s/%s", directory, name) < 0) abort();
    FILE *file = fopen(path, "rb");
    if (!file) {
        test_skip("a fixture is missing below RYZEN_LLM_TEST_DATA");
        free(path);
        return NULL;
    }
    fclose(file);
    return path;
}

/* For main() to return, instead of test_main(). */
__attribute__((unused)) static int test_skip_all(const char *why) {
    printf("1..0 # SKIP %s\n", why);
    return 0;
}

__attribute__((unused)) static int test_main(const struct TestCase *cases, size_t n) {
    bool failed = false;
    printf("1..%zu\n", n);
    for (size_t i = 0; i < n; i++) {
        test_n_failures = 0;
        test_skip_reason = NULL;
        cases[i].run();
        failed |= test_n_failures > 0;
        printf("%s %zu - %s%s%s\n", test_n_failures ? "not ok" : "ok", i + 1, cases[i].name,
               test_skip_reason ? " # SKIP " : "", test_skip_reason ? test_skip_reason : "");
        fflush(stdout);
    }
    return failed ? 1 : 0;
}

#define TEST_MAIN(...)                                                                             \
    test_main((const struct TestCase[]){__VA_ARGS__},                                              \
              sizeof((const struct TestCase[]){__VA_ARGS__}) / sizeof(struct TestCase))
