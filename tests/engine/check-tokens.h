/*
 * Checks of tokenizers that several tests share: loading from a writer, tokens of a text, text of
 * tokens, and refusals.
 */
#pragma once

#include "engine/text/tokenizer.h"
#include "gguf-writer.h"
#include "test.h"

__attribute__((unused)) static Tokenizer *load(struct GgufWriter *writer, int *ret, Reason *why) {
    size_t size;
    void *data = gguf_writer_finish(writer, &size);
    struct Gguf *file = NULL;
    Tokenizer *tokenizer = NULL;
    CHECK_INT(gguf_parse(data, size, &file, why), 0);
    *ret = tokenizer_new(file, &tokenizer, why);
    gguf_free(file);
    free(data); /* the tokenizer has copied what it needs */
    return tokenizer;
}

__attribute__((unused)) static Tokenizer *load_well(struct GgufWriter *writer) {
    Reason why = {0};
    int r;
    Tokenizer *tokenizer = load(writer, &r, &why);
    if (r != 0) test_fail(__FILE__, __LINE__, "tokenizer_new: %d, %s", r, why.text);
    return tokenizer;
}

__attribute__((unused)) static void check_tokens(const Tokenizer *tokenizer, const char *text,
                                                 size_t size, unsigned flags, const Token *expected,
                                                 size_t n_expected) {
    Token *tokens = NULL;
    size_t n = 0;
    CHECK_INT(tokenizer_encode(tokenizer, text, size, flags, &tokens, &n), 0);
    bool same = n == n_expected && (n == 0 || memcmp(tokens, expected, n * sizeof *tokens) == 0);
    if (!same) {
        test_fail(__FILE__, __LINE__, "\"%.*s\" gives %zu tokens:", (int)size, text, n);
        for (size_t i = 0; i < n; i++) printf("# %d\n", tokens[i]);
    }
    free(tokens);
}

#define CHECK_TOKENS(tokenizer, text, flags, ...)                                                  \
    check_tokens(tokenizer, text, strlen(text), flags, (const Token[]){__VA_ARGS__},               \
                 sizeof((const Token[]){__VA_ARGS__}) / sizeof(Token))

__attribute__((unused)) static void check_decoded(const Tokenizer *tokenizer, const Token *tokens,
                                                  size_t n, bool special, const char *expected) {
    char *text = NULL;
    size_t size;
    CHECK_INT(tokenizer_decode(tokenizer, tokens, n, special, &text, &size), 0);
    CHECK_STR(text, expected);
    CHECK_INT(size, strlen(expected));
    free(text);
}

#define CHECK_DECODED(tokenizer, special, expected, ...)                                           \
    check_decoded(tokenizer, (const Token[]){__VA_ARGS__},                                         \
                  sizeof((const Token[]){__VA_ARGS__}) / sizeof(Token), special, expected)

__attribute__((unused)) static void check_refused(struct GgufWriter *writer, int expected,
                                                  const char *words) {
    Reason why = {0};
    int r;
    Tokenizer *tokenizer = load(writer, &r, &why);
    CHECK_INT(r, expected);
    if (!strstr(why.text, words))
        test_fail(__FILE__, __LINE__, "\"%s\" does not say \"%s\"", why.text, words);
    tokenizer_free(tokenizer);
}
