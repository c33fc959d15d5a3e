#include "client/name.h"

#include <glib.h>

#include "tests/test.h"

static void from_file(void) {
    static const struct {
        const char *path, *name;
    } rows[] = {
        {"bitnet-2b.gguf", "bitnet-2b"},
        {"/a/b/BitNet-B1.58.GGUF", "bitnet-b1.58"},
        {"My Model (v2)!.gguf", "my-model-v2"},
        {"..hidden_.gguf", "hidden"},
        {"mod\u00e8le.gguf", "mod-le"},
        {"no-suffix", "no-suffix"},
        {"a__b..c", "a__b..c"},
        {"/a/Big-Model-00002-of-00003.gguf", "big-model"},
        {"model-00004-of-00003.gguf", "model-00004-of-00003"},
        {"model-1-of-3.gguf", "model-1-of-3"},
        {".gguf", NULL},
        {"---", NULL},
        {"\u6a21\u578b.gguf", NULL},
        {"/", NULL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *name = name_from_file(rows[i].path);
        if (g_strcmp0(name, rows[i].name) != 0)
            test_fail(__FILE__, __LINE__, "%s became %s", rows[i].path, name ?: "(null)");
        CHECK(!name || name_is_valid(name));
    }
}

static void long_names_are_cut(void) {
    g_autofree char *path = g_strnfill(200, 'a');
    g_autofree char *name = name_from_file(path);
    CHECK_INT(strlen(name), NAME_LENGTH_MAX);
    path[NAME_LENGTH_MAX - 1] = '-';
    g_autofree char *cut_at_dash = name_from_file(path);
    CHECK_INT(strlen(cut_at_dash), NAME_LENGTH_MAX - 1);
    CHECK(name_is_valid(cut_at_dash));
}

static void valid(void) {
    CHECK(name_is_valid("a"));
    CHECK(name_is_valid("9.B_c-"));
    CHECK(!name_is_valid(""));
    CHECK(!name_is_valid("-a"));
    CHECK(!name_is_valid(".a"));
    CHECK(!name_is_valid("a/b"));
    CHECK(!name_is_valid("a b"));
    CHECK(!name_is_valid("\u00e9"));
    g_autofree char *longest = g_strnfill(64, 'a'), *too_long = g_strnfill(65, 'a');
    CHECK(name_is_valid(longest));
    CHECK(!name_is_valid(too_long));
}

int main(void) {
    return TEST_MAIN({"from file", from_file}, {"long names are cut", long_names_are_cut},
                     {"valid", valid});
}
