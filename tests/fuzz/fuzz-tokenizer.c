/* Any bytes as a model file with a vocabulary, and the same bytes as text for it. */
#include <stdlib.h>
#include <string.h>

#include "engine/gguf.h"
#include "engine/text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_TEXT 4096

static void stream(const Tokenizer *tokenizer, const Token *tokens, size_t n) {
    struct Utf8Stream state = {0};
    for (size_t i = 0; i < n; i++) {
        const char *piece;
        size_t size = tokenizer_piece(tokenizer, tokens[i], i % 2, &piece);
        char *out = malloc(3 * (size + 3));
        if (utf8_stream_push(&state, piece, size, out) > 3 * (size + 3)) abort();
        free(out);
    }
    char rest[3];
    utf8_stream_finish(&state, rest);
}

static void encode(const Tokenizer *tokenizer, const char *text, size_t size, unsigned flags) {
    Token *tokens = NULL;
    size_t n = 0, decoded_size;
    char *decoded = NULL;
    if (tokenizer_encode(tokenizer, text, size, flags, &tokens, &n) < 0) abort();
    for (size_t i = 0; i < n; i++) {
        if (tokens[i] < 0 || (uint32_t)tokens[i] >= tokenizer_size(tokenizer)) abort();
        bool bos = i == 0 && (flags & TOKENIZE_BOS);
        if (!bos && !(flags & TOKENIZE_SPECIAL) && tokenizer_is_control(tokenizer, tokens[i]))
            abort(); /* a person's words never become control tokens */
        tokenizer_is_end(tokenizer, tokens[i]);
    }
    if (tokenizer_decode(tokenizer, tokens, n, true, &decoded, &decoded_size) < 0) abort();
    if (strlen(decoded) > decoded_size) abort();
    stream(tokenizer, tokens, n);
    free(decoded);
    free(tokens);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct Gguf *file = NULL;
    Tokenizer *tokenizer = NULL;
    Reason why = {0};
    if (gguf_parse(data, size, &file, &why) < 0) return 0;
    int r = tokenizer_new(file, &tokenizer, &why);
    gguf_free(file);
    if (r < 0) {
        if (!why.text[0]) abort();
        return 0;
    }
    size_t n = size < MAX_TEXT ? size : MAX_TEXT;
    for (unsigned flags = 0; flags < 8; flags++) {
        encode(tokenizer, (const char *)data + size - n, n, flags);
        encode(tokenizer, "a b  ab\n\nabc <|end|>", 20, flags);
    }
    tokenizer_free(tokenizer);
    return 0;
}
