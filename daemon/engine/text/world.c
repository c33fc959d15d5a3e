/*
 * RWKV World ("rwkv"): at every place the longest token that the text goes on with. The file writes
 * tokens like Python writes bytes; here everything is in bytes, from loading on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/text/prefix-index.h"
#include "engine/text/tokenizer-model.h"

/* ---- The texts ---- */

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte behind a backslash; the size of what names it, or 0. */
static size_t unescape(const char *text, size_t size, char *ret) {
    static const char NAMES[] = "tnr\\'", BYTES[] = "\t\n\r\\'";
    const char *name = size > 0 ? memchr(NAMES, text[0], sizeof NAMES - 1) : NULL;
    if (name) {
        *ret = BYTES[name - NAMES];
        return 1;
    }
    if (size < 3 || text[0] != 'x') return 0;
    int high = hex_digit(text[1]), low = hex_digit(text[2]);
    if (high < 0 || low < 0) return 0;
    *ret = (char)(high << 4 | low);
    return 3;
}

static size_t world_decode(const char *text, size_t size, enum TokenType type, char *ret) {
    size_t n = 0;
    for (size_t at = 0; at < size; n++) {
        if (text[at] != '\\') {
            ret[n] = text[at++];
            continue;
        }
        size_t width = unescape(text + at + 1, size - at - 1, ret + n);
        if (width == 0) return TEXT_MALFORMED;
        at += 1 + width;
    }
    return n;
}

/* ---- Loading ---- */

/* Users' words become no control token; user-defined ones are cut out before. */
static bool is_wanted(const void *userdata, Token token) {
    const Tokenizer *tokenizer = userdata;
    uint8_t type = tokenizer->types[token];
    return type == TOKEN_NORMAL || type == TOKEN_BYTE;
}

static int world_load(Tokenizer *tokenizer, const struct Gguf *file, Reason *why) {
    struct PrefixIndex *index = calloc(1, sizeof *index);
    if (!index) return -ENOMEM;
    tokenizer->state = index;
    return prefix_index_init(index, &tokenizer->pieces, is_wanted, tokenizer);
}

static void world_free(void *state) {
    prefix_index_done(state);
    free(state);
}

/* ---- Encoding ---- */

static int world_encode(const Tokenizer *tokenizer, const char *text, size_t size, bool first,
                        struct Merger *merger, struct TokenList *ret) {
    const struct PrefixIndex *index = tokenizer->state;
    const char *piece;
    size_t width;
    for (size_t at = 0; at < size; at += width) {
        uint32_t place = prefix_index_find(index, text + at, size - at);
        Token token = place == PREFIX_NONE ? tokenizer->unknown : index->tokens[place];
        width = place == PREFIX_NONE ? 1 : token_texts_get(&tokenizer->pieces, token, &piece);
        int r = token_list_add(ret, token);
        if (r < 0) return r;
    }
    return 0;
}

const struct TokenizerModel WORLD = {
    .decode = world_decode,
    .load = world_load,
    .free = world_free,
    .encode = world_encode,
};
