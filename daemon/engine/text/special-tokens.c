#include "engine/text/special-tokens.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- Collecting ---- */

static int longest_first(const void *a, const void *b, void *userdata) {
    const struct TokenTexts *texts = userdata;
    Token x = *(const Token *)a, y = *(const Token *)b;
    const char *text;
    size_t x_size = token_texts_get(texts, x, &text), y_size = token_texts_get(texts, y, &text);
    if (x_size != y_size) return x_size > y_size ? -1 : 1;
    return x < y ? -1 : x > y;
}

static bool every(const void *userdata, Token token) {
    return true;
}

/* Copies the texts of special->tokens. */
static int copy_texts(struct SpecialTokens *special, const struct TokenTexts *vocabulary,
                      uint32_t n, size_t size) {
    int r = token_texts_init(&special->texts, n, size);
    if (r < 0) return r;
    uint32_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        const char *text;
        size_t text_size = token_texts_get(vocabulary, special->tokens[i], &text);
        memcpy(special->texts.bytes + at, text, text_size);
        at += (uint32_t)text_size;
        special->texts.offsets[i + 1] = at;
    }
    return 0;
}

/* The texts come longest first, so equal sizes of a first byte are neighbours. */
static int collect_sizes(struct SpecialTokens *special) {
    uint32_t n = 0;
    special->sizes = malloc((special->texts.n + 1) * sizeof *special->sizes);
    if (!special->sizes) return -ENOMEM;
    uint32_t *last = calloc(256, sizeof *last), *counts = calloc(256, sizeof *counts);
    int r = last && counts ? 0 : -ENOMEM;
    /* once to count, once to place */
    for (unsigned pass = 0; r == 0 && pass < 2; pass++) {
        memset(last, 0, 256 * sizeof *last);
        for (Token token = 0; token < (Token)special->texts.n; token++) {
            const char *text;
            uint32_t size = (uint32_t)token_texts_get(&special->texts, token, &text);
            uint8_t first = (uint8_t)text[0];
            if (last[first] == size) continue;
            last[first] = size;
            if (pass == 0)
                counts[first]++;
            else
                special->sizes[special->starts[first] + --counts[first]] = size;
        }
        for (unsigned b = 0; pass == 0 && b < 256; b++) {
            special->starts[b] = n;
            n += counts[b];
        }
    }
    special->starts[256] = n;
    free(last);
    free(counts);
    return r;
}

int special_tokens_init(struct SpecialTokens *special, const struct TokenTexts *vocabulary,
                        unsigned (*kind)(const void *userdata, Token token), const void *userdata) {
    uint32_t n = 0;
    size_t size = 0;
    special->tokens = malloc(((size_t)vocabulary->n + 1) * sizeof *special->tokens);
    if (!special->tokens) return -ENOMEM;
    for (Token token = 0; token < (Token)vocabulary->n; token++) {
        const char *text;
        size_t text_size = token_texts_get(vocabulary, token, &text);
        if (text_size == 0 || kind(userdata, token) == SPECIAL_NOT) continue;
        special->tokens[n++] = token;
        size += text_size;
    }
    qsort_r(special->tokens, n, sizeof *special->tokens, longest_first, (void *)vocabulary);
    int r = copy_texts(special, vocabulary, n, size);
    if (r == 0) r = token_index_init(&special->index, &special->texts, every, NULL);
    if (r == 0) r = collect_sizes(special);
    if (r < 0) return r;
    special->kinds = malloc((size_t)n + 1);
    if (!special->kinds) return -ENOMEM;
    for (uint32_t i = 0; i < n; i++)
        special->kinds[i] = (uint8_t)kind(userdata, special->tokens[i]);
    return 0;
}

void special_tokens_done(struct SpecialTokens *special) {
    token_texts_done(&special->texts);
    token_index_done(&special->index);
    free(special->tokens);
    free(special->kinds);
    free(special->sizes);
}

/* ---- Cutting ---- */

/* Marks which special texts stand anywhere in the text: few do, and only these are cut out. */
static bool find_present(const struct SpecialTokens *special, const char *text, size_t size,
                         bool control, bool *present) {
    bool any = false;
    for (size_t at = 0; at < size; at++) {
        uint8_t first = (uint8_t)text[at];
        for (uint32_t i = special->starts[first]; i < special->starts[first + 1]; i++) {
            if (special->sizes[i] > size - at) continue;
            Token token = token_index_find(&special->index, text + at, special->sizes[i]);
            if (token == TOKEN_NONE || (special->kinds[token] & SPECIAL_CONTROL && !control))
                continue;
            present[token] = any = true;
        }
    }
    return any;
}

struct Fragments {
    struct Fragment *items;
    size_t n, room;
};

static int add(struct Fragments *fragments, const char *text, size_t size, Token token) {
    if (size == 0) return 0;
    if (fragments->n == fragments->room) {
        size_t room = fragments->room ? 2 * fragments->room : 8;
        void *items = reallocarray(fragments->items, room, sizeof *fragments->items);
        if (!items) return -ENOMEM;
        fragments->items = items;
        fragments->room = room;
    }
    fragments->items[fragments->n++] = (struct Fragment){text, size, token};
    return 0;
}

/* As the C locale has it: ASCII alone. */
static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static const char *skip_spaces(const char *at, const char *end) {
    while (at < end && is_space(*at)) at++;
    return at;
}

static const char *drop_spaces(const char *at, const char *end) {
    while (at < end && is_space(end[-1])) end--;
    return end;
}

/* Plain text to `ret`, with the special token cut out. */
static int cut_plain(const struct SpecialTokens *special, Token token,
                     const struct Fragment *fragment, struct Fragments *ret) {
    const char *name, *at = fragment->text, *end = at + fragment->size, *found;
    size_t size = token_texts_get(&special->texts, token, &name);
    uint8_t kind = special->kinds[token];
    while ((found = memmem(at, (size_t)(end - at), name, size))) {
        const char *before = kind & SPECIAL_STRIPS_LEFT ? drop_spaces(at, found) : found;
        int r = add(ret, at, (size_t)(before - at), TOKEN_NONE);
        if (r == 0) r = add(ret, found, size, special->tokens[token]);
        if (r < 0) return r;
        at = found + size;
        if (kind & SPECIAL_STRIPS_RIGHT) at = skip_spaces(at, end);
    }
    return add(ret, at, (size_t)(end - at), TOKEN_NONE);
}

static int cut_token(const struct SpecialTokens *special, Token token,
                     struct Fragments *fragments) {
    struct Fragments cut = {0};
    int r = 0;
    for (size_t i = 0; r == 0 && i < fragments->n; i++) {
        const struct Fragment *fragment = &fragments->items[i];
        if (fragment->token == TOKEN_NONE)
            r = cut_plain(special, token, fragment, &cut);
        else
            r = add(&cut, fragment->text, fragment->size, fragment->token);
    }
    free(fragments->items);
    *fragments = cut;
    return r;
}

int special_tokens_cut(const struct SpecialTokens *special, const char *text, size_t size,
                       bool control, struct Fragment **ret, size_t *ret_n) {
    struct Fragments fragments = {0};
    bool *present = calloc(special->texts.n + 1, sizeof *present);
    if (!present) return -ENOMEM;
    int r = add(&fragments, text, size, TOKEN_NONE);
    if (r == 0 && find_present(special, text, size, control, present))
        for (Token token = 0; r == 0 && token < (Token)special->texts.n; token++)
            if (present[token]) r = cut_token(special, token, &fragments);
    free(present);
    if (r < 0) {
        free(fragments.items);
        return r;
    }
    *ret = fragments.items;
    *ret_n = fragments.n;
    return 0;
}
