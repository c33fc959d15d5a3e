#include "engine/sampling/breakers.h"

#include "engine/text/tokenizer.h"
#include "gguf-writer.h"
#include "test.h"

enum { UNKNOWN, B, BIG, COLON, X_COLON, X_COLON_B, A, N };

static Tokenizer *make(void) {
    static const char *const TEXTS[N] = {"<unk>", "b", "bb", ":", "x:", "x:b", "a"};
    static const int32_t TYPES[N] = {2, 1, 1, 1, 1, 1, 1};
    static const float SCORES[N] = {0, -1, -2, -3, -4, -5, -6};
    struct GgufWriter *writer = gguf_writer_new();
    gguf_writer_string(writer, "tokenizer.ggml.model", "llama");
    gguf_writer_strings(writer, "tokenizer.ggml.tokens", TEXTS, N);
    gguf_writer_f32s(writer, "tokenizer.ggml.scores", SCORES, N);
    gguf_writer_i32s(writer, "tokenizer.ggml.token_type", TYPES, N);
    size_t size;
    void *data = gguf_writer_finish(writer, &size);
    struct Gguf *file = NULL;
    Tokenizer *tokenizer = NULL;
    Reason why = {0};
    CHECK_INT(gguf_parse(data, size, &file, &why), 0);
    CHECK_INT(tokenizer_new(file, &tokenizer, &why), 0);
    gguf_free(file);
    free(data);
    return tokenizer;
}

/* Of the last token of a history of up to 4, how far from the end its breaker begins: -1 none. */
static int match(const struct Breakers *breakers, uint32_t i, const Token *tokens, size_t n) {
    struct History history;
    CHECK_INT(history_init(&history, 4), 0);
    for (size_t j = 0; j < n; j++) history_push(&history, tokens[j]);
    int r = breakers_match(breakers, &history, i);
    history_done(&history);
    return r;
}

#define MATCH(i, ...)                                                                              \
    match(breakers, i, (const Token[]){__VA_ARGS__},                                               \
          sizeof((const Token[]){__VA_ARGS__}) / sizeof(Token))

static void texts_become_tokens(void) {
    char *texts[] = {":b", NULL};
    Tokenizer *tokenizer = make();
    struct Breakers *breakers = NULL;
    REQUIRE(tokenizer);
    CHECK_INT(breakers_new(tokenizer, texts, &breakers), 0);
    CHECK(breakers_has(breakers, X_COLON_B)); /* contains it */
    CHECK(!breakers_has(breakers, COLON) && !breakers_has(breakers, B));
    CHECK(!breakers_has(breakers, -1) && !breakers_has(breakers, N));
    CHECK_INT(MATCH(1, A, COLON, B), 1); /* ends with its beginning, and the rest follows */
    CHECK_INT(MATCH(1, A, X_COLON, B), 1);
    CHECK_INT(MATCH(1, A, X_COLON, A), -1);
    CHECK_INT(MATCH(0, A, COLON), -1);      /* the rest is yet to come */
    CHECK_INT(MATCH(1, A, COLON, BIG), -1); /* not with these tokens */
    CHECK_INT(MATCH(0, A, X_COLON_B), 0);
    CHECK_INT(MATCH(3, A, COLON, B, A, A), 1);
    breakers_free(breakers);
    CHECK_INT(breakers_new(tokenizer, NULL, &breakers), 0);
    CHECK_INT(MATCH(0, COLON), -1);
    breakers_free(breakers);
    tokenizer_free(tokenizer);
}

static void the_longest_counts(void) {
    struct Breakers *breakers = NULL;
    CHECK_INT(breakers_make(N, &breakers), 0);
    CHECK_INT(breakers_add(breakers, (Token[]){A}, 1), 0);
    CHECK_INT(breakers_add(breakers, (Token[]){A, B, B}, 3), 0);
    CHECK_INT(breakers_add(breakers, (Token[]){A, B}, 2), 0);
    CHECK(breakers_add(breakers, (Token[]){N}, 1) < 0);
    CHECK(breakers_add(breakers, (Token[]){-1, A}, 2) < 0);
    CHECK(breakers_add(breakers, (Token[]){A}, 0) < 0);
    breakers_sort(breakers);
    CHECK_INT(MATCH(2, A, B, B), 2);
    CHECK_INT(MATCH(2, A, B, A), 1);
    CHECK_INT(MATCH(2, A, A, A), 0);
    CHECK_INT(MATCH(2, B, A, A), -1);
    breakers_free(breakers);
}

static void the_last_tokens_are_remembered(void) {
    struct History history;
    CHECK_INT(history_init(&history, 3), 0);
    for (Token i = 0; i < 20; i++) {
        history_push(&history, i);
        CHECK_INT(history.n, i < 2 ? i + 1 : 3);
        for (uint32_t j = 0; j < history.n; j++) CHECK_INT(history_at(&history, j), i - (Token)j);
    }
    history_done(&history);
    CHECK_INT(history_init(&history, 0), 0);
    history_push(&history, 1);
    CHECK_INT(history.n, 0);
    history_done(&history);
}

int main(void) {
    return TEST_MAIN({"texts become tokens", texts_become_tokens},
                     {"the longest counts", the_longest_counts},
                     {"the last tokens are remembered", the_last_tokens_are_remembered});
}
