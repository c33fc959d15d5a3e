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
    if (r == 0) r = prefix_index_init(&special->index, &special->texts, every, NULL);
    if (r < 0) return r;
    special->kinds = malloc((size_t)n + 1);
    if (!special->kinds) return -ENOMEM;
    for (uint32_t i = 0; i < n; i++)
        special->kinds[i] = (uint8_t)kind(userdata, special->tokens[i]);
    return 0;
}

void special_tokens_done(struct SpecialTokens *special) {
    token_texts_done(&special->texts);
    prefix_index_done(&special->index);
    free(special->tokens);
    free(special->kinds);
}

/* ---- Cutting ---- */

/* The text, and where control tokens may stand in it. */
struct Cut {
    const struct SpecialTokens *special;
    const char *text;
    bool control;
    const uint8_t *marks;
};

/* Whether the special text of `size` bytes that stands at `at` counts there. */
static bool may_stand(const struct Cut *cut, Token token, const char *at, size_t size) {
    if (!(cut->special->kinds[token] & SPECIAL_CONTROL)) return true;
    return cut->control && (!cut->marks || !memchr(cut->marks + (at - cut->text), 0, size));
}

/* Marks which special texts stand anywhere in the text: few do, and only these are cut out. Where
 * one has been seen before, its stems have been, too. */
static bool find_present(const struct Cut *cut, size_t size, bool *present) {
    const struct SpecialTokens *special = cut->special;
    const struct PrefixIndex *index = &special->index;
    bool any = false;
    for (size_t at = 0; at < size; at++) {
        uint32_t place = prefix_index_find(index, cut->text + at, size - at);
        for (; place != PREFIX_NONE && !present[index->tokens[place]]; place = index->stems[place])
            present[index->tokens[place]] = any = true;
    }
    for (uint32_t i = 0; any && !cut->control && i < special->texts.n; i++)
        if (special->kinds[i] & SPECIAL_CONTROL) present[i] = false;
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
static int cut_plain(const struct Cut *cut, Token token, const struct Fragment *fragment,
                     struct Fragments *ret) {
    const struct SpecialTokens *special = cut->special;
    const char *name, *at = fragment->text, *end = at + fragment->size, *found, *from = at;
    size_t size = token_texts_get(&special->texts, token, &name);
    uint8_t kind = special->kinds[token];
    while ((found = memmem(from, (size_t)(end - from), name, size))) {
        from = found + 1;
        if (!may_stand(cut, token, found, size)) continue;
        const char *before = kind & SPECIAL_STRIPS_LEFT ? drop_spaces(at, found) : found;
        int r = add(ret, at, (size_t)(before - at), TOKEN_NONE);
        if (r == 0) r = add(ret, found, size, special->tokens[token]);
        if (r < 0) return r;
        at = found + size;
        if (kind & SPECIAL_STRIPS_RIGHT) at = skip_spaces(at, end);
        from = at;
    }
    return add(ret, at, (size_t)(end - at), TOKEN_NONE);
}

static int cut_token(const struct Cut *cut, Token token, struct Fragments *fragments) {
    struct Fragments made = {0};
    int r = 0;
    for (size_t i = 0; r == 0 && i < fragments->n; i++) {
        const struct Fragment *fragment = &fragments->items[i];
        if (fragment->token == TOKEN_NONE)
            r = cut_plain(cut, token, fragment, &made);
        else
            r = add(&made, fragment->text, fragment->size, fragment->token);
    }
    free(fragments->items);
    *fragments = made;
    return r;
}

int special_tokens_cut(const struct SpecialTokens *special, const char *text, size_t size,
                       bool control, const uint8_t *marks, struct Fragment **ret, size_t *ret_n) {
    const struct Cut cut = {special, text, control, marks};
    struct Fragments fragments = {0};
    bool *present = calloc(special->texts.n + 1, sizeof *present);
    if (!present) return -ENOMEM;
    int r = add(&fragments, text, size, TOKEN_NONE);
    if (r == 0 && find_present(&cut, size, present))
        for (Token token = 0; r == 0 && token < (Token)special->texts.n; token++)
            if (present[token]) r = cut_token(&cut, token, &fragments);
    free(present);
    if (r < 0) {
        free(fragments.items);
        return r;
    }
    *ret = fragments.items;
    *ret_n = fragments.n;
    return 0;
}
