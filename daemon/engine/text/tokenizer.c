#include "engine/text/tokenizer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/limits.h"
#include "engine/text/tokenizer-model.h"

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

/* `marks`: NULL, or where control tokens may stand. */
static int encode(const Tokenizer *tokenizer, const char *text, size_t size, const uint8_t *marks,
                  unsigned flags, Token **ret, size_t *ret_n) {
    struct TokenList list = {0};
    struct Fragment *fragments = NULL;
    size_t n_fragments = 0;
    if (!tokenizer_has_text(tokenizer)) return -ENOTSUP;
    if (size > TOKENIZER_MAX_INPUT) return -EFBIG;
    int r = special_tokens_cut(&tokenizer->special, text, size, flags & TOKENIZE_SPECIAL, marks,
                               &fragments, &n_fragments);
    if (r == 0 && (flags & TOKENIZE_BOS) && tokenizer->add_bos)
        r = token_list_add(&list, tokenizer->bos);
    if (r == 0)
        r = encode_fragments(tokenizer, fragments, n_fragments, !(flags & TOKENIZE_MIDDLE), &list);
    if (r == 0 && (flags & TOKENIZE_EOS) && tokenizer->add_eos)
        r = token_list_add(&list, tokenizer->eos);
    free(fragments);
    if (r < 0) {
        free(list.tokens);
        return r;
    }
    *ret = list.tokens;
    *ret_n = list.n;
    return 0;
}

int tokenizer_encode(const Tokenizer *tokenizer, const char *text, size_t size, unsigned flags,
                     Token **ret, size_t *ret_n) {
    return encode(tokenizer, text, size, NULL, flags, ret, ret_n);
}

int tokenizer_encode_parts(const Tokenizer *tokenizer, const struct TextPart *parts, size_t n_parts,
                           unsigned flags, Token **ret, size_t *ret_n) {
    size_t size = 0, at = 0;
    for (size_t i = 0; i < n_parts; i++) {
        if (parts[i].size > TOKENIZER_MAX_INPUT - size) return -EFBIG;
        size += parts[i].size;
    }
    char *text = malloc(2 * size + 1);
    if (!text) return -ENOMEM;
    uint8_t *marks = (uint8_t *)text + size;
    for (size_t i = 0; i < n_parts; at += parts[i++].size) {
        if (parts[i].size == 0) continue;
        memcpy(text + at, parts[i].text, parts[i].size);
        memset(marks + at, parts[i].special, parts[i].size);
    }
    int r = encode(tokenizer, text, size, marks, flags | TOKENIZE_SPECIAL, ret, ret_n);
    free(text);
    return r;
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

const struct TokenizerModel NO_TEXT = {0};

bool tokenizer_has_text(const Tokenizer *tokenizer) {
    return tokenizer->model != &NO_TEXT;
}

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
