/* The kinds of tokenizer on small vocabularies; test-vocabularies.c has real ones. */
#include <errno.h>

#include "check-tokens.h"
#include "small-vocabulary.h"

/* ---- SentencePiece ---- */

static void spm_merges_by_score(void) {
    struct SmallVocabulary vocabulary;
    Tokenizer *t = load_well(small_spm(&vocabulary));
    REQUIRE(t);
    CHECK_TOKENS(t, "abc", TOKENIZE_MIDDLE, ABC); /* bc first, then a + bc */
    CHECK_TOKENS(t, "aaa", TOKENIZE_MIDDLE, AA, A);
    CHECK_TOKENS(t, "ab", 0, SPACE, AB);
    CHECK_TOKENS(t, "a", 0, SPACE_A);
    CHECK_TOKENS(t, "a", TOKENIZE_BOS, 1, SPACE_A);
    CHECK_TOKENS(t, " a", 0, SPACE, SPACE_A);
    check_tokens(t, "", 0, 0, NULL, 0);
    tokenizer_free(t);
}

static void spm_falls_back_to_bytes(void) {
    struct SmallVocabulary vocabulary;
    Tokenizer *t = load_well(small_spm(&vocabulary));
    REQUIRE(t);
    CHECK_TOKENS(t, "\u00e9", TOKENIZE_MIDDLE, BYTE_0 + 0xc3, BYTE_0 + 0xa9);
    CHECK_TOKENS(t,
                 "\xff"
                 "a",
                 TOKENIZE_MIDDLE, BYTE_0 + 0xff, A);
    check_tokens(t, "\0", 1, TOKENIZE_MIDDLE, (const Token[]){BYTE_0}, 1);
    tokenizer_free(t);
}

static void spm_cuts_special_tokens(void) {
    struct SmallVocabulary vocabulary;
    Tokenizer *t = load_well(small_spm(&vocabulary));
    REQUIRE(t);
    CHECK_TOKENS(t, "a<|x|>b", 0, SPACE_A, X, SPACE, B);
    CHECK_TOKENS(t, "<|xx|>", TOKENIZE_SPECIAL, XX);
    Token *tokens;
    size_t n;
    CHECK_INT(tokenizer_encode(t, "</s><|xx|>", 10, 0, &tokens, &n), 0);
    for (size_t i = 0; i < n; i++) CHECK(!tokenizer_is_control(t, tokens[i]));
    free(tokens);
    tokenizer_free(t);
}

static void spm_decodes(void) {
    struct SmallVocabulary vocabulary;
    Tokenizer *t = load_well(small_spm(&vocabulary));
    const char *piece;
    REQUIRE(t);
    CHECK_DECODED(t, false, "a a", 1, SPACE_A, SPACE_A, 2);
    CHECK_DECODED(t, true, "<s> a</s>", 1, SPACE_A, 2);
    CHECK_DECODED(t, false, "\u00e9", BYTE_0 + 0xc3, BYTE_0 + 0xa9);
    CHECK_INT(tokenizer_piece(t, SPACE_A, false, &piece), 2);
    CHECK(memcmp(piece, " a", 2) == 0);
    CHECK_INT(tokenizer_piece(t, 1, false, &piece), 0);
    CHECK_INT(tokenizer_piece(t, 1, true, &piece), 3);
    CHECK_INT(tokenizer_piece(t, BYTE_0 + 0xc3, false, &piece), 1);
    CHECK_INT(tokenizer_piece(t, -1, false, &piece), 0);
    CHECK_INT(tokenizer_piece(t, INT32_MAX, false, &piece), 0);
    CHECK_INT(tokenizer_bos(t), 1);
    CHECK_INT(tokenizer_eos(t), 2);
    CHECK(tokenizer_is_end(t, 2) && !tokenizer_is_end(t, 1) && !tokenizer_is_end(t, -1));
    CHECK_INT(tokenizer_find(t, "abc"), ABC);
    CHECK_INT(tokenizer_find(t, "abcd"), -1);
    tokenizer_free(t);
}

static void spm_without_prefix(void) {
    struct SmallVocabulary vocabulary;
    struct GgufWriter *writer = small_spm(&vocabulary);
    gguf_writer_bool(writer, "tokenizer.ggml.add_space_prefix", false);
    gguf_writer_bool(writer, "tokenizer.ggml.add_bos_token", false);
    Tokenizer *t = load_well(writer);
    REQUIRE(t);
    CHECK_TOKENS(t, "a", TOKENIZE_BOS, A);
    CHECK_DECODED(t, false, " a", SPACE_A);
    tokenizer_free(t);
}

/* Text is cut into words first, unless a token would be lost by it. */
static void spm_merges_over_words(void) {
    static const char *const TEXTS[] = {"<unk>", "\u2581", "b", "c", "b\u2581", "b\u2581c"};
    static const int32_t TYPES[] = {2, 1, 1, 1, 1, 1};
    struct GgufWriter *writer = gguf_writer_new();
    gguf_writer_string(writer, "tokenizer.ggml.model", "llama");
    gguf_writer_strings(writer, "tokenizer.ggml.tokens", TEXTS, 6);
    gguf_writer_i32s(writer, "tokenizer.ggml.token_type", TYPES, 6);
    gguf_writer_f32s(writer, "tokenizer.ggml.scores", (const float[6]){0}, 6);
    Tokenizer *t = load_well(writer);
    REQUIRE(t);
    CHECK_TOKENS(t, "b c b b", TOKENIZE_MIDDLE, 5, 1, 4, 2);
    CHECK_TOKENS(t, "x", TOKENIZE_MIDDLE, 0); /* no byte token: unknown */
    tokenizer_free(t);
}

/* ---- BPE ---- */

static void bpe_merges_by_rank(void) {
    struct SmallVocabulary vocabulary;
    Tokenizer *t = load_well(small_bpe(&vocabulary, "gpt-2"));
    REQUIRE(t);
    CHECK_TOKENS(t, "abc", 0, BPE_ABC);
    CHECK_TOKENS(t, "bcab", 0, BPE_BC, BPE_AB);
    CHECK_TOKENS(t, "b ab", 0, 'b', ' ', BPE_AB); /* "a b" comes before " a" */
    CHECK_TOKENS(t, "b ac", 0, 'b', BPE_SPACE_A, 'c');
    CHECK_TOKENS(t, "xx", 0, 'x', 'x'); /* a merge to no token */
    CHECK_TOKENS(t, "hello", 0, 'h', 'e', 'l', 'l', 'o');
    CHECK_TOKENS(t, "\xff\xc3", 0, 0xff, 0xc3);
    CHECK_TOKENS(t, "x", TOKENIZE_BOS, 'x');
    CHECK_INT(tokenizer_eos(t), -1);
    tokenizer_free(t);
}

static void bpe_keeps_special_tokens_apart(void) {
    struct SmallVocabulary vocabulary;
    Tokenizer *t = load_well(small_bpe(&vocabulary, "llama-bpe"));
    REQUIRE(t);
    CHECK_TOKENS(t, "<|end|>a", TOKENIZE_SPECIAL, BPE_END, 'a');
    CHECK_TOKENS(t, "<|end|>", 0, '<', '|', 'e', 'n', 'd', '|', '>');
    CHECK_TOKENS(t, "a<user>", 0, 'a', BPE_USER);
    CHECK_TOKENS(t, "hello", 0, BPE_HELLO); /* ignore_merges */
    CHECK_TOKENS(t, "x", TOKENIZE_BOS, 'B', 'x');
    CHECK(tokenizer_is_end(t, BPE_END) && !tokenizer_is_end(t, BPE_USER));
    CHECK_DECODED(t, false, " a<user>", BPE_SPACE_A, BPE_END, BPE_USER);
    CHECK_DECODED(t, true, " a<|end|>", BPE_SPACE_A, BPE_END);
    tokenizer_free(t);
}

/* Of equal texts the last counts, although the merges' order points to the first. */
static void bpe_merges_to_the_last(void) {
    static const char *const TEXTS[] = {"a", "b", "c", "d", "cd", "ab", "abc", "ab"};
    static const char *const MERGES[] = {"c d", "a b", "ab c"};
    struct GgufWriter *writer = gguf_writer_new();
    gguf_writer_string(writer, "tokenizer.ggml.model", "gpt2");
    gguf_writer_string(writer, "tokenizer.ggml.pre", "gpt-2");
    gguf_writer_strings(writer, "tokenizer.ggml.tokens", TEXTS, 8);
    gguf_writer_strings(writer, "tokenizer.ggml.merges", MERGES, 3);
    Tokenizer *t = load_well(writer);
    REQUIRE(t);
    CHECK_TOKENS(t, "ab", 0, 7);
    CHECK_TOKENS(t, "abc", 0, 6);
    CHECK_INT(tokenizer_find(t, "ab"), 7);
    tokenizer_free(t);
}

/* Merges may go over texts that are no tokens, and over bytes that are none. */
static void bpe_merges_over_parts(void) {
    static const char *const TEXTS[] = {"a", "b", "d", "abcab", "cd", "<0x65>", "dd"};
    static const int32_t TYPES[] = {1, 1, 1, 1, 1, 6, 1};
    static const char *const MERGES[] = {"ab cab", "a b", "c ab", "c d", "d d", "e d", "x y"};
    struct GgufWriter *writer = gguf_writer_new();
    gguf_writer_string(writer, "tokenizer.ggml.model", "gpt2");
    gguf_writer_string(writer, "tokenizer.ggml.pre", "gpt-2");
    gguf_writer_strings(writer, "tokenizer.ggml.tokens", TEXTS, 7);
    gguf_writer_i32s(writer, "tokenizer.ggml.token_type", TYPES, 7);
    gguf_writer_strings(writer, "tokenizer.ggml.merges", MERGES, 7);
    Tokenizer *t = load_well(writer);
    REQUIRE(t);
    CHECK_TOKENS(t, "ab", 0, 0, 1);          /* merged, but no token: its bytes */
    CHECK_TOKENS(t, "abcab", 0, 3);          /* ab + cab */
    CHECK_TOKENS(t, "abdcd", 0, 0, 1, 2, 4); /* c is no token, cd is one */
    CHECK_TOKENS(t, "cab", 0, 0, 1);         /* nothing stands for c */
    CHECK_TOKENS(t, "edd", 0, 5, 6);         /* "d d" comes before "e d" */
    CHECK_TOKENS(t, "ed", 0, 5, 2);
    CHECK_DECODED(t, false, "eabcab", 5, 3);
    tokenizer_free(t);
}

static void bpe_without_a_name(void) {
    struct SmallVocabulary vocabulary;
    Tokenizer *t = load_well(small_bpe(&vocabulary, NULL));
    REQUIRE(t);
    CHECK_TOKENS(t, "abc", TOKENIZE_BOS, BPE_ABC);
    tokenizer_free(t);
}

/* ---- RWKV World ---- */

static void world_matches_the_longest(void) {
    struct SmallVocabulary vocabulary;
    Tokenizer *t = load_well(small_world(&vocabulary));
    REQUIRE(t);
    CHECK_TOKENS(t, "ab", TOKENIZE_BOS, W_AB);
    CHECK_TOKENS(t, "abcd", 0, W_ABCD);
    CHECK_TOKENS(t, "abcdabceab", 0, W_ABCD, W_ABCE, W_AB);
    CHECK_TOKENS(t, "abca", 0, W_AB, 'c' + 1, 'a' + 1); /* behind no token of its own */
    CHECK_TOKENS(t, "abcz", 0, W_AB, 'c' + 1, 'z' + 1);
    CHECK_TOKENS(t, "abc\u20ac", 0, W_EURO);
    CHECK_TOKENS(t, "abc\xe2\x82", 0, W_AB, 'c' + 1, 0xe3, 0x83);
    CHECK_TOKENS(t, "\n\n\n'\\\t", 0, WORLD_LINES, '\n' + 1, W_QUOTE);
    check_tokens(t, "\r\0z\0\xff", 5, 0, (const Token[]){W_NUL, WORLD_BYTE_0, 256}, 3);
    CHECK_TOKENS(t, "<s>", 0, '<' + 1, 's' + 1, '>' + 1);
    CHECK_TOKENS(t, "<s>", TOKENIZE_SPECIAL, 0);
    CHECK_TOKENS(t, "[PAD264]", 0, '[' + 1, 'P' + 1, 'A' + 1, 'D' + 1, '2' + 1, '6' + 1, '4' + 1,
                 ']' + 1);
    CHECK_DECODED(t, false, " \n\nabc\u20ac'\\\t", 0, ' ' + 1, WORLD_LINES, W_EURO, W_PAD, W_QUOTE);
    CHECK(tokenizer_is_end(t, 0) && tokenizer_is_end(t, WORLD_LINES));
    tokenizer_free(t);
}

/* A vocabulary without all bytes: its unknown token ends texts, so it stands for nothing. */
static void world_drops_what_is_no_token(void) {
    static const char *const TEXTS[] = {"<s>", "a", "\\xff\\xff", "[PAD3]"};
    static const int32_t TYPES[] = {3, 1, 1, 5};
    struct GgufWriter *writer = gguf_writer_new();
    gguf_writer_string(writer, "tokenizer.ggml.model", "rwkv");
    gguf_writer_strings(writer, "tokenizer.ggml.tokens", TEXTS, 4);
    gguf_writer_i32s(writer, "tokenizer.ggml.token_type", TYPES, 4);
    gguf_writer_u32(writer, "tokenizer.ggml.unknown_token_id", 0);
    Tokenizer *t = load_well(writer);
    REQUIRE(t);
    CHECK_TOKENS(t,
                 "\tab\xff"
                 "a\xff\xff\xff[PAD3]",
                 0, 1, 1, 2);
    tokenizer_free(t);
}

static void world_refuses_escapes(void) {
    static const char *const TEXTS[] = {"\\",    "a\\",   "\\x", "\\x4",
                                        "\\x4g", "\\xAB", "\\a", "\\n\\\\\\"};
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        const char *texts[] = {"<s>\\", TEXTS[i]};
        struct GgufWriter *writer = gguf_writer_new();
        gguf_writer_string(writer, "tokenizer.ggml.model", "rwkv");
        gguf_writer_strings(writer, "tokenizer.ggml.tokens", texts, 2);
        gguf_writer_i32s(writer, "tokenizer.ggml.token_type", (const int32_t[]){3, 1}, 2);
        check_refused(writer, -EBADMSG, "token 1 has an escape");
    }
}

/* One word as long as a request may be: a quadratic algorithm would not come back. */
static void takes_long_words(void) {
    struct SmallVocabulary vocabulary;
    Tokenizer *all[] = {load_well(small_bpe(&vocabulary, "gpt-2")),
                        load_well(small_spm(&vocabulary)), load_well(small_world(&vocabulary))};
    size_t size = 1 << 20, n;
    char *text = malloc(size);
    Token *tokens;
    static const char RUNS[] = "a \n.\xff";
    for (unsigned i = 0; i < 3; i++) {
        REQUIRE(all[i]);
        for (const char *run = RUNS; *run; run++) {
            memset(text, *run, size);
            CHECK_INT(tokenizer_encode(all[i], text, size, TOKENIZE_MIDDLE, &tokens, &n), 0);
            CHECK(n >= size / 2 && n <= size);
            free(tokens);
        }
        for (size_t j = 0; j < size; j++) text[j] = "abcaab"[j % 6];
        CHECK_INT(tokenizer_encode(all[i], text, size, TOKENIZE_MIDDLE, &tokens, &n), 0);
        CHECK(n > size / 6 && n < size);
        free(tokens);
        memset(text, ' ', size);
        CHECK_INT(tokenizer_encode(all[i], text, size, TOKENIZE_MIDDLE, &tokens, &n), 0);
        CHECK_INT(n, size);
        free(tokens);
        CHECK_INT(tokenizer_encode(all[i], text, SIZE_MAX / 2, 0, &tokens, &n), -EFBIG);
        tokenizer_free(all[i]);
    }
    free(text);
}

/* ---- What is odd ---- */

/* Nothing of this is damage, and real files have some of it. */
static void takes_odd_vocabularies(void) {
    static const char *const NAMES[] = {"llama", "gpt2", "rwkv"};
    static const char *const MERGES[] = {"a a", "aa aa", "a a", "z z"};
    static char longest[4097];
    memset(longest, 'a', 4096);
    for (size_t i = 0; i < 3; i++) {
        const char *texts[] = {"a", "", "aa", "aa", longest, "<0x62>", "</s>"};
        struct GgufWriter *writer = gguf_writer_new();
        gguf_writer_string(writer, "tokenizer.ggml.model", NAMES[i]);
        gguf_writer_strings(writer, "tokenizer.ggml.tokens", texts, 7);
        gguf_writer_i32s(writer, "tokenizer.ggml.token_type", (int32_t[]){1, 1, 1, 1, 1, 6, 3}, 7);
        gguf_writer_strings(writer, "tokenizer.ggml.merges", MERGES, 4);
        gguf_writer_bool(writer, "tokenizer.ggml.add_space_prefix", false);
        gguf_writer_u32(writer, "tokenizer.ggml.bos_token_id", 7);
        gguf_writer_u32(writer, "tokenizer.ggml.eos_token_id", UINT32_MAX);
        gguf_writer_u32(writer, "tokenizer.ggml.unknown_token_id", 6);
        Tokenizer *t = load_well(writer);
        REQUIRE(t);
        CHECK_TOKENS(t, "aaa", TOKENIZE_BOS, 3, 0); /* of equal texts the last */
        CHECK_TOKENS(t, "a?a", 0, 0, 0);            /* no token, and the unknown one is control */
        if (i < 2) CHECK_TOKENS(t, "ab", 0, 0, 5);  /* World has no names for bytes */
        CHECK_INT(tokenizer_bos(t), -1);
        CHECK_INT(tokenizer_eos(t), -1);
        tokenizer_free(t);
    }
}

/* ---- What is refused ---- */

static void refuses_unknown_kinds(void) {
    struct SmallVocabulary vocabulary;
    struct GgufWriter *writer = gguf_writer_new();
    gguf_writer_string(writer, "tokenizer.ggml.model", "bert");
    check_refused(writer, -ENOTSUP, "'bert'");
    check_refused(gguf_writer_new(), -EBADMSG, "tokenizer.ggml.model");
    check_refused(small_bpe(&vocabulary, "falcon-9"), -ENOTSUP, "'falcon-9'");
    check_refused(small_bpe(&vocabulary, "a\nb"), -ENOTSUP, "'a?b'");
}

static void refuses_damage(void) {
    struct GgufWriter *writer = gguf_writer_new();
    gguf_writer_string(writer, "tokenizer.ggml.model", "llama");
    check_refused(writer, -EBADMSG, "tokenizer.ggml.tokens");

    static const char *const TEXTS[] = {"a", "b"};
    static const struct {
        float scores[2];
        int32_t types[2];
        size_t n_types;
        const char *words;
    } CASES[] = {
        {{0, NAN}, {1, 1}, 2, "score of token 1"},
        {{INFINITY, 0}, {1, 1}, 2, "score of token 0"},
        {{0, 0}, {1, 9}, 2, "token 1 has the unknown type 9"},
        {{0, 0}, {1}, 1, "1 entries for 2 tokens"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        writer = gguf_writer_new();
        gguf_writer_string(writer, "tokenizer.ggml.model", "llama");
        gguf_writer_strings(writer, "tokenizer.ggml.tokens", TEXTS, 2);
        gguf_writer_f32s(writer, "tokenizer.ggml.scores", CASES[i].scores, 2);
        gguf_writer_i32s(writer, "tokenizer.ggml.token_type", CASES[i].types, CASES[i].n_types);
        check_refused(writer, -EBADMSG, CASES[i].words);
    }

    static const char *const MERGES[] = {"a b", "ab"};
    writer = gguf_writer_new();
    gguf_writer_string(writer, "tokenizer.ggml.model", "gpt2");
    gguf_writer_string(writer, "tokenizer.ggml.pre", "mpt");
    gguf_writer_strings(writer, "tokenizer.ggml.tokens", TEXTS, 2);
    gguf_writer_strings(writer, "tokenizer.ggml.merges", MERGES, 2);
    check_refused(writer, -EBADMSG, "merge 1 of the tokenizer is not two tokens: 'ab'");
}

/* ---- Streams ---- */

static void check_stream(const char *bytes, size_t size, const char *expected) {
    char all[64], each[64];
    struct Utf8Stream stream = {0};
    size_t n = utf8_stream_push(&stream, bytes, size, all);
    n += utf8_stream_finish(&stream, all + n);
    CHECK_INT(n, strlen(expected));
    CHECK(memcmp(all, expected, n) == 0);
    size_t n_each = 0;
    for (size_t i = 0; i < size; i++)
        n_each += utf8_stream_push(&stream, bytes + i, 1, each + n_each);
    n_each += utf8_stream_finish(&stream, each + n_each);
    CHECK_INT(n_each, n);
    CHECK(memcmp(each, all, n) == 0);
}

#define CHECK_STREAM(bytes, expected) check_stream(bytes, sizeof bytes - 1, expected)

static void streams_whole_characters(void) {
    CHECK_STREAM("a\u00e9\u20ac\U0001f600z", "a\u00e9\u20ac\U0001f600z");
    CHECK_STREAM("\xf0\x9f\x98", "\ufffd"); /* cut short */
    CHECK_STREAM("\xe2\x82"
                 "a",
                 "\ufffd"
                 "a");                                            /* broken off */
    CHECK_STREAM("\xff\x80", "\ufffd\ufffd");                     /* never a character */
    CHECK_STREAM("\xc0\xaf", "\ufffd\ufffd");                     /* overlong */
    CHECK_STREAM("\xed\xa0\x80", "\ufffd\ufffd\ufffd");           /* surrogate */
    CHECK_STREAM("\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd"); /* past U+10FFFF */
    CHECK_STREAM("\xf0\x9f\xe2\x82\xac", "\ufffd\u20ac");
    char out[16];
    struct Utf8Stream stream = {0};
    CHECK_INT(utf8_stream_push(&stream, "\xe2\x82", 2, out), 0);
    CHECK_INT(utf8_stream_push(&stream, "\xac", 1, out), 3);
    CHECK_INT(utf8_stream_finish(&stream, out), 0);
}

int main(void) {
    return TEST_MAIN(
        {"spm merges by score", spm_merges_by_score},
        {"spm falls back to bytes", spm_falls_back_to_bytes},
        {"spm cuts special tokens", spm_cuts_special_tokens}, {"spm decodes", spm_decodes},
        {"spm without prefix", spm_without_prefix},
        {"spm merges over words", spm_merges_over_words},
        {"bpe merges by rank", bpe_merges_by_rank},
        {"bpe keeps special tokens apart", bpe_keeps_special_tokens_apart},
        {"bpe merges to the last", bpe_merges_to_the_last},
        {"bpe merges over parts", bpe_merges_over_parts},
        {"bpe without a name", bpe_without_a_name},
        {"world matches the longest", world_matches_the_longest},
        {"world drops what is no token", world_drops_what_is_no_token},
        {"world refuses escapes", world_refuses_escapes}, {"takes long words", takes_long_words},
        {"takes odd vocabularies", takes_odd_vocabularies},
        {"refuses unknown kinds", refuses_unknown_kinds}, {"refuses damage", refuses_damage},
        {"streams whole characters", streams_whole_characters});
}
