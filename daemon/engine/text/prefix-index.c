#include "engine/text/prefix-index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- Building ---- */

static int by_bytes(const void *a, const void *b, void *userdata) {
    const struct TokenTexts *texts = userdata;
    Token x = *(const Token *)a, y = *(const Token *)b;
    const char *x_text, *y_text;
    size_t x_size = token_texts_get(texts, x, &x_text);
    size_t y_size = token_texts_get(texts, y, &y_text);
    int order = memcmp(x_text, y_text, x_size < y_size ? x_size : y_size);
    if (order != 0) return order;
    if (x_size != y_size) return x_size < y_size ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* By the first byte at once, which is most of the way; inside of it by comparing. `next` becomes
 * starts[b] of each byte. */
static void count_tokens(struct PrefixIndex *index, const bool *in, uint32_t *next) {
    for (Token token = 0; token < (Token)index->texts->n; token++)
        if (in[token])
            index->starts[(uint8_t)index->texts->bytes[index->texts->offsets[token]] + 1]++;
    for (unsigned b = 0; b < 256; b++) {
        index->starts[b + 1] += index->starts[b];
        next[b] = index->starts[b];
    }
}

static void sort_tokens(struct PrefixIndex *index, const bool *in) {
    const struct TokenTexts *texts = index->texts;
    uint32_t next[256];
    count_tokens(index, in, next);
    for (Token token = 0; token < (Token)texts->n; token++)
        if (in[token]) index->tokens[next[(uint8_t)texts->bytes[texts->offsets[token]]]++] = token;
    for (unsigned b = 0; b < 256; b++)
        qsort_r(index->tokens + index->starts[b], index->starts[b + 1] - index->starts[b],
                sizeof *index->tokens, by_bytes, (void *)texts);
}

static bool starts_with(const struct TokenTexts *texts, Token token, Token stem) {
    const char *text, *stem_text;
    size_t size = token_texts_get(texts, token, &text);
    size_t stem_size = token_texts_get(texts, stem, &stem_text);
    return stem_size <= size && memcmp(text, stem_text, stem_size) == 0;
}

/* The stem is the token before, or one of its stems. */
static void find_stems(struct PrefixIndex *index) {
    for (uint32_t i = 0; i < index->starts[256]; i++) {
        uint32_t stem = i > 0 ? i - 1 : PREFIX_NONE;
        while (stem != PREFIX_NONE &&
               !starts_with(index->texts, index->tokens[i], index->tokens[stem]))
            stem = index->stems[stem];
        index->stems[i] = stem;
    }
}

int prefix_index_init(struct PrefixIndex *index, const struct TokenTexts *texts,
                      bool (*wanted)(const void *userdata, Token token), const void *userdata) {
    bool *in = calloc((size_t)texts->n + 1, sizeof *in);
    index->texts = texts;
    index->tokens = calloc((size_t)texts->n + 1, sizeof *index->tokens);
    index->stems = calloc((size_t)texts->n + 1, sizeof *index->stems);
    int r = in && index->tokens && index->stems ? 0 : -ENOMEM;
    if (r == 0) {
        for (Token token = 0; token < (Token)texts->n; token++)
            in[token] =
                texts->offsets[token] < texts->offsets[token + 1] && wanted(userdata, token);
        sort_tokens(index, in);
        find_stems(index);
    }
    free(in);
    return r;
}

void prefix_index_done(struct PrefixIndex *index) {
    free(index->tokens);
    free(index->stems);
}

/* ---- Finding ---- */

static bool is_behind(const struct TokenTexts *texts, Token token, const char *text, size_t size) {
    const char *own;
    size_t own_size = token_texts_get(texts, token, &own);
    int order = memcmp(own, text, own_size < size ? own_size : size);
    return order > 0 || (order == 0 && own_size > size);
}

/* The last text that isn't behind this one, among those with its first byte. */
static uint32_t find_last(const struct PrefixIndex *index, const char *text, size_t size) {
    uint32_t from = index->starts[(uint8_t)text[0]], to = index->starts[(uint8_t)text[0] + 1];
    uint32_t first = from;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (is_behind(index->texts, index->tokens[middle], text, size))
            to = middle;
        else
            from = middle + 1;
    }
    return from > first ? from - 1 : PREFIX_NONE;
}

static size_t common_size(const char *a, size_t a_size, const char *b, size_t b_size) {
    size_t n = 0;
    while (n < a_size && n < b_size && a[n] == b[n]) n++;
    return n;
}

uint32_t prefix_index_find(const struct PrefixIndex *index, const char *text, size_t size) {
    const char *own;
    uint32_t i = find_last(index, text, size);
    if (i == PREFIX_NONE) return PREFIX_NONE;
    size_t own_size = token_texts_get(index->texts, index->tokens[i], &own);
    size_t common = common_size(own, own_size, text, size);
    while (i != PREFIX_NONE && token_texts_get(index->texts, index->tokens[i], &own) > common)
        i = index->stems[i];
    return i;
}
