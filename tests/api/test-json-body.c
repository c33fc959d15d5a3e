/* JSON from outside: what is refused before the parser sees it, and where it says it is. */
#include "api/json-body.h"

#include "api/limits.h"
#include "test.h"

static bool accepts(const char *text, size_t size, Problem *why) {
    g_autoptr(JsonNode) node = json_body_parse(text, size, why);
    return node != NULL;
}

static void takes_json(void) {
    static const char *const good[] = {
        "{}",
        "[]",
        " { \"a\" : [ 1, -2.5e+3, true, false, null, \"x\\n\\\"\\\\\\u00e9/#'\" ] } \n",
        "{\"a\":\"[[[[{{{{\"}",
        "\"\\ud83e\\udd80\"",
        "[[],[{}],{\"\":{}}]",
        "-0.0e-1",
        "12345678901234567890123",
        "\"text\"",
        "0",
        "{\"\xc3\xa9\":\"\xf0\x9f\xa6\x80\"}",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        Problem why = {0};
        if (!accepts(good[i], strlen(good[i]), &why))
            test_fail(__FILE__, __LINE__, "%s: %s", good[i], why.text);
    }
}

static void refuses_other(void) {
    static const struct {
        const char *text;
        const char *says;
    } bad[] = {
        {"", "ends early"},
        {"   \n ", "line 2, column 2: it ends early"},
        {"{", "line 1, column 2: it ends early"},
        {"{\"a\":1}}", "line 1, column 8"},
        {"{} 1", "line 1, column 4"},
        {"{\"a\":1,\n \"b\":}", "line 2, column 6: a value"},
        {"{\"a\":\"x", "does not end"},
        {"{\"a\":\"x\\", "no character"},
        {"{\"a\":\"x\ny\"}", "control character"},
        {"{\"a\":\"\\x41\"}", "no character"},
        {"{\"a\":\"\\u00g0\"}", "no character"},
        {"{\"a\":\"\\u0000\"}", "no character"},
        {"{\"a\":\"\\ud800\"}", "no character"},
        {"{\"a\":\"\\ud800\\u0041\"}", "no character"},
        {"{\"a\":\"\\udc00\\ud800\"}", "no character"},
        {"{\"a\":\"x\xff\"}", "column 8: this is not UTF-8"},
        {"{\"a\":1 /* \" */}", "column 8"},
        {"// x\n{}", "column 1"},
        {"var a = {}", "column 1"},
        {"{'a':1}", "column 2: a name"},
        {"{a:1}", "column 2: a name"},
        {"{\"a\":1,}", "column 8: a name"},
        {"[1,]", "column 4: a value"},
        {"[1 2]", "column 4: a comma"},
        {"{\"a\" 1}", "column 6: a colon"},
        {"[}", "column 2"},
        {"[1}", "column 3"},
        {"{\"a\":1]", "column 7"},
        {"nul", "a value"},
        {"nulll", "column 5"},
        {"+1", "a value"},
        {"010", "not a number"},
        {"0x1f", "something follows"},
        {"-", "not a number"},
        {"1.", "not a number"},
        {".5", "a value"},
        {"1e", "not a number"},
        {"NaN", "a value"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        Problem why = {0};
        if (accepts(bad[i].text, strlen(bad[i].text), &why) || !strstr(why.text, bad[i].says))
            test_fail(__FILE__, __LINE__, "%s: \"%s\", expected \"%s\"", bad[i].text, why.text,
                      bad[i].says);
        CHECK_INT(why.kind, PROBLEM_INVALID_ARGUMENT);
    }
    Problem why;
    CHECK(!accepts("{}\0 ", 4, &why));
}

/* The parser recurses: this many brackets would end the process. */
static void limits_depth(void) {
    size_t n = 1u << 20;
    g_autofree char *deep = g_malloc(n);
    Problem why = {0};
    memset(deep, '[', n);
    CHECK(!accepts(deep, n, &why));
    CHECK(strstr(why.text, "too deeply"));

    memset(deep + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    CHECK(accepts(deep, 2 * JSON_DEPTH_MAX, &why));
    memset(deep, '[', JSON_DEPTH_MAX + 1);
    memset(deep + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    CHECK(!accepts(deep, 2 * JSON_DEPTH_MAX + 2, &why));
}

static void limits_values(void) {
    size_t n = 2 * (JSON_VALUES_MAX + 2);
    g_autofree char *wide = g_malloc(n);
    Problem why = {0};
    for (size_t i = 0; i < n; i++) wide[i] = i % 2 ? '1' : ',';
    wide[0] = '[';
    CHECK(!accepts(wide, n, &why));
    CHECK(strstr(why.text, "too many values"));
}

int main(void) {
    return TEST_MAIN({"takes-json", takes_json}, {"refuses-other", refuses_other},
                     {"limits-depth", limits_depth}, {"limits-values", limits_values});
}
