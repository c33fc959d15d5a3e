#include "engine/text/vocabulary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/limits.h"

int token_texts_init(struct TokenTexts *texts, uint32_t n, size_t size) {
    texts->bytes = malloc(size + 1);
    texts->offsets = calloc((size_t)n + 1, sizeof *texts->offsets);
    texts->n = n;
    return texts->bytes && texts->offsets ? 0 : -ENOMEM;
}

void token_texts_done(struct TokenTexts *texts) {
    free(texts->bytes);
    free(texts->offsets);
}

size_t token_texts_get(const struct TokenTexts *texts, Token token, const char **ret) {
    *ret = texts->bytes + texts->offsets[token];
    return texts->offsets[token + 1] - texts->offsets[token];
}

bool token_texts_is(const struct TokenTexts *texts, Token token, const char *text, size_t size) {
    const char *own;
    return token_texts_get(texts, token, &own) == size && memcmp(own, text, size) == 0;
}

/* Multiply and fold, eight bytes at a time. */
static uint64_t mix(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t token_hash(const void *data, size_t size) {
    const uint64_t key1 = 0x9e3779b97f4a7c15, key2 = 0xd1b54a32d192ed03;
    const char *bytes = data;
    uint64_t hash = size ^ key1;
    for (; size > 0;) {
        size_t n = size < sizeof hash ? size : sizeof hash;
        uint64_t word = 0;
        memcpy(&word, bytes, n);
        hash = mix(hash ^ word, key2) + key1;
        bytes += n;
        size -= n;
    }
    return mix(hash, key1);
}

/* The slot of the text, or the empty one where it belongs; n_slots: too many probes. */
static uint32_t find_slot(const struct TokenIndex *index, const char *text, size_t size) {
    uint32_t mask = index->n_slots - 1, slot = (uint32_t)token_hash(text, size) & mask;
    for (uint32_t probe = 0; probe < TOKENIZER_MAX_PROBES; probe++) {
        Token token = index->slots[slot];
        if (token == TOKEN_NONE || token_texts_is(index->texts, token, text, size)) return slot;
        slot = (slot + 1) & mask;
    }
    return index->n_slots;
}

bool token_index_has(const struct TokenIndex *index, Token token) {
    return index->wanted(index->userdata, token);
}

int token_index_init(struct TokenIndex *index, const struct TokenTexts *texts,
                     bool (*wanted)(const void *userdata, Token token), const void *userdata) {
    index->texts = texts;
    index->unique = true;
    index->wanted = wanted;
    index->userdata = userdata;
    index->n_slots = 2;
    while (index->n_slots <= 2 * (uint64_t)texts->n) index->n_slots *= 2;
    index->slots = malloc(index->n_slots * sizeof *index->slots);
    if (!index->slots) return -ENOMEM;
    for (uint32_t i = 0; i < index->n_slots; i++) index->slots[i] = TOKEN_NONE;

    for (Token token = 0; token < (Token)texts->n; token++) {
        const char *text;
        size_t size = token_texts_get(texts, token, &text);
        if (size == 0 || !token_index_has(index, token)) continue;
        uint32_t slot = find_slot(index, text, size);
        if (slot == index->n_slots) return -E2BIG;
        if (index->slots[slot] != TOKEN_NONE) index->unique = false;
        index->slots[slot] = token;
    }
    return 0;
}

void token_index_done(struct TokenIndex *index) {
    free(index->slots);
}

Token token_index_find(const struct TokenIndex *index, const char *text, size_t size) {
    uint32_t slot = find_slot(index, text, size);
    return slot == index->n_slots ? TOKEN_NONE : index->slots[slot];
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int byte_token_value(const char *text, size_t size) {
    if (size != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>') return -1;
    int high = hex_digit(text[3]), low = hex_digit(text[4]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}
