/*
 * Two kinds of input. What starts like a GGUF file is a model file with a vocabulary, and the same
 * bytes are text for it. Of anything else the first byte chooses one of the small vocabularies that
 * have every byte (KINDS), and the rest is text, which must come back as it was.
 */
#include <stdlib.h>
#include <string.h>

#include "../engine/small-vocabulary.h"
#include "engine/text/tokenizer.h"
#include "engine/text/unicode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_TEXT 4096

/* ---- Any vocabulary ---- */

static void check_utf8(const char *text, size_t size) {
    uint32_t character;
    for (size_t at = 0; at < size; at += utf8_decode(text + at, size - at, &character))
        if (utf8_decode(text + at, size - at, &character), character == UTF8_INVALID) abort();
}

/* The pieces of the tokens as a stream; returns the size of what comes out. */
static size_t stream(const Tokenizer *tokenizer, const Token *tokens, size_t n) {
    struct Utf8Stream state = {0};
    size_t total = 0;
    char rest[3];
    for (size_t i = 0; i < n; i++) {
        const char *piece;
        size_t size = tokenizer_piece(tokenizer, tokens[i], true, &piece);
        char *out = malloc(3 * (size + 3));
        size_t written = utf8_stream_push(&state, piece, size, out);
        if (written > 3 * (size + 3)) abort();
        check_utf8(out, written);
        total += written;
        free(out);
    }
    return total + utf8_stream_finish(&state, rest);
}

static void check_tokens(const Tokenizer *tokenizer, const Token *tokens, size_t n,
                         unsigned flags) {
    for (size_t i = 0; i < n; i++) {
        if (tokens[i] < 0 || (uint32_t)tokens[i] >= tokenizer_size(tokenizer)) abort();
        bool around = (i == 0 && flags & TOKENIZE_BOS) || (i == n - 1 && flags & TOKENIZE_EOS);
        if (!around && !(flags & TOKENIZE_SPECIAL) && tokenizer_is_control(tokenizer, tokens[i]))
            abort(); /* a person's words never become control tokens */
        tokenizer_is_end(tokenizer, tokens[i]);
    }
}

/* Tokens and back; both malloc()ed. */
static char *round_trip(const Tokenizer *tokenizer, const char *text, size_t size, unsigned flags,
                        Token **ret, size_t *ret_n, size_t *ret_size) {
    char *decoded = NULL;
    if (tokenizer_encode(tokenizer, text, size, flags, ret, ret_n) < 0) abort();
    check_tokens(tokenizer, *ret, *ret_n, flags);
    if (tokenizer_decode(tokenizer, *ret, *ret_n, true, &decoded, ret_size) < 0) abort();
    if (strlen(decoded) > *ret_size) abort();
    return decoded;
}

static void encode(const Tokenizer *tokenizer, const char *text, size_t size, unsigned flags) {
    Token *tokens = NULL;
    size_t n = 0, decoded_size;
    if (!tokenizer_has_text(tokenizer)) return;
    free(round_trip(tokenizer, text, size, flags, &tokens, &n, &decoded_size));
    stream(tokenizer, tokens, n);
    free(tokens);
}

static void try_file(const uint8_t *data, size_t size) {
    struct Gguf *file = NULL;
    Tokenizer *tokenizer = NULL;
    Reason why = {0};
    if (gguf_parse(data, size, &file, &why) < 0) return;
    int r = tokenizer_new(file, &tokenizer, &why);
    gguf_free(file);
    if (r < 0) {
        if (!why.text[0]) abort();
        return;
    }
    size_t n = size < MAX_TEXT ? size : MAX_TEXT;
    for (unsigned flags = 0; flags < 16; flags++) {
        encode(tokenizer, (const char *)data + size - n, n, flags);
        encode(tokenizer, "a b  ab\n\nabc <|end|>", 20, flags);
    }
    tokenizer_free(tokenizer);
}

/* ---- Vocabularies with every byte ---- */

static struct GgufWriter *write_spm(struct SmallVocabulary *vocabulary, const char *pre) {
    return small_spm(vocabulary);
}

static struct GgufWriter *write_bare_spm(struct SmallVocabulary *vocabulary, const char *pre) {
    struct GgufWriter *writer = small_spm(vocabulary);
    gguf_writer_bool(writer, "tokenizer.ggml.add_space_prefix", false);
    return writer;
}

static struct GgufWriter *write_world(struct SmallVocabulary *vocabulary, const char *pre) {
    return small_world(vocabulary);
}

static const struct {
    struct GgufWriter *(*write)(struct SmallVocabulary *vocabulary, const char *pre);
    const char *pre;
    const char *changed; /* text around which a space is added */
} KINDS[] = {
    {write_spm, NULL, "<|x|>"},          {write_bare_spm, NULL, NULL},
    {write_world, NULL, NULL},           {small_bpe, NULL, NULL},
    {small_bpe, "gpt-2", NULL},          {small_bpe, "llama-bpe", NULL},
    {small_bpe, "qwen2", NULL},          {small_bpe, "smollm", NULL},
    {small_bpe, "falcon", NULL},         {small_bpe, "deepseek-llm", NULL},
    {small_bpe, "deepseek-coder", NULL}, {small_bpe, "deepseek-v3", NULL},
    {small_bpe, "tekken", NULL},         {small_bpe, "gpt-4o", NULL},
    {small_bpe, "bloom", NULL},          {small_bpe, "viking", NULL},
    {small_bpe, "chameleon", NULL},      {small_bpe, "qwen35", NULL},
    {small_bpe, "bailingmoe", NULL},     {small_bpe, "seed-coder", NULL},
    {small_bpe, "jais-2", NULL},         {small_bpe, "minicpm5", NULL},
    {small_bpe, "laguna", NULL},
};
#define N_KINDS (sizeof KINDS / sizeof KINDS[0])

/* Kept for the next input. */
static const Tokenizer *tokenizer_of(size_t kind) {
    static Tokenizer *tokenizers[N_KINDS];
    struct SmallVocabulary vocabulary;
    struct Gguf *file;
    size_t size;
    if (tokenizers[kind]) return tokenizers[kind];
    void *data = gguf_writer_finish(KINDS[kind].write(&vocabulary, KINDS[kind].pre), &size);
    if (gguf_parse(data, size, &file, NULL) < 0) abort();
    if (tokenizer_new(file, &tokenizers[kind], NULL) < 0) abort();
    gguf_free(file);
    free(data);
    return tokenizers[kind];
}

static bool contains(const char *text, size_t size, const char *part) {
    return part && memmem(text, size, part, strlen(part));
}

static bool is_utf8(const char *text, size_t size) {
    uint32_t character = 0;
    for (size_t at = 0; at < size && character != UTF8_INVALID;)
        at += utf8_decode(text + at, size - at, &character);
    return character != UTF8_INVALID;
}

static void try_text(size_t kind, const char *text, size_t size) {
    const Tokenizer *tokenizer = tokenizer_of(kind);
    bool spm = KINDS[kind].write == write_spm, any_spm = spm || KINDS[kind].write == write_bare_spm;
    Token *tokens = NULL;
    size_t n, decoded_size;
    for (unsigned flags = 0; flags < 16; flags++) encode(tokenizer, text, size, flags);
    if (contains(text, size, KINDS[kind].changed)) return;
    if (any_spm && contains(text, size, "\u2581")) return;
    char *decoded = round_trip(tokenizer, text, size, 0, &tokens, &n, &decoded_size);
    if (decoded_size != size || memcmp(decoded, text, size) != 0) abort();
    size_t prefix = spm && size > 0; /* the stream knows nothing of a text's beginning */
    if (is_utf8(text, size) && stream(tokenizer, tokens, n) != size + prefix) abort();
    free(decoded);
    free(tokens);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size >= 4 && memcmp(data, "GGUF", 4) == 0)
        try_file(data, size);
    else if (size > 0)
        try_text(data[0] % N_KINDS, (const char *)data + 1,
                 size - 1 < MAX_TEXT ? size - 1 : MAX_TEXT);
    return 0;
}
