#include "engine/text/bpe-merges.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/limits.h"
#include "engine/text/unicode.h"

#define ALPHABET_END 0x144
#define AHEAD 16 /* merges, about as many as memory can be waited for at once */

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

size_t bpe_unescape(const char *text, size_t size, char *ret) {
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

/* ---- Lines ---- */

struct Line {
    char text[2 * TOKENIZER_MAX_TOKEN_SIZE]; /* both sides */
    size_t left_size, size;
};

/* "left right", the i-th of the list */
static int parse_line(struct GgufString line, uint32_t i, struct Line *ret, Reason *why) {
    /* the first character may be a space that a sloppy converter left as it is */
    const char *gap = line.size > 1 ? memchr(line.data + 1, ' ', line.size - 1) : NULL;
    if (!gap || line.size > sizeof ret->text)
        return reason_set(why, EBADMSG, "merge %u of the tokenizer is not two tokens: '%s'", i,
                          gguf_printable(line).text);
    size_t left_size = (size_t)(gap - line.data);
    ret->left_size = bpe_unescape(line.data, left_size, ret->text);
    ret->size = ret->left_size +
                bpe_unescape(gap + 1, line.size - left_size - 1, ret->text + ret->left_size);
    return 0;
}

/* ---- Tokens ---- */

/* Merges come in the order of what they make: it is mostly what the last one made, or the token
 * behind that. Where texts are equal the index decides. */
static Token find_result(const struct BpeMerges *merges, const struct Line *line, Token last) {
    const struct TokenIndex *index = merges->index;
    Token n = (Token)merges->pieces->n;
    if (index->unique && last != TOKEN_NONE)
        for (Token token = last; token < n && token <= last + 1; token++)
            if (token_texts_is(merges->pieces, token, line->text, line->size) &&
                token_index_has(index, token))
                return token;
    return token_index_find(index, line->text, line->size);
}

/* Merges of tokens to tokens. What is none of them is TOKEN_NONE; counts the results that are. */
static int find_tokens(struct BpeMerges *merges, struct GgufArray lines, uint32_t *ret_n_parts,
                       size_t *ret_size, Reason *why) {
    struct GgufString string;
    struct Line line;
    for (uint32_t i = 0; gguf_array_next(&lines, &string); i++) {
        struct BpeMerge *merge = &merges->merges[i];
        int r = parse_line(string, i, &line, why);
        if (r < 0) return r;
        merge->left = token_index_find(merges->index, line.text, line.left_size);
        merge->right =
            token_index_find(merges->index, line.text + line.left_size, line.size - line.left_size);
        merge->result = find_result(merges, &line, i > 0 ? merge[-1].result : TOKEN_NONE);
        if (merge->result != TOKEN_NONE) continue;
        ++*ret_n_parts;
        *ret_size += line.size;
    }
    return 0;
}

/* ---- Parts ---- */

static bool every(const void *userdata, Token token) {
    return true;
}

static void add_part(struct BpeMerges *merges, uint32_t i, const char *text, size_t size) {
    uint32_t at = merges->parts.offsets[i];
    memcpy(merges->parts.bytes + at, text, size);
    merges->parts.offsets[i + 1] = at + (uint32_t)size;
}

/* The texts of all parts: first bytes, then results. */
static int collect_parts(struct BpeMerges *merges, struct GgufArray lines, uint32_t n, size_t size,
                         Reason *why) {
    struct GgufString string;
    struct Line line;
    uint32_t n_added = 0;
    if (size > TOKENIZER_MAX_TEXT)
        return reason_set(why, EFBIG, "merges that make no token have more than %u bytes together",
                          TOKENIZER_MAX_TEXT);
    int r = token_texts_init(&merges->parts, n, size);
    if (r < 0) return r;
    for (unsigned i = 0; i < 256; i++)
        if (merges->bytes[i] == TOKEN_NONE) add_part(merges, n_added++, &(char){(char)i}, 1);
    for (uint32_t i = 0; gguf_array_next(&lines, &string); i++) {
        if (merges->merges[i].result != TOKEN_NONE) continue;
        r = parse_line(string, i, &line, why);
        if (r < 0) return r;
        add_part(merges, n_added++, line.text, line.size);
    }
    return token_index_init(&merges->part_index, &merges->parts, every, NULL);
}

/* A part where there is no token. */
static void resolve(const struct BpeMerges *merges, const char *text, size_t size, Token *symbol) {
    if (*symbol != TOKEN_NONE) return;
    Token part = token_index_find(&merges->part_index, text, size);
    if (part != TOKEN_NONE) *symbol = (Token)merges->pieces->n + part;
}

static int resolve_parts(struct BpeMerges *merges, struct GgufArray lines, Reason *why) {
    struct GgufString string;
    struct Line line;
    for (unsigned i = 0; i < 256; i++) resolve(merges, &(char){(char)i}, 1, &merges->bytes[i]);
    for (uint32_t i = 0; gguf_array_next(&lines, &string); i++) {
        struct BpeMerge *merge = &merges->merges[i];
        if (merge->left != TOKEN_NONE && merge->right != TOKEN_NONE && merge->result != TOKEN_NONE)
            continue;
        int r = parse_line(string, i, &line, why);
        if (r < 0) return r;
        resolve(merges, line.text, line.left_size, &merge->left);
        resolve(merges, line.text + line.left_size, line.size - line.left_size, &merge->right);
        resolve(merges, line.text, line.size, &merge->result);
    }
    return 0;
}

/* ---- Pairs ---- */

static uint32_t first_slot(const struct BpeMerges *merges, Token left, Token right) {
    Token key[] = {left, right};
    return (uint32_t)token_hash(key, sizeof key) & (merges->n_slots - 1);
}

/* The slot of a merge, or the empty one where it belongs; n_slots: too many probes. */
static uint32_t find_slot(const struct BpeMerges *merges, Token left, Token right) {
    uint32_t mask = merges->n_slots - 1, slot = first_slot(merges, left, right);
    for (uint32_t probe = 0; probe < TOKENIZER_MAX_PROBES; probe++) {
        uint32_t i = merges->slots[slot];
        if (i == MERGE_NONE || (merges->merges[i].left == left && merges->merges[i].right == right))
            return slot;
        slot = (slot + 1) & mask;
    }
    return merges->n_slots;
}

static int index_merge(struct BpeMerges *merges, uint32_t i, Reason *why) {
    const struct BpeMerge *merge = &merges->merges[i];
    if (merge->left == TOKEN_NONE || merge->right == TOKEN_NONE || merge->result == TOKEN_NONE)
        return 0; /* no merge makes one of its sides */
    uint32_t slot = find_slot(merges, merge->left, merge->right);
    if (slot == merges->n_slots)
        return reason_set(why, E2BIG, "the merges of the tokenizer are made to collide");
    if (merges->slots[slot] == MERGE_NONE) merges->slots[slot] = i; /* the first of two counts */
    return 0;
}

/* The slots are all over the memory, so they are asked for early. */
static int index_merges(struct BpeMerges *merges, uint32_t n, Reason *why) {
    int r = 0;
    merges->n_slots = 2;
    while (merges->n_slots <= 2 * n) merges->n_slots *= 2;
    merges->slots = malloc(merges->n_slots * sizeof *merges->slots);
    if (!merges->slots) return -ENOMEM;
    for (uint32_t i = 0; i < merges->n_slots; i++) merges->slots[i] = MERGE_NONE;
    for (uint32_t i = 0; r == 0 && i < n; i++) {
        const struct BpeMerge *soon = &merges->merges[i + AHEAD < n ? i + AHEAD : i];
        __builtin_prefetch(&merges->slots[first_slot(merges, soon->left, soon->right)]);
        r = index_merge(merges, i, why);
    }
    return r;
}

uint32_t bpe_merges_pair(const void *userdata, const struct MergeSymbol *left,
                         const struct MergeSymbol *right, Token *ret) {
    const struct BpeMerges *merges = userdata;
    uint32_t slot = find_slot(merges, left->token, right->token);
    if (slot == merges->n_slots || merges->slots[slot] == MERGE_NONE) return MERGE_NONE;
    *ret = merges->merges[merges->slots[slot]].result;
    return merges->slots[slot];
}

/* ---- Loading ---- */

static int load_lines(struct BpeMerges *merges, struct GgufArray lines, Reason *why) {
    uint32_t n_parts = 0;
    size_t size = 0;
    for (unsigned i = 0; i < 256; i++) {
        merges->bytes[i] = token_index_find(merges->index, &(char){(char)i}, 1);
        if (merges->bytes[i] != TOKEN_NONE) continue;
        n_parts++;
        size++;
    }
    merges->merges = calloc((size_t)lines.n + 1, sizeof *merges->merges);
    if (!merges->merges) return -ENOMEM;
    int r = find_tokens(merges, lines, &n_parts, &size, why);
    if (r < 0 || n_parts == 0) return r;
    r = collect_parts(merges, lines, n_parts, size, why);
    return r < 0 ? r : resolve_parts(merges, lines, why);
}

int bpe_merges_load(struct BpeMerges *merges, const struct TokenTexts *pieces,
                    const struct TokenIndex *index, const struct Gguf *file, Reason *why) {
    static const char KEY[] = "tokenizer.ggml.merges";
    struct GgufArray lines;
    merges->pieces = pieces;
    merges->index = index;
    int r = gguf_require(gguf_get_strings(file, KEY, &lines, why), KEY, why);
    if (r < 0) return r;
    if (lines.n > TOKENIZER_MAX_MERGES)
        return reason_set(why, EFBIG, "the tokenizer has %llu merges, more than the limit of %u",
                          (unsigned long long)lines.n, TOKENIZER_MAX_MERGES);
    r = load_lines(merges, lines, why);
    return r < 0 ? r : index_merges(merges, (uint32_t)lines.n, why);
}

void bpe_merges_done(struct BpeMerges *merges) {
    token_texts_done(&merges->parts);
    token_index_done(&merges->part_index);
    free(merges->merges);
    free(merges->slots);
}
