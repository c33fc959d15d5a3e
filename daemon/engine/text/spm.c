/*
 * SentencePiece-like tokenizers ("llama"): spaces become U+2581, then the neighbours whose
 * concatenation is the token with the best score are merged, until none is. What is no token comes
 * out as byte tokens.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/text/tokenizer-model.h"
#include "engine/text/unicode.h"

static const char SPACE[] = "\xe2\x96\x81"; /* U+2581 */
#define SPACE_SIZE (sizeof SPACE - 1)

struct Spm {
    uint32_t *priorities;    /* of tokens: the order of their scores, best first */
    struct TokenIndex index; /* tokens that text may become */
    size_t longest;          /* of these, in bytes */
    bool words;              /* none of these has a space behind anything else */
    Token bytes[256];
};

static size_t spm_decode(const char *text, size_t size, enum TokenType type, char *ret) {
    int byte = type == TOKEN_BYTE ? byte_token_value(text, size) : -1;
    if (byte >= 0) {
        ret[0] = (char)byte;
        return 1;
    }
    size_t n = 0;
    for (size_t i = 0; i < size;) {
        if (size - i >= SPACE_SIZE && memcmp(text + i, SPACE, SPACE_SIZE) == 0) {
            ret[n++] = ' ';
            i += SPACE_SIZE;
        } else {
            ret[n++] = text[i++];
        }
    }
    return n;
}

/* ---- Loading ---- */

static bool is_mergeable(const void *userdata, Token token) {
    const Tokenizer *tokenizer = userdata;
    uint8_t type = tokenizer->types[token];
    return type == TOKEN_NORMAL || type == TOKEN_USER_DEFINED;
}

/* Floats in an order that unsigned integers have: the best score first, MERGE_NONE never. */
static uint32_t priority_of(float score) {
    uint32_t bits;
    score += 0.0f; /* -0 */
    memcpy(&bits, &score, sizeof bits);
    return bits & 0x80000000 ? bits : ~bits & 0x7fffffff;
}

static int load_priorities(struct Spm *spm, uint32_t n, const struct Gguf *file, Reason *why) {
    static const char KEY[] = "tokenizer.ggml.scores";
    struct GgufArray scores;
    int r = gguf_get_floats(file, KEY, &scores, why);
    if (r < 0) return r;
    if (r == 0 && scores.n < n)
        return reason_set(why, EBADMSG, "%s has %llu entries for %u tokens", KEY,
                          (unsigned long long)scores.n, n);
    spm->priorities = malloc(n * sizeof *spm->priorities);
    if (!spm->priorities) return -ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        float score = r == GGUF_ABSENT ? 0 : gguf_array_float(&scores, i);
        if (!isfinite(score))
            return reason_set(why, EBADMSG, "the score of token %u is not a finite number", i);
        spm->priorities[i] = priority_of(score);
    }
    return 0;
}

/* Where a word ends: at the first space behind something else; or `size`. */
static size_t word_size(const char *text, size_t size) {
    bool inside = false;
    for (size_t i = 0; i < size;) {
        bool space = size - i >= SPACE_SIZE && memcmp(text + i, SPACE, SPACE_SIZE) == 0;
        if (space && inside) return i;
        inside = !space;
        i += space ? SPACE_SIZE : 1;
    }
    return size;
}

static void collect_tokens(struct Spm *spm, const Tokenizer *tokenizer) {
    for (unsigned i = 0; i < 256; i++) spm->bytes[i] = TOKEN_NONE;
    spm->words = true;
    for (Token token = 0; token < (Token)tokenizer->texts.n; token++) {
        const char *text;
        size_t size = token_texts_get(&tokenizer->texts, token, &text);
        int byte = tokenizer->types[token] == TOKEN_BYTE ? byte_token_value(text, size) : -1;
        if (byte >= 0) spm->bytes[byte] = token;
        if (!is_mergeable(tokenizer, token)) continue;
        if (size > spm->longest) spm->longest = size;
        if (word_size(text, size) < size) spm->words = false;
    }
}

static int spm_load(Tokenizer *tokenizer, const struct Gguf *file, Reason *why) {
    struct Spm *spm = calloc(1, sizeof *spm);
    if (!spm) return -ENOMEM;
    tokenizer->state = spm;
    int r = load_priorities(spm, tokenizer->texts.n, file, why);
    if (r < 0) return r;
    collect_tokens(spm, tokenizer);
    return token_index_init(&spm->index, &tokenizer->texts, is_mergeable, tokenizer);
}

static void spm_free(void *state) {
    struct Spm *spm = state;
    token_index_done(&spm->index);
    free(spm->priorities);
    free(spm);
}

/* ---- Encoding ---- */

struct SpmText {
    const struct Spm *spm;
    const char *text; /* with spaces replaced */
};

static uint32_t spm_pair(const void *userdata, const struct MergeSymbol *left,
                         const struct MergeSymbol *right, Token *ret) {
    const struct SpmText *text = userdata;
    size_t size = (size_t)left->size + right->size;
    if (size > text->spm->longest) return MERGE_NONE;
    *ret = token_index_find(&text->spm->index, text->text + left->start, size);
    return *ret == TOKEN_NONE ? MERGE_NONE : text->spm->priorities[*ret];
}

static char *replace_spaces(const char *text, size_t size, bool prefix, size_t *ret_size) {
    char *ret = malloc((size + prefix) * SPACE_SIZE), *to = ret;
    if (!ret) return NULL;
    if (prefix) to = mempcpy(to, SPACE, SPACE_SIZE);
    for (size_t i = 0; i < size; i++) {
        if (text[i] == ' ')
            to = mempcpy(to, SPACE, SPACE_SIZE);
        else
            *to++ = text[i];
    }
    *ret_size = (size_t)(to - ret);
    return ret;
}

static uint32_t split_characters(const struct SpmText *text, size_t size,
                                 struct MergeSymbol *symbols) {
    uint32_t n = 0, character;
    for (size_t at = 0; at < size; n++) {
        unsigned width = utf8_decode(text->text + at, size - at, &character);
        symbols[n] = (struct MergeSymbol){
            .start = (uint32_t)at,
            .size = width,
            .token = token_index_find(&text->spm->index, text->text + at, width),
        };
        at += width;
    }
    return n;
}

static int emit(const Tokenizer *tokenizer, const char *text, const struct MergeSymbol *symbol,
                struct TokenList *ret) {
    const struct Spm *spm = tokenizer->state;
    if (symbol->token != TOKEN_NONE) return token_list_add(ret, symbol->token);
    for (uint32_t i = 0; i < symbol->size; i++) {
        Token token = spm->bytes[(uint8_t)text[symbol->start + i]];
        int r = token_list_add(ret, token == TOKEN_NONE ? tokenizer->unknown : token);
        if (r < 0) return r;
    }
    return 0;
}

static int encode_word(const Tokenizer *tokenizer, const char *text, size_t size,
                       struct Merger *merger, struct TokenList *ret) {
    struct SpmText spm_text = {tokenizer->state, text};
    int r = merger_reserve(merger, (uint32_t)size);
    if (r < 0) return r;
    uint32_t n = split_characters(&spm_text, size, merger->symbols);
    merger_run(merger, n, spm_pair, &spm_text);
    for (uint32_t i = 0; r == 0 && i != MERGE_NONE; i = merger->symbols[i].next)
        r = emit(tokenizer, text, &merger->symbols[i], ret);
    return r;
}

/* Where no token reaches over the start of a word, words can be merged one by one: the same tokens
 * from a shorter heap. */
static int spm_encode(const Tokenizer *tokenizer, const char *text, size_t size, bool first,
                      struct Merger *merger, struct TokenList *ret) {
    const struct Spm *spm = tokenizer->state;
    size_t escaped_size, word;
    char *escaped = replace_spaces(text, size, first && tokenizer->space_prefix, &escaped_size);
    if (!escaped) return -ENOMEM;
    int r = 0;
    for (size_t at = 0; r == 0 && at < escaped_size; at += word) {
        word = escaped_size - at;
        if (spm->words) word = word_size(escaped + at, word);
        r = encode_word(tokenizer, escaped + at, word, merger, ret);
    }
    free(escaped);
    return r;
}

const struct TokenizerModel SPM = {
    .add_bos = true,
    .space_prefix = true,
    .decode = spm_decode,
    .load = spm_load,
    .free = spm_free,
    .encode = spm_encode,
};
