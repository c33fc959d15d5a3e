/*
 * Byte-level BPE ("gpt2"): the pre-tokenizer cuts text into pieces, and inside a piece the
 * neighbours that come first in the list of merges are merged, until none is in it. The file writes
 * bytes as printable characters; here everything is in bytes, from loading on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/limits.h"
#include "engine/text/pretokenizer.h"
#include "engine/text/tokenizer-model.h"
#include "engine/text/unicode.h"

#define ALPHABET_END 0x144
#define AHEAD 16 /* merges, about as many as memory can be waited for at once */

struct Merge {
    Token left, right, result;
};

struct Bpe {
    const struct Pretokenizer *pretokenizer;
    struct TokenIndex index; /* pieces to tokens that text may become */
    Token bytes[256];
    struct Merge *merges; /* in the order of the file, best first */
    uint32_t *slots;      /* open addressing: (left, right) to merge, MERGE_NONE where empty */
    uint32_t n_slots;
};

/* ---- The alphabet ---- */

static bool is_printable(uint32_t byte) {
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) ||
           (byte >= 174 && byte < 256);
}

/* The byte that a character stands for, or -1. Printable bytes stand for themselves; the others, 0
 * to 32, 127 to 160 and 173, in this order, are the characters from U+0100 on. */
static int byte_of(uint32_t character) {
    if (is_printable(character)) return (int)character;
    if (character < 0x100 || character >= ALPHABET_END) return -1;
    int i = (int)character - 0x100;
    return i <= 32 ? i : i < 67 ? i - 33 + 127 : 173;
}

/* Characters outside the alphabet stand for themselves. */
static size_t bpe_decode(const char *text, size_t size, enum TokenType type, char *ret) {
    size_t n = 0;
    for (size_t at = 0; at < size;) {
        uint32_t character;
        unsigned width = utf8_decode(text + at, size - at, &character);
        int byte = byte_of(character);
        if (byte >= 0) {
            ret[n++] = (char)byte;
        } else {
            memcpy(ret + n, text + at, width);
            n += width;
        }
        at += width;
    }
    return n;
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

static int find_pretokenizer(const struct Gguf *file, uint32_t n_tokens,
                             const struct Pretokenizer **ret, Reason *why) {
    struct GgufString name = {"llama-bpe", 9};
    int r = gguf_get_string(file, "tokenizer.ggml.pre", &name, why);
    if (r < 0) return r;
    if (r == GGUF_ABSENT && !is_unnamed_llama3(file, n_tokens))
        return reason_set(why, ENOTSUP,
                          "the file does not name its pre-tokenizer "
                          "(tokenizer.ggml.pre), and guessing would garble text");
    *ret = pretokenizer_find(gguf_printable(name).text);
    if (!*ret)
        return reason_set(why, ENOTSUP, "the pre-tokenizer '%s' is not supported",
                          gguf_printable(name).text);
    return 0;
}

static uint32_t first_slot(const struct Bpe *bpe, Token left, Token right) {
    Token key[] = {left, right};
    return (uint32_t)token_hash(key, sizeof key) & (bpe->n_slots - 1);
}

/* The slot of a merge, or the empty one where it belongs; n_slots: too many probes. */
static uint32_t find_slot(const struct Bpe *bpe, Token left, Token right) {
    uint32_t mask = bpe->n_slots - 1, slot = first_slot(bpe, left, right);
    for (uint32_t probe = 0; probe < TOKENIZER_MAX_PROBES; probe++) {
        uint32_t i = bpe->slots[slot];
        if (i == MERGE_NONE || (bpe->merges[i].left == left && bpe->merges[i].right == right))
            return slot;
        slot = (slot + 1) & mask;
    }
    return bpe->n_slots;
}

/* Merges come in the order of what they make: it is mostly what the last one made, or the token
 * behind that. Where texts are equal the index decides. */
static Token find_result(const Tokenizer *tokenizer, const char *text, size_t size, Token last) {
    const struct Bpe *bpe = tokenizer->state;
    Token n = (Token)tokenizer->pieces.n;
    if (bpe->index.unique && last != TOKEN_NONE)
        for (Token token = last; token < n && token <= last + 1; token++)
            if (is_mergeable(tokenizer, token) &&
                token_texts_is(&tokenizer->pieces, token, text, size))
                return token;
    return token_index_find(&bpe->index, text, size);
}

/* "left right" to tokens. Merges of or to what is no token can't take part: TOKEN_NONE. */
static int parse_merge(const Tokenizer *tokenizer, struct GgufString line, uint32_t i,
                       struct Merge *ret, Reason *why) {
    const struct Bpe *bpe = tokenizer->state;
    /* the first character may be a space that a sloppy converter left as it is */
    const char *gap = line.size > 1 ? memchr(line.data + 1, ' ', line.size - 1) : NULL;
    if (!gap || line.size > 2 * TOKENIZER_MAX_TOKEN_SIZE)
        return reason_set(why, EBADMSG, "merge %u of the tokenizer is not two tokens: '%s'", i,
                          gguf_printable(line).text);
    char joined[2 * TOKENIZER_MAX_TOKEN_SIZE];
    size_t left_size = (size_t)(gap - line.data), right_size = line.size - left_size - 1;
    left_size = bpe_decode(line.data, left_size, TOKEN_NORMAL, joined);
    right_size = bpe_decode(gap + 1, right_size, TOKEN_NORMAL, joined + left_size);
    *ret = (struct Merge){
        .left = token_index_find(&bpe->index, joined, left_size),
        .right = token_index_find(&bpe->index, joined + left_size, right_size),
        .result = find_result(tokenizer, joined, left_size + right_size,
                              i > 0 ? bpe->merges[i - 1].result : TOKEN_NONE),
    };
    return 0;
}

static int index_merge(struct Bpe *bpe, uint32_t i, Reason *why) {
    const struct Merge *merge = &bpe->merges[i];
    if (merge->left == TOKEN_NONE || merge->right == TOKEN_NONE || merge->result == TOKEN_NONE)
        return 0;
    uint32_t slot = find_slot(bpe, merge->left, merge->right);
    if (slot == bpe->n_slots)
        return reason_set(why, E2BIG, "the merges of the tokenizer are made to collide");
    if (bpe->slots[slot] == MERGE_NONE) bpe->slots[slot] = i; /* the first of two counts */
    return 0;
}

/* The slots are all over the memory, so they are asked for early. */
static int index_merges(struct Bpe *bpe, uint32_t n, Reason *why) {
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < n; i++) {
        const struct Merge *soon = &bpe->merges[i + AHEAD < n ? i + AHEAD : i];
        __builtin_prefetch(&bpe->slots[first_slot(bpe, soon->left, soon->right)]);
        r = index_merge(bpe, i, why);
    }
    return r;
}

static int load_merges(const Tokenizer *tokenizer, const struct Gguf *file, Reason *why) {
    static const char KEY[] = "tokenizer.ggml.merges";
    struct Bpe *bpe = tokenizer->state;
    struct GgufArray lines;
    struct GgufString line;
    int r = gguf_require(gguf_get_strings(file, KEY, &lines, why), KEY, why);
    if (r < 0) return r;
    if (lines.n > TOKENIZER_MAX_MERGES)
        return reason_set(why, EFBIG, "the tokenizer has %llu merges, more than the limit of %u",
                          (unsigned long long)lines.n, TOKENIZER_MAX_MERGES);
    uint32_t n = (uint32_t)lines.n;
    bpe->n_slots = 2;
    while (bpe->n_slots <= 2 * n) bpe->n_slots *= 2;
    bpe->merges = calloc((size_t)n + 1, sizeof *bpe->merges);
    bpe->slots = malloc(bpe->n_slots * sizeof *bpe->slots);
    if (!bpe->merges || !bpe->slots) return -ENOMEM;
    for (uint32_t i = 0; i < bpe->n_slots; i++) bpe->slots[i] = MERGE_NONE;
    for (uint32_t i = 0; r == 0 && gguf_array_next(&lines, &line); i++)
        r = parse_merge(tokenizer, line, i, &bpe->merges[i], why);
    return r < 0 ? r : index_merges(bpe, n, why);
}

static int bpe_load(Tokenizer *tokenizer, const struct Gguf *file, Reason *why) {
    struct Bpe *bpe = calloc(1, sizeof *bpe);
    if (!bpe) return -ENOMEM;
    tokenizer->state = bpe;
    int r = find_pretokenizer(file, tokenizer->texts.n, &bpe->pretokenizer, why);
    if (r < 0) return r;
    r = token_index_init(&bpe->index, &tokenizer->pieces, is_mergeable, tokenizer);
    if (r < 0) return r;
    for (unsigned i = 0; i < 256; i++)
        bpe->bytes[i] = token_index_find(&bpe->index, &(char){(char)i}, 1);
    tokenizer->add_bos = bpe->pretokenizer->add_bos;
    return load_merges(tokenizer, file, why);
}

static void bpe_free(void *state) {
    struct Bpe *bpe = state;
    token_index_done(&bpe->index);
    free(bpe->merges);
    free(bpe->slots);
    free(bpe);
}

/* ---- Encoding ---- */

static uint32_t bpe_pair(const void *userdata, const struct MergeSymbol *left,
                         const struct MergeSymbol *right, Token *ret) {
    const struct Bpe *bpe = userdata;
    uint32_t slot = find_slot(bpe, left->token, right->token);
    if (slot == bpe->n_slots || bpe->slots[slot] == MERGE_NONE) return MERGE_NONE;
    *ret = bpe->merges[bpe->slots[slot]].result;
    return bpe->slots[slot];
}

static int encode_piece(const Tokenizer *tokenizer, const char *text, size_t size,
                        struct Merger *merger, struct TokenList *ret) {
    const struct Bpe *bpe = tokenizer->state;
    if (bpe->pretokenizer->ignore_merges) {
        Token whole = token_index_find(&bpe->index, text, size);
        if (whole != TOKEN_NONE) return token_list_add(ret, whole);
    }
    int r = merger_reserve(merger, (uint32_t)size);
    if (r < 0) return r;
    for (uint32_t i = 0; i < size; i++)
        merger->symbols[i] = (struct MergeSymbol){
            .start = i,
            .size = 1,
            .token = bpe->bytes[(uint8_t)text[i]],
        };
    merger_run(merger, (uint32_t)size, bpe_pair, bpe);
    for (uint32_t i = 0; r == 0 && i != MERGE_NONE; i = merger->symbols[i].next) {
        Token token = merger->symbols[i].token;
        r = token_list_add(ret, token == TOKEN_NONE ? tokenizer->unknown : token);
    }
    return r;
}

static int bpe_encode(const Tokenizer *tokenizer, const char *text, size_t size, bool first,
                      struct Merger *merger, struct TokenList *ret) {
    const struct Bpe *bpe = tokenizer->state;
    while (size > 0) {
        size_t piece = bpe->pretokenizer->piece(text, size);
        int r = encode_piece(tokenizer, text, piece, merger, ret);
        if (r < 0) return r;
        text += piece;
        size -= piece;
    }
    return 0;
}

const struct TokenizerModel BPE = {
    .name = "gpt2",
    .decode = bpe_decode,
    .load = bpe_load,
    .free = bpe_free,
    .encode = bpe_encode,
};
