#include "engine/text/tokenizer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/limits.h"
#include "engine/text/tokenizer-model.h"

static const struct TokenizerModel *const MODELS[] = {&SPM, &BPE, &WORLD};

/* Control tokens that end an answer, where the file only says how a text ends. */
static const char *const END_TEXTS[] = {
    "<|eot_id|>",    "<|eom_id|>",      "<|im_end|>",    "<|end|>",
    "<|endoftext|>", "<|end_of_text|>", "<end_of_turn>",
};

/* ---- Loading ---- */

static int find_model(const struct Gguf *file, const struct TokenizerModel **ret, Reason *why) {
    static const char KEY[] = "tokenizer.ggml.model";
    struct GgufString name;
    int r = gguf_require(gguf_get_string(file, KEY, &name, why), KEY, why);
    if (r < 0) return r;
    for (size_t i = 0; i < sizeof MODELS / sizeof MODELS[0]; i++) {
        *ret = MODELS[i];
        if (gguf_string_is(name, MODELS[i]->name)) return 0;
    }
    return reason_set(why, ENOTSUP, "tokenizers of the kind '%s' are not supported",
                      gguf_printable(name).text);
}

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

static int load_texts(Tokenizer *tokenizer, const struct Gguf *file, Reason *why) {
    static const char KEY[] = "tokenizer.ggml.tokens";
    struct GgufArray array;
    struct GgufString text;
    size_t size;
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
    if (r == 0 && types.n != n)
        return reason_set(why, EBADMSG, "%s has %llu entries for %u tokens", KEY,
                          (unsigned long long)types.n, n);
    tokenizer->types = malloc(n);
    if (!tokenizer->types) return -ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        int64_t type = r == GGUF_ABSENT ? TOKEN_NORMAL : gguf_array_integer(&types, i);
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
        if (is_coded(tokenizer->types[token]))
            size = tokenizer->model->decode(text, size, tokenizer->types[token], piece);
        else
            memcpy(piece, text, size);
        if (size == TEXT_MALFORMED) return refuse_text(texts, token, why);
        pieces->offsets[token + 1] = pieces->offsets[token] + (uint32_t)size;
    }
    return 0;
}

static enum SpecialKind special_kind(const void *userdata, Token token) {
    const Tokenizer *tokenizer = userdata;
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

/* A token named by a key; some files write numbers behind the vocabulary where they mean none. */
static int load_id(const Tokenizer *tokenizer, const struct Gguf *file, const char *key,
                   Token fallback, Token *ret, Reason *why) {
    uint32_t id = (uint32_t)fallback;
    int r = gguf_get_u32(file, key, &id, why);
    if (r < 0) return r;
    *ret = id < tokenizer->texts.n ? (Token)id : TOKEN_NONE;
    return 0;
}

static void add_end(Tokenizer *tokenizer, Token token) {
    if (token != TOKEN_NONE && !tokenizer_is_end(tokenizer, token) &&
        tokenizer->n_ends < TOKENIZER_MAX_ENDS)
        tokenizer->ends[tokenizer->n_ends++] = token;
}

static int load_ends(Tokenizer *tokenizer, const struct Gguf *file, Reason *why) {
    Token eot, eom;
    int r = load_id(tokenizer, file, "tokenizer.ggml.eot_token_id", TOKEN_NONE, &eot, why);
    if (r == 0) r = load_id(tokenizer, file, "tokenizer.ggml.eom_token_id", TOKEN_NONE, &eom, why);
    if (r < 0) return r;
    add_end(tokenizer, tokenizer->eos);
    add_end(tokenizer, eot);
    add_end(tokenizer, eom);
    for (size_t i = 0; i < sizeof END_TEXTS / sizeof END_TEXTS[0]; i++) {
        Token token = tokenizer_find(tokenizer, END_TEXTS[i]);
        if (token != TOKEN_NONE && special_kind(tokenizer, token) != SPECIAL_NOT)
            add_end(tokenizer, token);
    }
    return 0;
}

/* Ids that SentencePiece models have unless the file says; byte-level BPE has no such custom. */
static int load_ids(Tokenizer *tokenizer, const struct Gguf *file, Reason *why) {
    bool spm = tokenizer->model == &SPM;
    int r = load_id(tokenizer, file, "tokenizer.ggml.bos_token_id", spm ? 1 : TOKEN_NONE,
                    &tokenizer->bos, why);
    if (r == 0)
        r = load_id(tokenizer, file, "tokenizer.ggml.eos_token_id", spm ? 2 : TOKEN_NONE,
                    &tokenizer->eos, why);
    if (r == 0)
        r = load_id(tokenizer, file, "tokenizer.ggml.unknown_token_id", spm ? 0 : TOKEN_NONE,
                    &tokenizer->unknown, why);
    /* what RWKV's files call unknown ends a text, and no user's words may become that */
    if (r == 0 && tokenizer_is_control(tokenizer, tokenizer->unknown))
        tokenizer->unknown = TOKEN_NONE;
    if (r == 0) r = load_ends(tokenizer, file, why);
    return r;
}

static int load_flags(Tokenizer *tokenizer, const struct Gguf *file, Reason *why) {
    int r = gguf_get_bool(file, "tokenizer.ggml.add_bos_token", &tokenizer->add_bos, why);
    if (r < 0 || !tokenizer->model->space_prefix) return r < 0 ? r : 0;
    r = gguf_get_bool(file, "tokenizer.ggml.add_space_prefix", &tokenizer->space_prefix, why);
    return r < 0 ? r : 0;
}

static int load(Tokenizer *tokenizer, const struct Gguf *file, Reason *why) {
    int r = find_model(file, &tokenizer->model, why);
    if (r < 0) return r;
    tokenizer->add_bos = tokenizer->model->add_bos;
    tokenizer->space_prefix = tokenizer->model->space_prefix;
    r = load_texts(tokenizer, file, why);
    if (r == 0) r = load_types(tokenizer, file, why);
    if (r == 0) r = decode_texts(tokenizer, why);
    if (r == 0)
        r = special_tokens_init(&tokenizer->special, &tokenizer->texts, special_kind, tokenizer);
    if (r == 0) r = load_ids(tokenizer, file, why);
    if (r == 0) r = tokenizer->model->load(tokenizer, file, why);
    if (r == 0) r = load_flags(tokenizer, file, why);
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

/* ---- Encoding ---- */

int token_list_add(struct TokenList *list, Token token) {
    if (token == TOKEN_NONE) return 0;
    if (list->n == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        void *tokens = reallocarray(list->tokens, room, sizeof *list->tokens);
        if (!tokens) return -ENOMEM;
        list->tokens = tokens;
        list->room = room;
    }
    list->tokens[list->n++] = token;
    return 0;
}

static int encode_fragments(const Tokenizer *tokenizer, const struct Fragment *fragments, size_t n,
                            bool first, struct TokenList *ret) {
    struct Merger merger = {0};
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (fragments[i].token != TOKEN_NONE)
            r = token_list_add(ret, fragments[i].token);
        else
            r = tokenizer->model->encode(tokenizer, fragments[i].text, fragments[i].size, first,
                                         &merger, ret);
        first = fragments[i].token != TOKEN_NONE;
    }
    merger_done(&merger);
    return r;
}

int tokenizer_encode(const Tokenizer *tokenizer, const char *text, size_t size, unsigned flags,
                     Token **ret, size_t *ret_n) {
    struct TokenList list = {0};
    struct Fragment *fragments = NULL;
    size_t n_fragments = 0;
    if (size > TOKENIZER_MAX_INPUT) return -EFBIG;
    int r = special_tokens_cut(&tokenizer->special, text, size, flags & TOKENIZE_SPECIAL,
                               &fragments, &n_fragments);
    if (r == 0 && (flags & TOKENIZE_BOS) && tokenizer->add_bos)
        r = token_list_add(&list, tokenizer->bos);
    if (r == 0)
        r = encode_fragments(tokenizer, fragments, n_fragments, !(flags & TOKENIZE_MIDDLE), &list);
    free(fragments);
    if (r < 0) {
        free(list.tokens);
        return r;
    }
    *ret = list.tokens;
    *ret_n = list.n;
    return 0;
}

/* ---- Decoding ---- */

size_t tokenizer_piece(const Tokenizer *tokenizer, Token token, bool special, const char **ret) {
    *ret = "";
    if (token < 0 || (uint32_t)token >= tokenizer->texts.n) return 0;
    uint8_t type = tokenizer->types[token];
    bool silent = type == TOKEN_CONTROL || type == TOKEN_UNKNOWN || type == TOKEN_UNUSED;
    return silent && !special ? 0 : token_texts_get(&tokenizer->pieces, token, ret);
}

int tokenizer_decode(const Tokenizer *tokenizer, const Token *tokens, size_t n, bool special,
                     char **ret, size_t *ret_size) {
    const char *piece;
    size_t size = 0;
    for (size_t i = 0; i < n; i++) size += tokenizer_piece(tokenizer, tokens[i], special, &piece);
    char *text = malloc(size + 1), *to = text;
    if (!text) return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        size_t piece_size = tokenizer_piece(tokenizer, tokens[i], special, &piece);
        to = mempcpy(to, piece, piece_size);
    }
    if (tokenizer->space_prefix && size > 0 && text[0] == ' ') memmove(text, text + 1, --size);
    text[size] = '\0';
    *ret = text;
    *ret_size = size;
    return 0;
}

/* ---- Facts ---- */

uint32_t tokenizer_size(const Tokenizer *tokenizer) {
    return tokenizer->texts.n;
}

Token tokenizer_bos(const Tokenizer *tokenizer) {
    return tokenizer->bos;
}

Token tokenizer_eos(const Tokenizer *tokenizer) {
    return tokenizer->eos;
}

bool tokenizer_is_end(const Tokenizer *tokenizer, Token token) {
    for (unsigned i = 0; i < tokenizer->n_ends; i++)
        if (tokenizer->ends[i] == token) return true;
    return false;
}

bool tokenizer_is_control(const Tokenizer *tokenizer, Token token) {
    return token >= 0 && (uint32_t)token < tokenizer->texts.n &&
           tokenizer->types[token] == TOKEN_CONTROL;
}

Token tokenizer_find(const Tokenizer *tokenizer, const char *text) {
    size_t size = strlen(text);
    for (Token token = (Token)tokenizer->texts.n; token-- > 0;)
        if (token_texts_is(&tokenizer->texts, token, text, size)) return token;
    return TOKEN_NONE;
}
