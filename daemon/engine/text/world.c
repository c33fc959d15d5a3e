/*
 * RWKV World ("rwkv"): at every place the longest token that the text goes on with. The file writes
 * tokens like Python writes bytes; here everything is in bytes, from loading on.
 *
 * The tokens are sorted, and each knows the longest one that it starts with, its stem. Whatever
 * token the text starts with sorts at or before the text, and everything between the two starts
 * with it, too: so it is the last token that isn't behind the text, or a stem of it. Eight bytes a
 * token, however long they are.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/text/tokenizer-model.h"

#define NO_STEM UINT32_MAX

struct World {
    Token *tokens;   /* those that text may become, sorted by their bytes, then by number */
    uint32_t *stems; /* places in `tokens` */
    uint32_t
        starts[257]; /* tokens with the first byte b are tokens[starts[b]] to [starts[b + 1]] */
};

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
static bool is_wanted(const Tokenizer *tokenizer, Token token) {
    const char *piece;
    uint8_t type = tokenizer->types[token];
    return (type == TOKEN_NORMAL || type == TOKEN_BYTE) &&
           token_texts_get(&tokenizer->pieces, token, &piece) > 0;
}

static int by_bytes(const void *a, const void *b, void *userdata) {
    const struct TokenTexts *pieces = userdata;
    Token x = *(const Token *)a, y = *(const Token *)b;
    const char *x_piece, *y_piece;
    size_t x_size = token_texts_get(pieces, x, &x_piece);
    size_t y_size = token_texts_get(pieces, y, &y_piece);
    int order = memcmp(x_piece, y_piece, x_size < y_size ? x_size : y_size);
    if (order != 0) return order;
    if (x_size != y_size) return x_size < y_size ? -1 : 1;
    return x < y ? -1 : x > y;
}

static uint8_t first_byte(const struct TokenTexts *pieces, Token token) {
    return (uint8_t)pieces->bytes[pieces->offsets[token]];
}

/* By the first byte at once, which is most of the way; inside of it by comparing. */
static void sort_tokens(struct World *world, const Tokenizer *tokenizer) {
    const struct TokenTexts *pieces = &tokenizer->pieces;
    uint32_t next[256];
    for (Token token = 0; token < (Token)pieces->n; token++)
        if (is_wanted(tokenizer, token)) world->starts[first_byte(pieces, token) + 1]++;
    for (unsigned b = 0; b < 256; b++) {
        world->starts[b + 1] += world->starts[b];
        next[b] = world->starts[b];
    }
    for (Token token = 0; token < (Token)pieces->n; token++)
        if (is_wanted(tokenizer, token)) world->tokens[next[first_byte(pieces, token)]++] = token;
    for (unsigned b = 0; b < 256; b++)
        qsort_r(world->tokens + world->starts[b], world->starts[b + 1] - world->starts[b],
                sizeof *world->tokens, by_bytes, (void *)pieces);
}

static bool starts_with(const struct TokenTexts *pieces, Token token, Token stem) {
    const char *piece, *stem_piece;
    size_t size = token_texts_get(pieces, token, &piece);
    size_t stem_size = token_texts_get(pieces, stem, &stem_piece);
    return stem_size <= size && memcmp(piece, stem_piece, stem_size) == 0;
}

/* The stem is the token before, or one of its stems. */
static void find_stems(struct World *world, const struct TokenTexts *pieces) {
    for (uint32_t i = 0; i < world->starts[256]; i++) {
        uint32_t stem = i > 0 ? i - 1 : NO_STEM;
        while (stem != NO_STEM && !starts_with(pieces, world->tokens[i], world->tokens[stem]))
            stem = world->stems[stem];
        world->stems[i] = stem;
    }
}

static int world_load(Tokenizer *tokenizer, const struct Gguf *file, Reason *why) {
    struct World *world = calloc(1, sizeof *world);
    if (!world) return -ENOMEM;
    tokenizer->state = world;
    world->tokens = calloc(tokenizer->pieces.n, sizeof *world->tokens);
    world->stems = calloc(tokenizer->pieces.n, sizeof *world->stems);
    if (!world->tokens || !world->stems) return -ENOMEM;
    sort_tokens(world, tokenizer);
    find_stems(world, &tokenizer->pieces);
    return 0;
}

static void world_free(void *state) {
    struct World *world = state;
    free(world->tokens);
    free(world->stems);
    free(world);
}

/* ---- Encoding ---- */

static bool is_behind(const struct TokenTexts *pieces, Token token, const char *text, size_t size) {
    const char *piece;
    size_t piece_size = token_texts_get(pieces, token, &piece);
    int order = memcmp(piece, text, piece_size < size ? piece_size : size);
    return order > 0 || (order == 0 && piece_size > size);
}

/* The last token that isn't behind the text, among those with its first byte. */
static uint32_t find_last(const struct World *world, const struct TokenTexts *pieces,
                          const char *text, size_t size) {
    uint32_t from = world->starts[(uint8_t)text[0]], to = world->starts[(uint8_t)text[0] + 1];
    uint32_t first = from;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (is_behind(pieces, world->tokens[middle], text, size))
            to = middle;
        else
            from = middle + 1;
    }
    return from > first ? from - 1 : NO_STEM;
}

static size_t common_size(const char *a, size_t a_size, const char *b, size_t b_size) {
    size_t n = 0;
    while (n < a_size && n < b_size && a[n] == b[n]) n++;
    return n;
}

/* The longest token that the text starts with, and its size; or TOKEN_NONE. */
static Token match(const Tokenizer *tokenizer, const char *text, size_t size, size_t *ret_size) {
    const struct World *world = tokenizer->state;
    const struct TokenTexts *pieces = &tokenizer->pieces;
    const char *piece;
    uint32_t i = find_last(world, pieces, text, size);
    if (i == NO_STEM) return TOKEN_NONE;
    size_t piece_size = token_texts_get(pieces, world->tokens[i], &piece);
    size_t common = common_size(piece, piece_size, text, size);
    while (piece_size > common) {
        i = world->stems[i];
        if (i == NO_STEM) return TOKEN_NONE;
        piece_size = token_texts_get(pieces, world->tokens[i], &piece);
    }
    *ret_size = piece_size;
    return world->tokens[i];
}

static int world_encode(const Tokenizer *tokenizer, const char *text, size_t size, bool first,
                        struct Merger *merger, struct TokenList *ret) {
    size_t width;
    for (size_t at = 0; at < size; at += width) {
        width = 1;
        Token token = match(tokenizer, text + at, size - at, &width);
        int r = token_list_add(ret, token == TOKEN_NONE ? tokenizer->unknown : token);
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
