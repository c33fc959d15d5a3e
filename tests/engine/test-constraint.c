/*
 * Masks of allowed tokens: against every token tried alone, on grammars made at random; and what is
 * special about tokens.
 *
 *     test-constraint --bench VOCABULARY.gguf      how long a mask takes
 */
#include "engine/sampling/constraint.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "engine/gguf.h"
#include "engine/text/tokenizer.h"
#include "grammar-vocabulary.h"
#include "test.h"

static struct GrammarVocabulary vocabulary;

static uint32_t random_state;

static uint32_t random_below(uint32_t n) {
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 16) % n;
}

static Constraint *constrain_by(const char *gbnf, unsigned flags) {
    Grammar *grammar = NULL;
    Constraint *constraint = NULL;
    Reason why = {0};
    int r = grammar_new(gbnf, strlen(gbnf), "root", &grammar, &why);
    if (r == 0)
        r = constraint_new(grammar, vocabulary.trie, vocabulary.tokenizer, flags, &constraint,
                           &why);
    if (r < 0) test_fail(__FILE__, __LINE__, "%s: %s", gbnf, why.text);
    grammar_unref(grammar); /* the constraint has its own reference */
    return constraint;
}

static Constraint *constrain(const char *gbnf) {
    return constrain_by(gbnf, 0);
}

static bool allowed(Constraint *constraint, Token token) {
    const uint64_t *mask = NULL;
    Reason why = {0};
    if (constraint_mask(constraint, &mask, &why) < 0) {
        test_fail(__FILE__, __LINE__, "constraint_mask: %s", why.text);
        return false;
    }
    return token_set_has(mask, token);
}

static Token token_of(const char *text) {
    Token token = tokenizer_find(vocabulary.tokenizer, text);
    if (token < 0) test_fail(__FILE__, __LINE__, "no token %s", text);
    return token;
}

/* ---- Against every token alone ---- */

static const char *atom(void) {
    static const char *const ATOMS[] = {
        "\"a\"", "\"ab\"",   "[a-c]",    "[^a]",  "\"\\u00e9\"",    "\"{\"", "[\\u0080-\\uffff]",
        ".",     "\"\\\"\"", "\"true\"", "[0-9]", "[^\\x00-\\x7f]", "x",     "y",
        "z"};
    return ATOMS[random_below(sizeof ATOMS / sizeof *ATOMS)];
}

/* Rules call only those after them: no left recursion. The last may call any behind a character. */
static void random_rule(char *gbnf, const char *name, const char *callable) {
    static const char *const SUFFIXES[] = {"", "", "", "*", "+", "?", "{2}", "{1,3}", "{2,}"};
    unsigned n = 1 + random_below(3);
    sprintf(gbnf + strlen(gbnf), "%s ::= ", name);
    for (unsigned i = 0; i < n; i++) {
        if (i > 0) strcat(gbnf, " | ");
        for (unsigned j = 0, m = 1 + random_below(3); j < m; j++) {
            const char *item = atom();
            bool call = item[1] == '\0' && item[0] >= 'x';
            if (call && !strchr(callable, item[0])) item = j > 0 ? "\"b\"" : "[b-d]";
            bool group = random_below(4) == 0;
            sprintf(gbnf + strlen(gbnf), group ? "(%s | \"aa\")%s " : "%s%s ", item,
                    SUFFIXES[random_below(9)]);
        }
    }
    strcat(gbnf, "\n");
}

static void random_grammar(char *gbnf) {
    gbnf[0] = '\0';
    random_rule(gbnf, "root", "xyz");
    random_rule(gbnf, "x", "yz");
    random_rule(gbnf, "y", "z");
    strcat(gbnf, "z ::= \"a\" (root | \"b\" z)? \"c\" | [ab]\n");
}

static void check_mask(Constraint *constraint, const char *gbnf) {
    uint64_t copy[16] = {0};
    const uint64_t *mask = NULL;
    Reason why = {0};
    REQUIRE(token_words(vocabulary.trie->n_vocab) <= 16);
    REQUIRE(constraint_mask(constraint, &mask, &why) == 0);
    memcpy(copy, mask, token_words(vocabulary.trie->n_vocab) * sizeof *mask);
    for (Token token = 0; (uint32_t)token < vocabulary.trie->n_vocab; token++) {
        Constraint *alone = NULL;
        REQUIRE(constraint_clone(constraint, &alone) == 0);
        bool fits = constraint_accept(alone, token, &why) == 0;
        constraint_free(alone);
        if (fits != token_set_has(copy, token))
            test_fail(__FILE__, __LINE__, "token %d: mask %d, alone %d, in\n%s", token, !fits, fits,
                      gbnf);
    }
}

/* A random one of the allowed tokens, -1 without. */
static Token random_allowed(Constraint *constraint) {
    const uint64_t *mask = NULL;
    Token token = -1;
    Reason why = {0};
    if (constraint_mask(constraint, &mask, &why) < 0) return -1;
    for (uint32_t i = 0, n = 0; i < vocabulary.trie->n_vocab; i++)
        if (token_set_has(mask, (Token)i) && random_below(++n) == 0) token = (Token)i;
    return token;
}

static void brute_force(void) {
    random_state = 11;
    for (unsigned round = 0; round < 150; round++) {
        char gbnf[2000];
        random_grammar(gbnf);
        Constraint *constraint = constrain(gbnf);
        REQUIRE(constraint != NULL);
        for (unsigned length = 0; length < 12 && test_n_failures == 0; length++) {
            check_mask(constraint, gbnf);
            Token token = random_allowed(constraint);
            if (token < 0 || tokenizer_is_end(vocabulary.tokenizer, token)) break;
            CHECK_INT(constraint_accept(constraint, token, NULL), 0);
        }
        constraint_free(constraint);
    }
}

/* ---- Tokens ---- */

static void split_characters(void) {
    Constraint *constraint = constrain("root ::= \"\u00e9\" \"\U0001F600\"");
    CHECK(allowed(constraint, VOCABULARY_BYTES + 0xc3));
    CHECK(allowed(constraint, token_of("\u00e9")));
    CHECK(!allowed(constraint, token_of("\u00e9a")));
    CHECK(!allowed(constraint, VOCABULARY_BYTES + 0xc2));
    CHECK_INT(constraint_accept(constraint, token_of("\xc3"), NULL), 0);
    CHECK(allowed(constraint, VOCABULARY_BYTES + 0xa9));
    CHECK(!allowed(constraint, token_of("a")));
    CHECK(!constraint_may_end(constraint));
    CHECK_INT(constraint_accept(constraint, VOCABULARY_BYTES + 0xa9, NULL), 0);
    CHECK_INT(constraint_accept(constraint, token_of("\xf0\x9f"), NULL), 0);
    CHECK(!allowed(constraint, VOCABULARY_EOS));
    CHECK_INT(constraint_accept(constraint, token_of("\x98\x80"), NULL), 0);
    CHECK(constraint_must_end(constraint));
    CHECK(allowed(constraint, VOCABULARY_EOS));
    constraint_free(constraint);
}

static void ends(void) {
    Constraint *constraint = constrain("root ::= \"a\"+");
    CHECK(!allowed(constraint, VOCABULARY_EOS));
    CHECK(!constraint_may_end(constraint));
    CHECK_INT(constraint_accept(constraint, VOCABULARY_EOS, NULL), -EINVAL);
    CHECK_INT(constraint_accept(constraint, token_of("aaa"), NULL), 0);
    CHECK(allowed(constraint, VOCABULARY_EOS));
    CHECK(!allowed(constraint, VOCABULARY_BOS));
    CHECK(!allowed(constraint, VOCABULARY_THINK));
    CHECK(constraint_may_end(constraint) && !constraint_must_end(constraint));
    CHECK_INT(constraint_accept(constraint, VOCABULARY_EOS, NULL), 0);
    constraint_free(constraint);

    constraint = constrain_by("root ::= \"a\"*", CONSTRAINT_NO_END);
    CHECK(constraint_may_end(constraint));
    CHECK(!allowed(constraint, VOCABULARY_EOS));
    CHECK_INT(constraint_accept(constraint, VOCABULARY_EOS, NULL), -EINVAL);
    constraint_free(constraint);
}

static void refusals(void) {
    Reason why = {0};
    Constraint *constraint = constrain("root ::= \"ab\" \"c\"");
    CHECK_INT(constraint_accept(constraint, token_of("aa"), &why), -EINVAL);
    CHECK(strstr(why.text, "does not allow token") != NULL);
    CHECK_INT(constraint_accept(constraint, -1, NULL), -EINVAL);
    CHECK_INT(constraint_accept(constraint, 1 << 20, NULL), -EINVAL);
    CHECK_INT(constraint_accept(constraint, token_of("ab"), NULL), 0); /* nothing has changed */
    constraint_free(constraint);
}

static void clones(void) {
    Constraint *constraint = constrain("root ::= [ab]{3}"), *clone = NULL;
    CHECK_INT(constraint_accept(constraint, token_of("a"), NULL), 0);
    CHECK_INT(constraint_clone(constraint, &clone), 0);
    CHECK_INT(constraint_accept(clone, token_of("ba"), NULL), 0);
    CHECK(constraint_must_end(clone));
    CHECK(!constraint_may_end(constraint));
    CHECK(allowed(constraint, token_of("ab")));
    constraint_free(constraint); /* the clone goes on without it */
    CHECK(allowed(clone, VOCABULARY_EOS));
    CHECK(!allowed(clone, token_of("a")));
    constraint_free(clone);
}

static void named_tokens(void) {
    Constraint *constraint = constrain("root ::= <think> !</think>* </think> \"a\" <[8]>?");
    CHECK(allowed(constraint, VOCABULARY_THINK));
    CHECK(!allowed(constraint, token_of("a")));
    check_mask(constraint, "");
    CHECK_INT(constraint_accept(constraint, VOCABULARY_THINK, NULL), 0);
    CHECK(allowed(constraint, token_of("a")));
    CHECK(allowed(constraint, VOCABULARY_BYTES + 0xff)); /* any token, also no character */
    CHECK(allowed(constraint, VOCABULARY_THINK + 1));
    CHECK(!allowed(constraint, VOCABULARY_BOS));
    CHECK(!allowed(constraint, VOCABULARY_EOS));
    check_mask(constraint, "");
    CHECK_INT(constraint_accept(constraint, token_of("\xc0\x80"), NULL), 0);
    CHECK_INT(constraint_accept(constraint, VOCABULARY_THINK + 1, NULL), 0);
    CHECK(!allowed(constraint, VOCABULARY_THINK + 1));
    CHECK_INT(constraint_accept(constraint, token_of("a"), NULL), 0);
    CHECK(allowed(constraint, 8) && allowed(constraint, VOCABULARY_EOS));
    check_mask(constraint, "");
    CHECK_INT(constraint_accept(constraint, 8, NULL), 0);
    CHECK(constraint_must_end(constraint));
    constraint_free(constraint);

    /* by its bytes and by its number a token leads to different places */
    constraint = constrain("root ::= [ab]* \"!\" | !<[5]> \"c\"");
    check_mask(constraint, "");
    CHECK_INT(constraint_accept(constraint, token_of("ab"), NULL), 0);
    CHECK(allowed(constraint, token_of("ab")) && allowed(constraint, VOCABULARY_BYTES + 'c'));
    check_mask(constraint, "");
    constraint_free(constraint);
}

static void unknown_tokens(void) {
    Grammar *grammar = NULL;
    Constraint *constraint = NULL;
    Reason why = {0};
    REQUIRE(grammar_new("root ::= <nothing>", 18, "root", &grammar, &why) == 0);
    CHECK_INT(constraint_new(grammar, vocabulary.trie, vocabulary.tokenizer, 0, &constraint, &why),
              -EINVAL);
    CHECK(strstr(why.text, "<nothing>") != NULL);
    grammar_unref(grammar);
    REQUIRE(grammar_new("root ::= <[100000]>", 19, "root", &grammar, &why) == 0);
    CHECK_INT(constraint_new(grammar, vocabulary.trie, vocabulary.tokenizer, 0, &constraint, &why),
              -EINVAL);
    CHECK(strstr(why.text, "100000") != NULL);
    grammar_unref(grammar);
}

/* ---- Memory ---- */

/* More states than are kept: what was forgotten is found again, also by a clone that stood still.
 */
static void forgetting(void) {
    Constraint *constraint = constrain("root ::= [ab]* \"a\" [ab]{18} \"c\""), *still = NULL;
    REQUIRE(constraint != NULL);
    random_state = 5;
    CHECK_INT(constraint_clone(constraint, &still), 0);
    for (unsigned i = 0; i < 250000 && test_n_failures == 0; i++) {
        CHECK_INT(constraint_accept(constraint, token_of(random_below(2) ? "a" : "b"), NULL), 0);
        if (i % 5000 == 0) check_mask(constraint, "forgetting");
    }
    CHECK(allowed(still, token_of("ab")) && !allowed(still, VOCABULARY_BYTES + 'c'));
    constraint_free(still);
    constraint_free(constraint);
}

/* ---- Speed ---- */

static const char JSON[] =
    "root ::= value\nvalue ::= object | array | string | number | \"true\" | \"false\" | \"null\"\n"
    "object ::= \"{\" ws (string \":\" ws value (\",\" ws string \":\" ws value)*)? \"}\" ws\n"
    "array ::= \"[\" ws (value (\",\" ws value)*)? \"]\" ws\n"
    "string ::= \"\\\"\" ([^\"\\\\\\x00-\\x1F] | \"\\\\\" ([\"\\\\/bfnrt] | \"u\" "
    "[0-9a-fA-F]{4}))* \"\\\"\" ws\n"
    "number ::= \"-\"? ([0-9] | [1-9] [0-9]{0,15}) (\".\" [0-9]+)? ([eE] [-+]? [0-9]{1,3})? ws\n"
    "ws ::= | \" \" | \"\\n\" [ \\t]{0,20}\n";
static const char TEXT[] =
    "{\"name\": \"A somewhat longer text with words, and a \\\"quote\\\"\",\n  \"list\": [1, 2.5, "
    "-3e10, true, null, {\"x\": [[], [\"\u00e9\u20ac\"]]}],\n  \"empty\": {}}";

static double now_usec(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static void bench_round(Constraint *constraint, const Token *tokens, size_t n, const char *what) {
    double total = 0, worst = 0;
    for (size_t i = 0; i < n; i++) {
        const uint64_t *mask;
        double start = now_usec();
        if (constraint_mask(constraint, &mask, NULL) < 0 ||
            constraint_accept(constraint, tokens[i], NULL) < 0)
            printf("# token %zu does not fit\n", i);
        double usec = now_usec() - start;
        total += usec;
        if (usec > worst) worst = usec;
    }
    printf("%s: %.1f us a token, %.1f at worst, %zu tokens\n", what, total / (double)n, worst, n);
}

static int bench(const char *path) {
    int fd = open(path, O_RDONLY);
    off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    void *data = size > 0 ? malloc((size_t)size) : NULL;
    struct Gguf *file = NULL;
    Tokenizer *tokenizer = NULL;
    TokenTrie *trie = NULL;
    Grammar *grammar = NULL;
    Constraint *constraint = NULL, *again = NULL;
    Reason why = {0};
    Token *tokens = NULL;
    size_t n = 0;
    if (!data || pread(fd, data, (size_t)size, 0) != size) return 1;
    if (gguf_parse(data, (size_t)size, &file, &why) < 0) return 1;
    if (tokenizer_new(file, &tokenizer, &why) < 0) return 1;
    double start = now_usec();
    if (token_trie_new(tokenizer, tokenizer_size(tokenizer), &trie) < 0) return 1;
    printf("tree of %u tokens: %u nodes, %.1f ms\n", trie->n_vocab, trie->n_nodes,
           (now_usec() - start) / 1000);
    start = now_usec();
    if (grammar_new(JSON, strlen(JSON), "root", &grammar, &why) < 0) return 1;
    if (constraint_new(grammar, trie, tokenizer, 0, &constraint, &why) < 0) return 1;
    printf("grammar: %.1f us\n", now_usec() - start);
    if (tokenizer_encode(tokenizer, TEXT, strlen(TEXT), 0, &tokens, &n) < 0) return 1;
    constraint_clone(constraint, &again);
    bench_round(constraint, tokens, n, "cold");
    bench_round(again, tokens, n, "warm");
    constraint_free(constraint);
    constraint_free(again);
    grammar_unref(grammar);
    free(tokens);
    token_trie_free(trie);
    tokenizer_free(tokenizer);
    gguf_free(file);
    free(data);
    close(fd);
    return 0;
}

int main(int argc, char *argv[]) {
    if (argc == 3 && !strcmp(argv[1], "--bench")) return bench(argv[2]);
    grammar_vocabulary_init(&vocabulary);
    int r = TEST_MAIN({"a mask has what every token says alone", brute_force},
                      {"tokens that split characters", split_characters},
                      {"the end is allowed exactly where it may be", ends},
                      {"a token that is not allowed changes nothing", refusals},
                      {"clones look ahead", clones}, {"tokens by name", named_tokens},
                      {"tokens that are not there", unknown_tokens},
                      {"states that were forgotten", forgetting});
    grammar_vocabulary_done(&vocabulary);
    return r;
}
