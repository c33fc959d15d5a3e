#include "client/arguments.h"

#include <glib.h>

#include "client/verb.h"
#include "tests/test.h"

static const struct Verb verb = {"test", NULL, "Test", "WORD...", 1, 2, ""};

/* The exit code or ARGUMENTS_READ, with the generation options in `ret`. */
static int parse(struct GenerateOptions *ret, char ***ret_rest, int argc, const char **argv) {
    options_init(ret);
    struct Arguments arguments = {.generate = ret};
    int code = arguments_parse(&arguments, &verb, argc, (char **)argv);
    *ret_rest = arguments.rest;
    return code;
}

#define PARSE(...)                                                                                 \
    parse(&options, &rest, (int)G_N_ELEMENTS(((const char *[]){"test", __VA_ARGS__})),             \
          (const char *[]){"test", __VA_ARGS__, NULL})

static void every_option_is_in_the_table(void) {
    for (const GOptionEntry *entry = arguments_generate_entries; entry->long_name; entry++) {
        g_autofree char *name = g_strdelimit(g_strdup(entry->long_name), "-", '_');
        char range[OPTIONS_RANGE_SIZE];
        if (!options_range(name, range, sizeof range))
            test_fail(__FILE__, __LINE__, "%s is no option", name);
    }
}

static void reads(void) {
    struct GenerateOptions options;
    g_auto(GStrv) rest = NULL;
    CHECK_INT(PARSE("a", "--top-k=7", "--ignore-eos", "--min-p", "0.25", "--", "-b"),
              ARGUMENTS_READ);
    REQUIRE(rest && rest[0] && rest[1]);
    CHECK_STR(rest[0], "a");
    CHECK_STR(rest[1], "-b");
    CHECK(options.top_k == 7 && options.ignore_eos && options.min_p == 0.25);
    CHECK(options_is_set(&options, "top_k") && !options_is_set(&options, "top_p"));
    options_done(&options);
}

static void refuses(void) {
    struct GenerateOptions options;
    char **rest = NULL;
    CHECK_INT(PARSE("a", "--top-k=-1"), 2);
    CHECK_INT(PARSE("a", "--top-k"), 2);
    CHECK_INT(PARSE("a", "--nonsense"), 2);
    CHECK_INT(PARSE("a", "b", "c"), 2);
    CHECK_INT(PARSE("--top-k=1"), 2);
    CHECK(rest == NULL);
}

int main(void) {
    return TEST_MAIN({"every option is in the table", every_option_is_in_the_table},
                     {"reads", reads}, {"refuses", refuses});
}
