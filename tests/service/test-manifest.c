#include "test.h"

#include <glib.h>

#include "service/limits.h"
#include "service/manifest.h"

#define SOUND                                                                                      \
    "\"architecture\":\"fake\",\"family\":\"fake\",\"size\":10,\"weight_bytes\":5,"                \
    "\"context_length\":4096,\"vocabulary_size\":100"

static int parse(const char *text, struct Manifest *ret, Problem *why) {
    return manifest_parse(text, strlen(text), "name", ret, why);
}

static void sound(void) {
    struct Manifest manifest;
    Problem problem = {0};
    CHECK_INT(parse("{" SOUND ",\"name\":\"other\",\"title\":\"A model\",\"can_chat\":true,"
                    "\"digest\":\"abc\",\"chat_template\":null,\"packed\":{\"tier\":\"avx2\"},"
                    "\"new\":[1,{\"a\":2}]}",
                    &manifest, &problem),
              0);
    CHECK_STR(manifest.name, "name"); /* the directory decides */
    CHECK_STR(manifest.title, "A model");
    CHECK_STR(manifest.weights, "");
    CHECK_STR(manifest.chat_template, "");
    CHECK_INT(manifest.context_length, 4096);
    CHECK(manifest.can_chat);
    manifest_done(&manifest);
    CHECK_INT(parse("{" SOUND "}", &manifest, &problem), 0);
    CHECK_STR(manifest.title, "name");
    CHECK_STR(manifest.ternary_layouts, "");
    CHECK(!manifest.can_chat);
    manifest_done(&manifest);
}

/* What is not as the packer writes it is passed over: it says nothing that is needed. */
static void trials(void) {
    static const struct {
        const char *packed, *text;
    } rows[] = {
        {"{\"ternary\":[{\"columns\":4096,\"layout\":\"t1.6\",\"speeds\":{\"t2\":1,\"t1.6\":1.17}},"
         "{\"columns\":64,\"layout\":\"t2\",\"speeds\":{\"t2\":1.0}}]}",
         "4096: t1.6 (t2 1.00, t1.6 1.17); 64: t2 (t2 1.00)"},
        {"{\"ternary\":[4,{},{\"columns\":1,\"layout\":2,\"speeds\":{}},"
         "{\"columns\":1,\"layout\":\"a\",\"speeds\":[]},"
         "{\"columns\":1,\"layout\":\"too long a name\",\"speeds\":{\"x\":[],\"y\":1}}]}",
         "1: too long (y 1.00)"},
        {"{\"ternary\":{}}", ""},
        {"5", ""},
        {"{\"tier\":\"avx2\"}", ""},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct Manifest manifest;
        Problem problem = {0};
        g_autofree char *text = g_strdup_printf("{" SOUND ",\"packed\":%s}", rows[i].packed);
        CHECK_INT(parse(text, &manifest, &problem), 0);
        CHECK_STR(manifest.ternary_layouts, rows[i].text);
        manifest_done(&manifest);
    }
}

static void unsound(void) {
    static const char *const texts[] = {
        "",
        "[]",
        "42",
        "{",
        "not json",
        "{}",
        "{" SOUND ",\"title\":5}",
        "{" SOUND ",\"can_chat\":\"yes\"}",
        "{" SOUND ",\"parameters\":-1}",
        "{" SOUND ",\"parameters\":1.5}",
        "{" SOUND ",\"parameters\":9223372036854775807}",
        "{" SOUND ",\"digest\":{}}",
        "{\"architecture\":\"fake\",\"family\":\"fake\",\"size\":10,\"weight_bytes\":5,"
        "\"context_length\":4294967296,\"vocabulary_size\":1}",
        "{\"architecture\":\"fake\",\"family\":\"fake\",\"size\":-10,\"weight_bytes\":5,"
        "\"context_length\":1,\"vocabulary_size\":1}",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        struct Manifest manifest;
        Problem problem = {0};
        if (parse(texts[i], &manifest, &problem) >= 0)
            test_fail(__FILE__, __LINE__, "accepted: %s", texts[i]);
        CHECK_INT(problem.kind, PROBLEM_BAD_MODEL);
    }
}

/* The JSON parser recurses; a hostile manifest must not get that far. */
static void deep(void) {
    struct Manifest manifest;
    Problem problem = {0};
    g_autofree char *open = g_strnfill(200000, '[');
    g_autofree char *text = g_strdup_printf("{" SOUND ",\"x\":%s", open);
    CHECK(parse(text, &manifest, &problem) < 0);
    CHECK_INT(parse("{" SOUND ",\"x\":\"[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[\"}", &manifest, &problem),
              0);
    manifest_done(&manifest);
    g_autofree char *large = g_strnfill(MANIFEST_SIZE_MAX + 1, ' ');
    CHECK(parse(large, &manifest, &problem) < 0);
}

int main(void) {
    return TEST_MAIN({"sound", sound}, {"trials", trials}, {"unsound", unsound}, {"deep", deep});
}
