/* What is cut out of text, what is put around it, what ends an answer, and models without text. */
#include <errno.h>

#include "check-tokens.h"
#include "small-vocabulary.h"

/* ---- White space beside special tokens ---- */

/* A SentencePiece-like model with this name and Phi-3's special tokens. */
static Tokenizer *load_phi3(const char *name) {
    static const char *const TEXTS[] = {"<unk>", "<s>", "</s>",    "\u2581", "a",
                                        "\n",    " ",   "<|end|>", "<u>",    "<|endoftext|>"};
    static const int32_t TYPES[] = {2, 3, 4, 1, 1, 1, 1, 3, 4, 3};
    struct GgufWriter *writer = gguf_writer_new();
    gguf_writer_string(writer, "tokenizer.ggml.model", "llama");
    gguf_writer_string(writer, "general.name", name);
    gguf_writer_strings(writer, "tokenizer.ggml.tokens", TEXTS, 10);
    gguf_writer_i32s(writer, "tokenizer.ggml.token_type", TYPES, 10);
    gguf_writer_bool(writer, "tokenizer.ggml.add_space_prefix", false);
    return load_well(writer); /* no scores: all are 0 */
}

static void strips_behind(void) {
    Tokenizer *t = load_phi3("Microsoft Phi-3 mini");
    REQUIRE(t);
    CHECK_TOKENS(t, "a <|end|> \n\t a", TOKENIZE_SPECIAL, 4, 3, 7, 4);
    CHECK_TOKENS(t, "a <u>\n a", 0, 4, 3, 8, 4);
    CHECK_TOKENS(t, "<u> <u> </s>\na", 0, 8, 8, 2, 4);
    CHECK_TOKENS(t, "<s>\na<|endoftext|>\na", TOKENIZE_SPECIAL, 1, 5, 4, 9, 5, 4);
    CHECK_TOKENS(t, "<u>  ", 0, 8);
    tokenizer_free(t);
    t = load_phi3("Llama");
    REQUIRE(t);
    CHECK_TOKENS(t, "a <|end|>\na", TOKENIZE_SPECIAL, 4, 3, 7, 5, 4);
    tokenizer_free(t);
}

static void strips_before(void) {
    struct SmallVocabulary vocabulary;
    struct GgufWriter *writer = gguf_writer_new();
    Tokenizer *t;
    small_bpe_fill(&vocabulary);
    small_vocabulary_add(&vocabulary, "<mask>", 3, 0);
    gguf_writer_string(writer, "tokenizer.ggml.model", "gpt2");
    gguf_writer_string(writer, "tokenizer.ggml.pre", "jina-v2-de");
    small_vocabulary_write(writer, &vocabulary);
    gguf_writer_strings(writer, "tokenizer.ggml.merges", (const char *const[]){"a b"}, 1);
    t = load_well(writer);
    REQUIRE(t);
    CHECK_TOKENS(t, "a \n <mask> a<user> a", TOKENIZE_SPECIAL, 'a', BPE_USER + 1, ' ', 'a',
                 BPE_USER, ' ', 'a');
    tokenizer_free(t);
}

/* ---- Which of several ---- */

/* The longest wins, wherever it stands; runs of one character are the case that could be slow. */
static void cuts_the_longest_first(void) {
    enum { N_RUNS = 600 };
    static char runs[N_RUNS][N_RUNS + 1];
    static const char *texts[N_RUNS + 1];
    static int32_t types[N_RUNS + 1];
    const size_t size = 1 << 20;
    struct GgufWriter *writer = gguf_writer_new();
    Token *tokens;
    size_t n;
    texts[0] = "b";
    types[0] = 1;
    for (unsigned i = 1; i <= N_RUNS; i++) {
        memset(runs[i - 1], 'a', i);
        texts[i] = runs[i - 1];
        types[i] = 4;
    }
    gguf_writer_string(writer, "tokenizer.ggml.model", "rwkv");
    gguf_writer_strings(writer, "tokenizer.ggml.tokens", texts, N_RUNS + 1);
    gguf_writer_i32s(writer, "tokenizer.ggml.token_type", types, N_RUNS + 1);
    Tokenizer *t = load_well(writer);
    REQUIRE(t);
    CHECK_TOKENS(t, "aabaaab", 0, 2, 0, 3, 0);
    char *text = malloc(size);
    memset(text, 'a', size);
    CHECK_INT(tokenizer_encode(t, text, size, 0, &tokens, &n), 0);
    CHECK_INT(n, size / N_RUNS + 1);
    CHECK_INT(tokens[0], N_RUNS);
    CHECK_INT(tokens[n - 1], size % N_RUNS);
    free(tokens);
    free(text);
    tokenizer_free(t);
}

/* ---- Before and behind the text ---- */

static void adds_what_the_file_says(void) {
    struct SmallVocabulary vocabulary;
    struct GgufWriter *writer = small_spm(&vocabulary);
    gguf_writer_bool(writer, "tokenizer.ggml.add_eos_token", true);
    Tokenizer *t = load_well(writer);
    REQUIRE(t);
    CHECK_TOKENS(t, "a", TOKENIZE_BOS | TOKENIZE_EOS, 1, SPACE_A, 2);
    CHECK_TOKENS(t, "a", TOKENIZE_BOS, 1, SPACE_A);
    CHECK_TOKENS(t, "", TOKENIZE_EOS, 2);
    tokenizer_free(t);
    t = load_well(small_spm(&vocabulary));
    REQUIRE(t);
    CHECK_TOKENS(t, "a", TOKENIZE_BOS | TOKENIZE_EOS, 1, SPACE_A);
    tokenizer_free(t);
    t = load_well(small_bpe(&vocabulary, "tekken"));
    REQUIRE(t);
    CHECK_TOKENS(t, "x", TOKENIZE_BOS, 'B', 'x');
    tokenizer_free(t);
    writer = small_bpe(&vocabulary, "llama-bpe");
    gguf_writer_bool(writer, "tokenizer.ggml.add_bos_token", false);
    t = load_well(writer);
    REQUIRE(t);
    CHECK_TOKENS(t, "x", TOKENIZE_BOS, 'x');
    tokenizer_free(t);
}

/* ---- Ends ---- */

/* A vocabulary of these texts, all of one type. */
static Tokenizer *load_texts(const char *const *texts, size_t n, int32_t type) {
    struct GgufWriter *writer = gguf_writer_new();
    int32_t types[64];
    for (size_t i = 0; i < n; i++) types[i] = i == 0 ? 1 : type;
    gguf_writer_string(writer, "tokenizer.ggml.model", "gpt2");
    gguf_writer_string(writer, "tokenizer.ggml.pre", "gpt-2");
    gguf_writer_strings(writer, "tokenizer.ggml.tokens", texts, n);
    gguf_writer_i32s(writer, "tokenizer.ggml.token_type", types, n);
    gguf_writer_strings(writer, "tokenizer.ggml.merges", NULL, 0);
    return load_well(writer);
}

static void knows_ends_by_text(void) {
    static const char *const TEXTS[] = {
        "a",
        "<|eot_id|>",
        "<|im_end|>",
        "<|end|>",
        "<end_of_turn>",
        "<|endoftext|>",
        "<EOT>",
        "_<EOT>",
        "</s>",
        "<|end_of_text|>",
        "<\uff5cend\u2581of\u2581sentence\uff5c>",
        "<|fim_pad|>",
        "<|eom_id|>",
        "[EOT]",
        "<|start|>",
        "<s>",
        "end",
    };
    const Token n_ends = 13;
    Tokenizer *t = load_texts(TEXTS, 17, 3);
    REQUIRE(t);
    for (Token token = 0; token < 17; token++)
        if (tokenizer_is_end(t, token) != (token >= 1 && token <= n_ends))
            test_fail(__FILE__, __LINE__, "'%s' is%s an end", TEXTS[token],
                      tokenizer_is_end(t, token) ? "" : " not");
    tokenizer_free(t);
    t = load_texts(TEXTS, 17, 1); /* words like others */
    REQUIRE(t);
    for (Token token = 0; token < 17; token++) CHECK(!tokenizer_is_end(t, token));
    tokenizer_free(t);
}

/* gpt-oss ends each part of an answer with <|end|>. */
static void knows_ends_of_parts(void) {
    static const char *const TEXTS[] = {"a", "<|end|>", "<|call|>", "<|return|>"};
    Tokenizer *t = load_texts(TEXTS, 4, 3);
    REQUIRE(t);
    CHECK(!tokenizer_is_end(t, 1) && tokenizer_is_end(t, 2) && tokenizer_is_end(t, 3));
    tokenizer_free(t);
}

static void knows_ends_by_key(void) {
    struct SmallVocabulary vocabulary;
    struct GgufWriter *writer = small_spm(&vocabulary);
    gguf_writer_u32(writer, "tokenizer.ggml.eos_token_id", AB);
    gguf_writer_u32(writer, "tokenizer.ggml.eot_token_id", ABC);
    gguf_writer_u32(writer, "tokenizer.ggml.eom_token_id", 1000000); /* behind the vocabulary */
    gguf_writer_u32(writer, "tokenizer.ggml.bos_token_id", UINT32_MAX);
    Tokenizer *t = load_well(writer);
    REQUIRE(t);
    CHECK_INT(tokenizer_eos(t), AB);
    CHECK_INT(tokenizer_bos(t), -1);
    CHECK(tokenizer_is_end(t, AB) && tokenizer_is_end(t, ABC) && !tokenizer_is_end(t, -1));
    CHECK(tokenizer_is_end(t, 2)); /* </s> by its text */
    CHECK_TOKENS(t, "a", TOKENIZE_BOS, SPACE_A);
    tokenizer_free(t);
}

/* ---- No text ---- */

static void has_no_text(void) {
    static const char *const NAMES[] = {"no_vocab", "none"};
    for (size_t i = 0; i < 2; i++) {
        struct GgufWriter *writer = gguf_writer_new();
        Token *tokens;
        size_t n;
        const char *piece;
        gguf_writer_string(writer, "general.architecture", "mamba");
        gguf_writer_string(writer, "tokenizer.ggml.model", NAMES[i]);
        gguf_writer_u32(writer, "mamba.vocab_size", 500);
        Tokenizer *t = load_well(writer);
        REQUIRE(t);
        CHECK(!tokenizer_has_text(t));
        CHECK_INT(tokenizer_size(t), 500);
        CHECK_INT(tokenizer_bos(t), -1);
        CHECK_INT(tokenizer_eos(t), -1);
        CHECK_INT(tokenizer_encode(t, "a", 1, 0, &tokens, &n), -ENOTSUP);
        CHECK_INT(tokenizer_piece(t, 499, true, &piece), 0);
        CHECK_DECODED(t, true, "", 1, 2, 499);
        tokenizer_free(t);
    }
    struct GgufWriter *writer = gguf_writer_new();
    gguf_writer_string(writer, "tokenizer.ggml.model", "none");
    gguf_writer_string(writer, "general.architecture", "mamba");
    gguf_writer_u32(writer, "mamba.vocab_size", UINT32_MAX);
    check_refused(writer, -EFBIG, "more than the limit");
}

int main(void) {
    return TEST_MAIN({"strips behind", strips_behind}, {"strips before", strips_before},
                     {"cuts the longest first", cuts_the_longest_first},
                     {"adds what the file says", adds_what_the_file_says},
                     {"knows ends by text", knows_ends_by_text},
                     {"knows ends of parts", knows_ends_of_parts},
                     {"knows ends by key", knows_ends_by_key}, {"has no text", has_no_text});
}
