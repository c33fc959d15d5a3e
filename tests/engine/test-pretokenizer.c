/* Pieces of text, kind by kind; tests/reference/pretokenizer.py compares them on random texts. */
#include "engine/text/pretokenizer.h"

#include <errno.h>

#include "engine/text/unicode.h"
#include "test.h"

/* ---- Pieces ---- */

struct Joined {
    char text[256];
    size_t size;
};

static int join(void *userdata, const char *text, size_t size) {
    struct Joined *joined = userdata;
    if (joined->size + size + 2 > sizeof joined->text) return -ENOSPC;
    if (joined->size > 0) joined->text[joined->size++] = '_';
    memcpy(joined->text + joined->size, text, size);
    joined->size += size;
    return 0;
}

/* Pieces are written with '_' between them. */
static void check_pieces(const char *name, const char *text, const char *expected) {
    struct Pretokenizer *pretokenizer = NULL;
    struct Joined joined = {0};
    if (pretokenizer_new(name, &pretokenizer) < 0) {
        test_fail(__FILE__, __LINE__, "there is no '%s'", name);
        return;
    }
    CHECK_INT(pretokenizer_run(pretokenizer, text, strlen(text), join, &joined), 0);
    if (strcmp(joined.text, expected) != 0)
        test_fail(__FILE__, __LINE__, "%s: \"%s\" becomes \"%s\", expected \"%s\"",
                  name ? name : "nothing", text, joined.text, expected);
    pretokenizer_free(pretokenizer);
}

static void cuts_like_each_kind(void) {
    static const struct {
        const char *name, *text, *expected;
    } CASES[] = {
        {"gpt-2", "I'm 1234 a'LL  b\n\n c", "I_'m_ 1234_ a_'_LL_ _ b_\n\n_ c"},
        {"llama-bpe", "I'LL 12345 (x)\n\n  y\r\n", "I_'LL_ _123_45_ (_x_)\n\n_ _ y_\r\n"},
        {"qwen2", "a 123 b", "a_ _1_2_3_ b"},
        {"smollm", "a 12b", "a_ _1_2_b"},
        {"falcon", "a,b 12345`$c", "a_,_b_ _123_45_`$_c"},
        {"default", "a,b 12345`c", "a_,_b_ _123_45_`_c"},
        {"deepseek-llm", "ab cd\n中文x 12! ", "ab_ cd_\n_中文_x_ _12_!_ "},
        {"deepseek-coder", "ab cd中\n12 +", "ab_ cd_中_\n_1_2_ +"},
        {"deepseek-v3", "x.foo 1234中文a\u0301 ~~", "x_.foo_ _123_4_中文_a\u0301_ ~~"},
        {"tekken", "CamelCaseHTTP 12", "Camel_Case_HTTP_ _1_2"},
        {"gpt-4o", "it's fooBAR 1234//\n", "it's_ foo_BAR_ _123_4_//\n"},
        {"bloom", "a, b|c 12", "a_,_ b_|_c_ 12"},
        {"viking", "a 12", "a_ _1_2"},
        {"chameleon", "IMGIMGABZ  x\t1!", "IMGIMGABZ_  _x_\t_1_!"},
        {"qwen35", "e\u0301a 12", "e\u0301a_ _1_2"},
        {"bailingmoe", "a\n\nb", "a_\n\n_b"},
        {"bailingmoe", "a!\n\n \n\nb", "a_!\n\n_ \n\n_b"},
        {"seed-coder", "a!\nb", "a_!_\n_b"},
        {"jais-2", "a         b", "a_        _ b"},
        {"minicpm5", "a 1234", "a_ _123_4"},
        {"ufakzeka", "I'LL", "I_'LL"},
        {"laguna", "a!\nb", "a_!_\n_b"},
        {NULL, "a,b 12345`c", "a_,_b_ _123_45_`_c"},
        {"gpt-2", "", ""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        check_pieces(CASES[i].name, CASES[i].text, CASES[i].expected);
}

static void knows_other_names(void) {
    static const struct {
        const char *name, *expected;
    } CASES[] = {
        {"starcoder", "a_ _1_2"},  {"refact", "a_ _1_2"},
        {"command-r", "a_ _1_2"},  {"exaone", "a_ _1_2"},
        {"phi-2", "a_ 12"},        {"mpt", "a_ 12"},
        {"olmo", "a_ 12"},         {"jais", "a_ 12"},
        {"roberta-bpe", "a_ 12"},  {"llama3", "a_ _12"},
        {"falcon3", "a_ _12"},     {"glm4", "a_ _12"},
        {"deepseek-r1", "a_ _12"}, {"llama4", "a_ _12"},
        {"stablelm2", "a_ _1_2"},  {"deepseek-r1-qwen", "a_ _1_2"},
    };
    struct Pretokenizer *pretokenizer;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        check_pieces(CASES[i].name, "a 12", CASES[i].expected);
    CHECK_INT(pretokenizer_new("kimi-k2", &pretokenizer), -ENOTSUP);
    CHECK_INT(pretokenizer_new("", &pretokenizer), -ENOTSUP);
    CHECK_INT(pretokenizer_new("LLAMA-BPE", &pretokenizer), -ENOTSUP);
}

static void knows_their_customs(void) {
    static const struct {
        const char *name;
        bool ignores_merges, adds_bos;
    } CASES[] = {
        {"llama-bpe", true, true}, {"tekken", true, true},   {"chameleon", false, true},
        {"dbrx", false, false},    {"gpt-4o", false, false}, {"minicpm5", true, false},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct Pretokenizer *pretokenizer = NULL;
        REQUIRE(pretokenizer_new(CASES[i].name, &pretokenizer) == 0);
        CHECK_INT(pretokenizer_ignores_merges(pretokenizer), CASES[i].ignores_merges);
        CHECK_INT(pretokenizer_adds_bos(pretokenizer), CASES[i].adds_bos);
        pretokenizer_free(pretokenizer);
    }
}

/* Bytes that are no UTF-8 stay where they are, each a symbol like U+FFFD. */
static void keeps_bad_bytes(void) {
    check_pieces("gpt-2", "a\xff\xc3 \xe2\x82z", "a_\xff\xc3_ \xe2\x82_z");
    check_pieces("deepseek-v3", "\x80\x80 \xff", "\x80\x80_ \xff");
}

static int stop(void *userdata, const char *text, size_t size) {
    return ++*(int *)userdata == 2 ? -EIO : 0;
}

static void stops_when_told(void) {
    struct Pretokenizer *pretokenizer = NULL;
    int n = 0;
    REQUIRE(pretokenizer_new("falcon", &pretokenizer) == 0);
    CHECK_INT(pretokenizer_run(pretokenizer, "a b c d", 7, stop, &n), -EIO);
    CHECK_INT(n, 2);
    pretokenizer_free(pretokenizer);
}

static int count(void *userdata, const char *text, size_t size) {
    *(size_t *)userdata += size;
    return 0;
}

/* Runs that an expression looks at without taking them: quadratic time would not come back. */
static void takes_long_runs(void) {
    static const char *const NAMES[] = {"default", "falcon",       "llama-bpe", "gpt-4o",
                                        "jais-2",  "deepseek-llm", "bloom",     "deepseek-v3"};
    static const char *const UNITS[] = {"a", "A",   " ",      "\n", "1",
                                        "!", " \n", "\u0301", "中", "\xff"};
    const size_t size = 1 << 18;
    char *text = malloc(size);
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        struct Pretokenizer *pretokenizer = NULL;
        REQUIRE(pretokenizer_new(NAMES[i], &pretokenizer) == 0);
        for (size_t j = 0; j < sizeof UNITS / sizeof UNITS[0]; j++) {
            size_t total = 0, n = strlen(UNITS[j]);
            for (size_t k = 0; k < size - 1; k++) text[k] = UNITS[j][k % n];
            text[size - 1] = 'x';
            CHECK_INT(pretokenizer_run(pretokenizer, text, size, count, &total), 0);
            CHECK_INT(total, size);
        }
        pretokenizer_free(pretokenizer);
    }
    free(text);
}

/* ---- Classes ---- */

static void knows_classes(void) {
    static const struct {
        uint32_t code_point;
        enum UnicodeClass class;
    } CASES[] = {
        {0, UNICODE_OTHER},        {'\t', UNICODE_SPACE},      {0x1f, UNICODE_OTHER},
        {' ', UNICODE_SPACE},      {'!', UNICODE_PUNCTUATION}, {'$', UNICODE_SYMBOL},
        {'9', UNICODE_NUMBER},     {'~', UNICODE_SYMBOL},      {'_', UNICODE_PUNCTUATION},
        {0x7f, UNICODE_OTHER},     {0x85, UNICODE_SPACE},      {0xa0, UNICODE_SPACE},
        {0xad, UNICODE_OTHER},     {0xbd, UNICODE_NUMBER},     {0xdf, UNICODE_LETTER},
        {0x301, UNICODE_MARK},     {0x200b, UNICODE_OTHER},    {0x2028, UNICODE_SPACE},
        {0x3000, UNICODE_SPACE},   {0x4e00, UNICODE_LETTER},   {0xfffd, UNICODE_SYMBOL},
        {0x2ee5d, UNICODE_LETTER}, {0x2ee5e, UNICODE_OTHER},   {0x1f600, UNICODE_SYMBOL},
        {0xe01ef, UNICODE_MARK},   {0x10ffff, UNICODE_OTHER},  {UTF8_INVALID, UNICODE_SYMBOL},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        if (unicode_class(CASES[i].code_point) != CASES[i].class)
            test_fail(__FILE__, __LINE__, "U+%04X is in class %d", CASES[i].code_point,
                      unicode_class(CASES[i].code_point));
}

int main(void) {
    return TEST_MAIN({"cuts like each kind", cuts_like_each_kind},
                     {"knows other names", knows_other_names},
                     {"knows their customs", knows_their_customs},
                     {"keeps bad bytes", keeps_bad_bytes}, {"stops when told", stops_when_told},
                     {"takes long runs", takes_long_runs}, {"knows classes", knows_classes});
}
