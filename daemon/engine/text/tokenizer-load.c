/* Tokenizers from model files: see tokenizer.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/limits.h"
#include "engine/text/tokenizer-model.h"

/* ---- The kind ---- */

static const struct {
    const char *name; /* tokenizer.ggml.model */
    const struct TokenizerModel *model;
} MODELS[] = {
    {"llama", &SPM}, {"gpt2", &BPE}, {"rwkv", &WORLD}, {"no_vocab", &NO_TEXT}, {"none", &NO_TEXT},
};

static int find_model(const struct Gguf *file, const struct TokenizerModel **ret, Reason *why) {
    static const char KEY[] = "tokenizer.ggml.model";
    struct GgufString name;
    int r = gguf_require(gguf_get_string(file, KEY, &name, why), KEY, why);
    if (r < 0) return r;
    for (size_t i = 0; i < sizeof MODELS / sizeof MODELS[0]; i++) {
        *ret = MODELS[i].model;
        if (gguf_string_is(name, MODELS[i].name)) return 0;
    }
    return reason_set(why, ENOTSUP, "tokenizers of the kind '%s' are not supported",
                      gguf_printable(name).text);
}

/* ---- Tokens ---- */

static int check_texts(struct GgufArray array, size_t *ret_size, Reason *why) {
    struct GgufString text;
    *ret_size = 0;
    if (array.n == 0) return reason_set(why, EBADMSG, "the vocabulary is empty");
    if (array.n > TOKENIZER_MAX_TOKENS)
        return reason_set(why, EFBIG, "the vocabulary has %llu tokens, more than the limit of %u",
                          (unsigned long long)array.n, TOKENIZER_MAX_TOKENS);
    for (uint32_t i = 0; gguf_array_next(&array, &text); i++) {
        if (text.size > TOKENIZER_MAX_TOKEN_SIZE)
            return reason_set(why, EFBIG, "the text of token %u is longer than %u bytes", i,
                              TOKENIZER_MAX_TOKEN_SIZE);
        *ret_size += text.size;
    }
    if (*ret_size > TOKENIZER_MAX_TEXT)
        return reason_set(why, EFBIG, "the token texts together are larger than %u bytes",
                          TOKENIZER_MAX_TEXT);
    return 0;
}

/* Where a file has no texts, it may say how many tokens there are. */
static int load_numbers(Tokenizer *tokenizer, const struct Gguf *file, Reason *why) {
    struct GgufString architecture = {"", 0};
    char key[GGUF_MAX_KEY_SIZE + 1];
    uint32_t n = 0;
    int r = gguf_get_string(file, "general.architecture", &architecture, why);
    if (r < 0) return r;
    snprintf(key, sizeof key, "%.*s.vocab_size",
             architecture.size < sizeof key ? (int)architecture.size : 0, architecture.data);
    r = gguf_get_u32(file, key, &n, why);
    if (r < 0) return r;
    if (n > TOKENIZER_MAX_TOKENS)
        return reason_set(why, EFBIG, "the vocabulary has %u tokens, more than the limit of %u", n,
                          TOKENIZER_MAX_TOKENS);
    return token_texts_init(&tokenizer->texts, n, 0);
}

static int load_texts(Tokenizer *tokenizer, const struct Gguf *file, Reason *why) {
    static const char KEY[] = "tokenizer.ggml.tokens";
    struct GgufArray array;
    struct GgufString text;
    size_t size;
    if (tokenizer->model == &NO_TEXT) return load_numbers(tokenizer, file, why);
    int r = gguf_require(gguf_get_strings(file, KEY, &array, why), KEY, why);
    if (r == 0) r = check_texts(array, &size, why);
    if (r == 0) r = token_texts_init(&tokenizer->texts, (uint32_t)array.n, size);
    if (r < 0) return r;
    uint32_t at = 0;
    for (uint32_t i = 0; gguf_array_next(&array, &text); i++) {
        memcpy(tokenizer->texts.bytes + at, text.data, text.size);
        at += (uint32_t)text.size;
        tokenizer->texts.offsets[i + 1] = at;
    }
    return 0;
}

static int load_types(Tokenizer *tokenizer, const struct Gguf *file, Reason *why) {
    static const char KEY[] = "tokenizer.ggml.token_type";
    struct GgufArray types;
    uint32_t n = tokenizer->texts.n;
    int r = gguf_get_integers(file, KEY, &types, why);
    if (r < 0) return r;
    if (r == 0 && types.n < n)
        return reason_set(why, EBADMSG, "%s has %llu entries for %u tokens", KEY,
                          (unsigned long long)types.n, n);
    tokenizer->types = malloc((size_t)n + 1);
    if (!tokenizer->types) return -ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        int64_t type = r == GGUF_ABSENT ? TOKEN_NORMAL : gguf_array_integer(&types, i);
        if (type == TOKEN_UNDEFINED) type = TOKEN_UNUSED;
        if (type < TOKEN_NORMAL || type > TOKEN_BYTE)
            return reason_set(why, EBADMSG, "token %u has the unknown type %lld", i,
                              (long long)type);
        tokenizer->types[i] = (uint8_t)type;
    }
    return 0;
}

static bool is_coded(enum TokenType type) {
    return type == TOKEN_NORMAL || type == TOKEN_BYTE;
}

static int refuse_text(const struct TokenTexts *texts, Token token, Reason *why) {
    struct GgufString text;
    text.size = token_texts_get(texts, token, &text.data);
    return reason_set(why, EBADMSG, "the text of token %d has an escape that means nothing: '%s'",
                      token, gguf_printable(text).text);
}

/* What every token stands for. Never longer than its text. */
static int decode_texts(Tokenizer *tokenizer, Reason *why) {
    const struct TokenTexts *texts = &tokenizer->texts;
    struct TokenTexts *pieces = &tokenizer->pieces;
    int r = token_texts_init(pieces, texts->n, texts->offsets[texts->n]);
    if (r < 0) return r;
    for (Token token = 0; token < (Token)texts->n; token++) {
        const char *text;
        size_t size = token_texts_get(texts, token, &text);
        char *piece = pieces->bytes + pieces->offsets[token];
        if (size > 0 && is_coded(tokenizer->types[token]))
            size = tokenizer->model->decode(text, size, tokenizer->types[token], piece);
        else
            memcpy(piece, text, size);
        if (size == TEXT_MALFORMED) return refuse_text(texts, token, why);
        pieces->offsets[token + 1] = pieces->offsets[token] + (uint32_t)size;
    }
    return 0;
}

/* ---- Special tokens ---- */

enum SpecialKind tokenizer_special_kind(const Tokenizer *tokenizer, Token token) {
    switch (tokenizer->types[token]) {
    case TOKEN_USER_DEFINED:
        return SPECIAL_ALWAYS;
    case TOKEN_CONTROL:
    case TOKEN_UNKNOWN:
        return SPECIAL_CONTROL;
    default:
        return SPECIAL_NOT;
    }
}

int tokenizer_load_id(const Tokenizer *tokenizer, const struct Gguf *file, const char *key,
                      Token fallback, Token *ret, Reason *why) {
    uint32_t id = (uint32_t)fallback;
    int r = gguf_get_u32(file, key, &id, why);
    if (r < 0) return r;
    *ret = id < tokenizer->texts.n ? (Token)id : TOKEN_NONE;
    return 0;
}

/* Ids that SentencePiece models have unless the file says; byte-level BPE has no such custom. */
static int load_ids(Tokenizer *tokenizer, const struct Gguf *file, Reason *why) {
    bool spm = tokenizer->model == &SPM;
    int r = tokenizer_load_id(tokenizer, file, "tokenizer.ggml.bos_token_id", spm ? 1 : TOKEN_NONE,
                              &tokenizer->bos, why);
    if (r == 0)
        r = tokenizer_load_id(tokenizer, file, "tokenizer.ggml.eos_token_id", spm ? 2 : TOKEN_NONE,
                              &tokenizer->eos, why);
    if (r == 0)
        r = tokenizer_load_id(tokenizer, file, "tokenizer.ggml.unknown_token_id",
                              spm ? 0 : TOKEN_NONE, &tokenizer->unknown, why);
    /* what RWKV's files call unknown ends a text, and no user's words may become that */
    if (r == 0 && tokenizer_is_control(tokenizer, tokenizer->unknown))
        tokenizer->unknown = TOKEN_NONE;
    return r;
}

static int load_flags(Tokenizer *tokenizer, const struct Gguf *file, Reason *why) {
    int r = gguf_get_bool(file, "tokenizer.ggml.add_bos_token", &tokenizer->add_bos, why);
    if (r < 0) return r;
    r = gguf_get_bool(file, "tokenizer.ggml.add_eos_token", &tokenizer->add_eos, why);
    if (r < 0 || !tokenizer->model->space_prefix) return r < 0 ? r : 0;
    r = gguf_get_bool(file, "tokenizer.ggml.add_space_prefix", &tokenizer->space_prefix, why);
    return r < 0 ? r : 0;
}

/* ---- All of it ---- */

static int load(Tokenizer *tokenizer, const struct Gguf *file, Reason *why) {
    int r = find_model(file, &tokenizer->model, why);
    if (r < 0) return r;
    tokenizer->add_bos = tokenizer->model->add_bos;
    tokenizer->space_prefix = tokenizer->model->space_prefix;
    r = load_texts(tokenizer, file, why);
    if (r == 0) r = load_types(tokenizer, file, why);
    if (r == 0) r = decode_texts(tokenizer, why);
    if (r == 0) r = tokenizer_load_special(tokenizer, file, why);
    if (r == 0) r = load_ids(tokenizer, file, why);
    if (r == 0) r = tokenizer_load_ends(tokenizer, file, why);
    if (r == 0 && tokenizer->model->load) r = tokenizer->model->load(tokenizer, file, why);
    if (r == 0 && tokenizer->model->load) r = load_flags(tokenizer, file, why);
    return r;
}

int tokenizer_new(const struct Gguf *file, Tokenizer **ret, Reason *why) {
    Reason ignored;
    if (!why) why = &ignored;
    why->text[0] = '\0';
    Tokenizer *tokenizer = calloc(1, sizeof *tokenizer);
    int r = tokenizer ? load(tokenizer, file, why) : -ENOMEM;
    if (r < 0) {
        if (!why->text[0])
            reason_set(why, 0,
                       r == -E2BIG ? "the vocabulary's texts are made to collide"
                                   : "out of memory");
        tokenizer_free(tokenizer);
        return r;
    }
    *ret = tokenizer;
    return 0;
}

Tokenizer *tokenizer_free(Tokenizer *tokenizer) {
    if (!tokenizer) return NULL;
    if (tokenizer->state) tokenizer->model->free(tokenizer->state);
    special_tokens_done(&tokenizer->special);
    token_texts_done(&tokenizer->pieces);
    token_texts_done(&tokenizer->texts);
    free(tokenizer->types);
    free(tokenizer);
    return NULL;
}
