/*
 * Byte-level BPE ("gpt2"): the pre-tokenizer cuts text into pieces, and inside a piece the
 * neighbours that come first in the list of merges are merged, until none is in it. The file writes
 * bytes as printable characters; here everything is in bytes, from loading on. What is no token
 * when nothing can be merged any more comes out byte by byte.
 */
#include <errno.h>
#include <stdlib.h>

#include "engine/text/bpe-merges.h"
#include "engine/text/pretokenizer.h"
#include "engine/text/tokenizer-model.h"

struct Bpe {
    struct Pretokenizer *pretokenizer;
    struct TokenIndex index; /* pieces to tokens that text may become */
    struct BpeMerges merges;
    Token bytes[256]; /* tokens */
};

static size_t bpe_decode(const char *text, size_t size, enum TokenType type, char *ret) {
    int byte = type == TOKEN_BYTE ? byte_token_value(text, size) : -1;
    if (byte < 0) return bpe_unescape(text, size, ret);
    ret[0] = (char)byte;
    return 1;
}

/* ---- Loading ---- */

static bool is_mergeable(const void *userdata, Token token) {
    const Tokenizer *tokenizer = userdata;
    uint8_t type = tokenizer->types[token];
    return type == TOKEN_NORMAL || type == TOKEN_USER_DEFINED;
}

/* Microsoft's BitNet files have Llama 3's vocabulary and forget to say how it is cut. */
static bool is_unnamed_llama3(const struct Gguf *file, uint32_t n_tokens) {
    struct GgufString architecture;
    return gguf_get_string(file, "general.architecture", &architecture, NULL) == 0 &&
           gguf_string_is(architecture, "bitnet-b1.58") && n_tokens == 128256;
}

static int load_pretokenizer(struct Bpe *bpe, const struct Gguf *file, uint32_t n_tokens,
                             Reason *why) {
    struct GgufString string;
    struct GgufPrintable name = {"default"};
    int r = gguf_get_string(file, "tokenizer.ggml.pre", &string, why);
    if (r < 0) return r;
    if (r != GGUF_ABSENT && string.size > 0)
        name = gguf_printable(string);
    else if (is_unnamed_llama3(file, n_tokens))
        name = (struct GgufPrintable){"llama-bpe"};
    r = pretokenizer_new(name.text, &bpe->pretokenizer);
    if (r == -ENOTSUP)
        return reason_set(why, ENOTSUP, "the pre-tokenizer '%s' is not supported", name.text);
    return r;
}

/* Bytes that no text names may have tokens of their own, "<0x1F>". */
static void find_bytes(struct Bpe *bpe, const Tokenizer *tokenizer) {
    for (unsigned i = 0; i < 256; i++)
        bpe->bytes[i] = token_index_find(&bpe->index, &(char){(char)i}, 1);
    for (Token token = 0; token < (Token)tokenizer->texts.n; token++) {
        const char *text;
        if (tokenizer->types[token] != TOKEN_BYTE) continue;
        size_t size = token_texts_get(&tokenizer->texts, token, &text);
        int byte = byte_token_value(text, size);
        if (byte >= 0 && bpe->bytes[byte] == TOKEN_NONE) bpe->bytes[byte] = token;
    }
}

static int bpe_load(Tokenizer *tokenizer, const struct Gguf *file, Reason *why) {
    struct Bpe *bpe = calloc(1, sizeof *bpe);
    if (!bpe) return -ENOMEM;
    tokenizer->state = bpe;
    int r = load_pretokenizer(bpe, file, tokenizer->texts.n, why);
    if (r < 0) return r;
    tokenizer->add_bos = pretokenizer_adds_bos(bpe->pretokenizer);
    r = token_index_init(&bpe->index, &tokenizer->pieces, is_mergeable, tokenizer);
    if (r < 0) return r;
    find_bytes(bpe, tokenizer);
    return bpe_merges_load(&bpe->merges, &tokenizer->pieces, &bpe->index, file, why);
}

static void bpe_free(void *state) {
    struct Bpe *bpe = state;
    pretokenizer_free(bpe->pretokenizer);
    token_index_done(&bpe->index);
    bpe_merges_done(&bpe->merges);
    free(bpe);
}

/* ---- Encoding ---- */

struct BpeRun {
    const Tokenizer *tokenizer;
    struct Merger *merger;
    struct TokenList *ret;
};

static int emit(const struct BpeRun *run, const char *text, const struct MergeSymbol *symbol) {
    const Tokenizer *tokenizer = run->tokenizer;
    const struct Bpe *bpe = tokenizer->state;
    if (symbol->token < (Token)tokenizer->pieces.n) return token_list_add(run->ret, symbol->token);
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < symbol->size; i++) {
        Token token = bpe->bytes[(uint8_t)text[symbol->start + i]];
        r = token_list_add(run->ret, token == TOKEN_NONE ? tokenizer->unknown : token);
    }
    return r;
}

static int encode_piece(void *userdata, const char *text, size_t size) {
    const struct BpeRun *run = userdata;
    const struct Bpe *bpe = run->tokenizer->state;
    struct Merger *merger = run->merger;
    if (pretokenizer_ignores_merges(bpe->pretokenizer)) {
        Token whole = token_index_find(&bpe->index, text, size);
        if (whole != TOKEN_NONE) return token_list_add(run->ret, whole);
    }
    int r = merger_reserve(merger, (uint32_t)size);
    if (r < 0) return r;
    for (uint32_t i = 0; i < size; i++)
        merger->symbols[i] = (struct MergeSymbol){
            .start = i,
            .size = 1,
            .token = bpe->merges.bytes[(uint8_t)text[i]],
        };
    merger_run(merger, (uint32_t)size, bpe_merges_pair, &bpe->merges);
    for (uint32_t i = 0; r == 0 && i != MERGE_NONE; i = merger->symbols[i].next)
        r = emit(run, text, &merger->symbols[i]);
    return r;
}

static int bpe_encode(const Tokenizer *tokenizer, const char *text, size_t size, bool first,
                      struct Merger *merger, struct TokenList *ret) {
    const struct Bpe *bpe = tokenizer->state;
    struct BpeRun run = {tokenizer, merger, ret};
    return pretokenizer_run(bpe->pretokenizer, text, size, encode_piece, &run);
}

const struct TokenizerModel BPE = {
    .decode = bpe_decode,
    .load = bpe_load,
    .free = bpe_free,
    .encode = bpe_encode,
};
