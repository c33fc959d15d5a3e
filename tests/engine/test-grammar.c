/* GBNF: which texts a grammar accepts, and what is said about one that is wrong. */
#include "engine/sampling/grammar.h"

#include <errno.h>

#include "engine/limits.h"
#include "engine/sampling/reader.h"
#include "test.h"

/* ---- Reading texts ---- */

static Grammar *parse(const char *gbnf) {
    Reason why = {0};
    Grammar *grammar = NULL;
    int r = grammar_new(gbnf, strlen(gbnf), "root", &grammar, &why);
    if (r < 0) test_fail(__FILE__, __LINE__, "%s: %d, %s", gbnf, r, why.text);
    return grammar;
}

enum Verdict { NO, BEGINNING, YES };

static enum Verdict read_text(Reader *reader, const char *text, size_t size) {
    ReaderState state = READER_DEAD;
    Reason why = {0};
    int r = reader_start(reader, &state, &why);
    for (size_t i = 0; r == 0 && i < size && state != READER_DEAD; i++)
        r = reader_step(reader, state, (uint8_t)text[i], &state, &why);
    if (r < 0) test_fail(__FILE__, __LINE__, "%.40s: %s", text, why.text);
    if (r < 0 || state == READER_DEAD) return NO;
    return reader_accepts(reader, state) ? YES : BEGINNING;
}

static enum Verdict match_size(const char *gbnf, const char *text, size_t size) {
    Grammar *grammar = parse(gbnf);
    Reader *reader = NULL;
    if (!grammar || reader_new(grammar, (const Token[8]){0}, &reader) < 0) return NO;
    enum Verdict verdict = read_text(reader, text, size);
    reader_free(reader);
    grammar_unref(grammar);
    return verdict;
}

static enum Verdict match(const char *gbnf, const char *text) {
    return match_size(gbnf, text, strlen(text));
}

struct Text {
    const char *text;
    enum Verdict verdict;
};

static void check_texts(const char *gbnf, const struct Text *texts, size_t n) {
    for (size_t i = 0; i < n; i++) {
        enum Verdict verdict = match(gbnf, texts[i].text);
        if (verdict != texts[i].verdict)
            test_fail(__FILE__, __LINE__, "%s on \"%s\": %d, expected %d", gbnf, texts[i].text,
                      verdict, texts[i].verdict);
    }
}
#define CHECK_TEXTS(gbnf, ...)                                                                     \
    check_texts(gbnf, (const struct Text[]){__VA_ARGS__},                                          \
                sizeof((const struct Text[]){__VA_ARGS__}) / sizeof(struct Text))

static void literals(void) {
    CHECK_TEXTS("root ::= \"abc\"", {"", BEGINNING}, {"ab", BEGINNING}, {"abc", YES}, {"abcd", NO},
                {"b", NO});
    CHECK_TEXTS("root ::= \"a\\n\\t\\r\\\"\\\\\\[\\]\\x41\\u00e9\\U0001F600\"",
                {"a\n\t\r\"\\[]A\u00e9\U0001F600", YES}, {"a\n\t\r\"\\[]A\u00e9\U0001F601", NO});
    CHECK_TEXTS("root ::= \"\"", {"", YES}, {"a", NO});
    CHECK_TEXTS("root ::= \"\u00e9\"", {"\u00e9", YES}, {"\xc3", BEGINNING}, {"\xc3\xa8", NO});
    CHECK_TEXTS("root ::=", {"", YES}, {"a", NO});
}

static void classes(void) {
    CHECK_TEXTS("root ::= [a-cx]", {"a", YES}, {"c", YES}, {"x", YES}, {"d", NO}, {"-", NO});
    CHECK_TEXTS("root ::= [a-]", {"a", YES}, {"-", YES}, {"b", NO});
    CHECK_TEXTS("root ::= [\\]\\[\\\\^]", {"]", YES}, {"[", YES}, {"\\", YES}, {"^", YES});
    CHECK_TEXTS("root ::= [^a-c\\n]", {"a", NO}, {"d", YES}, {"\n", NO}, {"\u00e9", YES},
                {"\U0001F600", YES}, {"\xf0\x9f", BEGINNING}, {"\xc0\x80", NO},
                {"\xed\xa0\x80", NO}, {"\xf4\x90", NO}, {"\xff", NO});
    CHECK_TEXTS("root ::= .", {"\n", YES}, {"\U0010FFFF", YES}, {"\x80", NO}, {"ab", NO});
    CHECK_TEXTS("root ::= [\u3041-\u309f]+", {"\u3042\u3093", YES}, {"\u30a2", NO},
                {"\xe3", BEGINNING}, {"\xe3\x81", BEGINNING}, {"\xe3\x80", NO});
    CHECK_TEXTS("root ::= [\\x00-\\x1F]", {"\x1f", YES}, {" ", NO});
    CHECK_INT(match_size("root ::= [^x]", "", 1), YES); /* NUL is a character */
    CHECK_TEXTS("root ::= [\\uD7FF-\\uE000]", {"\xed\x9f\xbf", YES}, {"\xee\x80\x80", YES},
                {"\xed\xa0\x80", NO});
    CHECK_TEXTS("root ::= [\\U00010000-\\U0010FFFF]", {"\uffff", NO}, {"\U00010000", YES},
                {"\U0010ffff", YES}, {"\xf0\x8f", NO});
}

static void repetitions(void) {
    CHECK_TEXTS("root ::= \"ab\"*", {"", YES}, {"ab", YES}, {"abab", YES}, {"aba", BEGINNING},
                {"abb", NO});
    CHECK_TEXTS("root ::= \"ab\"+", {"", BEGINNING}, {"abab", YES});
    CHECK_TEXTS("root ::= \"ab\"? \"c\"", {"abc", YES}, {"c", YES}, {"ababc", NO});
    CHECK_TEXTS("root ::= [ab]{3}", {"ab", BEGINNING}, {"aba", YES}, {"abab", NO});
    CHECK_TEXTS("root ::= (\"a\" | \"bb\"){2,}", {"a", BEGINNING}, {"abb", YES}, {"abbabb", YES});
    CHECK_TEXTS("root ::= (\"a\" | \"bb\" \"c\"){ 1 , 3 }", {"", BEGINNING}, {"abbca", YES},
                {"aaaa", NO}, {"bbcbbcbbc", YES}, {"bbcbb", BEGINNING});
    CHECK_TEXTS("root ::= \"a\"{0} \"b\"", {"b", YES}, {"ab", NO});
    CHECK_TEXTS("root ::= (\"a\"*)* \"b\"", {"b", YES}, {"aaab", YES});
    CHECK_TEXTS("root ::= (\"a\"? \"b\"?){3} \"c\"", {"c", YES}, {"ababc", YES}, {"bbbc", YES},
                {"bbbbc", NO}, {"bac", YES});
    CHECK_TEXTS("root ::= x{2,3}\nx ::= \"a\"?", {"", YES}, {"aaa", YES}, {"aaaa", NO});
    CHECK_TEXTS("root ::= (\"a\" \"b\")+ \"!\"?", {"abab!", YES}, {"ab!ab", NO});
    CHECK_TEXTS("root ::= [a]{2,5}", {"aaaaa", YES}, {"a", BEGINNING}, {"aaaaaa", NO});
}

static void many_repetitions(void) {
    char text[70000];
    memset(text, 'a', sizeof text);
    static const char GBNF[] = "root ::= (\"a\" | [b-z]){3,65536} \".\"";
    CHECK_INT(match_size(GBNF, text, 2), BEGINNING);
    text[40000] = '.';
    CHECK_INT(match_size(GBNF, text, 40001), YES);
    text[40000] = 'a';
    CHECK_INT(match_size(GBNF, text, 65536), BEGINNING);
    CHECK_INT(match_size(GBNF, text, 65537), NO);
    /* a million in all */
    CHECK_INT(match("root ::= ((\"a\"{100}){100}){100}", "aaa"), BEGINNING);
}

static void structure(void) {
    static const char ARITHMETIC[] = "# numbers\n"
                                     "root  ::= (expr \"=\" ws term \"\\n\")+\n"
                                     "expr  ::= term ([-+*/] term)*   # left to right\n"
                                     "term  ::= ident | num | \"(\" ws expr \")\" ws\r\n"
                                     "ident ::= [a-z] [a-z0-9_]* ws\n"
                                     "\n"
                                     "num   ::= [0-9]+ ws\n"
                                     "ws    ::= [ \\t\\n]*";
    CHECK_TEXTS(ARITHMETIC, {"1+2=3\n", YES}, {"(x1 *(2 -y)) = z\n", YES}, {"1+=2\n", NO},
                {"((((1))))=1\n", YES}, {"((((1)))=1\n", NO}, {"1=1\n2=2\n", YES});
    CHECK_TEXTS("root ::= (\n  \"a\" # first\n  |\n  \"b\"\n  \"c\"\n)\n", {"a", YES}, {"bc", YES},
                {"ac", NO});
    CHECK_TEXTS("root ::= \"a\" |\n\n  \"b\" | # comment\n \"c\"", {"a", YES}, {"b", YES},
                {"c", YES});
    CHECK_TEXTS("root ::=\n  \"a\"\n\n\n", {"a", YES});
    CHECK_TEXTS("root ::= a-1 b_2\na-1 ::= \"x\"\nb_2 ::= \"y\"", {"xy", YES});
    CHECK_TEXTS("root ::= \"a\" | | \"b\"", {"", YES}, {"b", YES});
    CHECK_TEXTS("root ::= x\nx ::= \"a\"\nx ::= \"b\"", {"a", NO}, {"b", YES}); /* the last */
    CHECK_TEXTS("root ::= ((\"a\")) ()", {"a", YES});
}

static void examples(void) {
    static const char CHESS[] =
        "root ::= (\n \"1. \" move \" \" move \"\\n\"\n ([1-9] [0-9]? \". \" move \" \" move "
        "\"\\n\")+\n)\nmove ::= (pawn | nonpawn | castle) [+#]?\n"
        "nonpawn ::= [NBKQR] [a-h]? [1-8]? \"x\"? [a-h] [1-8]\n"
        "pawn ::= ([a-h] \"x\")? [a-h] [1-8] (\"=\" [NBKQR])?\ncastle ::= \"O-O\" \"-O\"?\n";
    CHECK_TEXTS(CHESS, {"1. e4 e5\n2. Nf3 Nc6\n", YES}, {"1. e4 e5\n", BEGINNING},
                {"1. e4 O-O-O+\n9. exd5 Qa4xb5#\n10. a8=Q b1\n", YES}, {"1. e9", NO});
    static const char JSON[] =
        "root   ::= object\nvalue  ::= object | array | string | number | (\"true\" | \"false\" | "
        "\"null\") ws\nobject ::=\n  \"{\" ws (\n            string \":\" ws value\n    (\",\" ws "
        "string \":\" ws value)*\n  )? \"}\" ws\narray  ::=\n  \"[\" ws (\n            value\n    "
        "(\",\" ws value)*\n  )? \"]\" ws\nstring ::=\n  \"\\\"\" (\n    "
        "[^\"\\\\\\x7F\\x00-\\x1F] |\n    \"\\\\\" ([\"\\\\bfnrt] | \"u\" [0-9a-fA-F]{4})\n  )* "
        "\"\\\"\" ws\nnumber ::= (\"-\"? ([0-9] | [1-9] [0-9]{0,15})) (\".\" [0-9]+)? ([eE] [-+]? "
        "[0-9] [1-9]{0,15})? ws\nws ::= | \" \" | \"\\n\" [ \\t]{0,20}\n";
    CHECK_TEXTS(JSON, {"{}", YES},
                {"{\"a\": [1, -2.5e+3, {\"b\":null}], \"\u00e9\\u00e9\": true}", YES}, {"[]", NO},
                {"{\"a\" 1}", NO}, {"{\"a\":01}", NO}, {"{\"a\n\":1}", NO},
                {"{\"a\":[[[[[[[[[[", BEGINNING});
    CHECK_TEXTS("root ::= (\"- \" item)+\nitem ::= [^\\n]+ \"\\n\"", {"- a\n- bc d\n", YES},
                {"- \n", NO});
}

/* Rules that call themselves last, first in a group, in the middle; and ambiguous ones. */
static void recursion(void) {
    CHECK_TEXTS("root ::= \"a\" root \"b\" | \"\"", {"", YES}, {"aabb", YES}, {"aab", BEGINNING},
                {"aabbb", NO});
    CHECK_TEXTS("root ::= \"a\" root | \"b\"", {"aaab", YES}, {"aaa", BEGINNING});
    CHECK_TEXTS("root ::= \"a\" root \"a\" | \"b\" root \"b\" | \"\" | \"a\" | \"b\"",
                {"abba", YES}, {"ababa", YES}, {"ab", BEGINNING}, {"abb", BEGINNING});
    CHECK_TEXTS("root ::= \"a\" root root | \"a\"", {"a", YES}, {"aa", BEGINNING}, {"aaa", YES},
                {"aaaaaaaa", BEGINNING}, {"aaaaaaaaa", YES}, {"ab", NO});
    CHECK_TEXTS("root ::= x y | x\nx ::= \"a\" | \"ab\" | \"\"\ny ::= \"bc\" | \"c\" | x",
                {"abc", YES}, {"abbc", YES}, {"c", YES}, {"ac", YES}, {"aa", YES}, {"bb", NO});
}

static void ambiguity(void) {
    char text[4000];
    memset(text, 'a', sizeof text);
    /* 2^4000 ways */
    CHECK_INT(match_size("root ::= (\"a\" | \"a\" | x)*\nx ::= \"a\" | \"aa\"", text, sizeof text),
              YES);
    CHECK_INT(match_size("root ::= \"a\" (root \"b\" | root \"c\" | root) | \"d\"", text, 500),
              BEGINNING);
    text[200] = 'd';
    memset(text + 201, 'b', 200);
    CHECK_INT(match_size("root ::= \"a\" (root \"b\" | root \"c\") | \"d\"", text, 401), YES);
    CHECK_INT(match_size("root ::= \"a\" (root \"b\" | root \"c\") | \"d\"", text, 402), NO);
    memset(text, 'a', sizeof text);
    CHECK_INT(match_size("root ::= \"a\" root root | \"a\"", text, 301), YES);
}

/* ---- What is wrong with a grammar ---- */

static void check_error(const char *gbnf, int error, const char *expected) {
    Reason why = {0};
    Grammar *grammar = NULL;
    int r = grammar_new(gbnf, strlen(gbnf), "root", &grammar, &why);
    if (r != error || !strstr(why.text, expected))
        test_fail(__FILE__, __LINE__, "%.80s: %d \"%s\", expected %d \"%s\"", gbnf, r, why.text,
                  error, expected);
    grammar_unref(grammar);
}

static void syntax_errors(void) {
    static const struct {
        const char *gbnf, *expected;
    } CASES[] = {
        {"", "the grammar is empty"},
        {" # nothing\n", "the grammar is empty"},
        {"root ::= x\n", "line 1, column 10: there is no rule x"},
        {"start ::= \"a\"", "has no rule root"},
        {"root ::= \"abc", "line 1, column 10: this text has no closing quote"},
        {"root ::= [abc", "line 1, column 10: this character class has no closing bracket"},
        {"root ::= []", "this character class is empty"},
        {"root ::= [z-a]", "line 1, column 11: this range ends before it begins"},
        {"root ::= (\"a\"", "line 1, column 10: this group has no closing parenthesis"},
        {"root ::= \"a\")", "line 1, column 13: there is no group"},
        {"root ::= *", "line 1, column 10: there is nothing before * to repeat"},
        {"root ::= \"a\" | +", "line 1, column 16: there is nothing before +"},
        {"root ::= \"a\"{", "the number of repetitions is missing"},
        {"root ::= \"a\"{x}", "the number of repetitions is missing"},
        {"root ::= \"a\"{1", "} is expected"},
        {"root ::= \"a\"{3,2}", "line 1, column 13: at most 2 repetitions, but at least 3"},
        {"root ::= \"\\q\"", "line 1, column 11: this escape is unknown"},
        {"root ::= \"\\x4\"", "2 hexadecimal digits"},
        {"root ::= \"\\u00g0\"", "4 hexadecimal digits"},
        {"root ::= \"\\UFFFFFFFF\"", "no character above U+10FFFF"},
        {"root ::= \"\\uD800\"", "a surrogate is no character"},
        {"root = \"a\"", "line 1, column 6: ::= is expected"},
        {"root ::= \"a\"\n\n  ?", "line 3, column 3: the name of a rule is expected"},
        {"root ::= \"a\"\n  | \"b\"", "line 2, column 3: outside parentheses"},
        {"root ::= \"\u00e9\u00e9\" $", "line 1, column 15: a rule's next item"},
        {"root ::= \"\xff\"", "not valid UTF-8"},
        {"root ::= <think", "no closing >"},
        {"root ::= <[12>", "]> is missing"},
        {"root ::= !\"a\"", "! stands before a token"},
        {"root ::= \"a\\", "ends in an escape"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        check_error(CASES[i].gbnf, -EINVAL, CASES[i].expected);
}

static void left_recursion(void) {
    static const char *const CASES[] = {
        "root ::= root \"a\" | \"b\"",
        "root ::= root",
        "root ::= \"a\" | x\nx ::= y \"c\"\ny ::= \"d\" | root \"e\"",
        "root ::= \"a\"? root \"b\" | \"c\"",
        "root ::= x root \"b\" | \"c\"\nx ::= y*\ny ::= \"z\"",
        "root ::= \"a\" unused\nunused ::= (\"x\"* (unused | \"y\"))",
        "root ::= (root \"a\" \"b\" \"c\"){3} | \"b\"",
        "root ::= \"\" root \"a\" | \"a\"",
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        check_error(CASES[i], -EINVAL, "is left-recursive");
    check_error("root ::= \"a\"\nexpr ::= expr \"+\" expr | \"1\"", -EINVAL,
                "line 2, column 1: rule expr is left-recursive");
}

static void endless(void) {
    check_error("root ::= \"a\" root", -EINVAL, "no text matches");
    check_error("root ::= \"a\" x\nx ::= \"b\" y\ny ::= \"c\" x", -EINVAL, "no text matches");
    /* a way without an end is not taken */
    CHECK_TEXTS("root ::= \"a\" x | \"b\"\nx ::= \"c\" x", {"a", NO}, {"b", YES});
}

static void limits(void) {
    check_error("root ::= \"a\"{65537}", -E2BIG,
                "line 1, column 14: the number of repetitions is above");
    check_error("root ::= \"a\"{1,99999999999999999999}", -E2BIG, "above");
    check_error("root ::= ((\"abcd\"{60000} \"x\"){60000} [ab]{60000}){2} x{60000} y{60000} "
                "z{60000} z{60000} z{60000} z{60000}\nx ::= \"a\"\ny ::= x\nz ::= y",
                -E2BIG, "too large");
    check_error("root ::= (\"a\"?){60000}", -E2BIG, "too much open");
    char nested[2 * 200 + 40] = "root ::= ";
    for (int i = 0; i < 200; i++) strcat(nested, "(");
    check_error(nested, -E2BIG, "groups in one another");
    char *large = malloc(GRAMMAR_MAX_SIZE + 2);
    REQUIRE(large != NULL);
    memset(large, ' ', GRAMMAR_MAX_SIZE + 1);
    large[GRAMMAR_MAX_SIZE + 1] = '\0';
    check_error(large, -E2BIG, "more than");
    free(large);
}

int main(void) {
    return TEST_MAIN(
        {"texts", literals}, {"character classes", classes}, {"repetitions", repetitions},
        {"tens of thousands of them", many_repetitions},
        {"groups, alternatives, lines, comments", structure}, {"chess, JSON, lists", examples},
        {"rules that call themselves", recursion}, {"ambiguous grammars", ambiguity},
        {"mistakes name their place", syntax_errors}, {"left recursion is refused", left_recursion},
        {"a grammar without an end is refused", endless}, {"limits", limits});
}
