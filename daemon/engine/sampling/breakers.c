#include "engine/sampling/breakers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/text/tokenizer.h"

struct TokenSequence {
    Token head, tail[BREAKER_TOKENS_MAX - 1];
    uint32_t n_tail;
};

struct Breakers {
    uint64_t *single; /* a bit for each token */
    uint32_t n_vocab;
    struct TokenSequence *sequences; /* of several tokens, sorted by head */
    size_t n, n_max;
};

/* ---- Making ---- */

int breakers_make(uint32_t n_vocab, struct Breakers **ret) {
    struct Breakers *breakers = calloc(1, sizeof *breakers);
    if (!breakers) return -ENOMEM;
    breakers->n_vocab = n_vocab;
    breakers->single = calloc((size_t)n_vocab / 64 + 1, sizeof *breakers->single);
    if (!breakers->single) {
        breakers_free(breakers);
        return -ENOMEM;
    }
    *ret = breakers;
    return 0;
}

struct Breakers *breakers_free(struct Breakers *breakers) {
    if (!breakers) return NULL;
    free(breakers->single);
    free(breakers->sequences);
    free(breakers);
    return NULL;
}

static int sequence_reserve(struct Breakers *breakers) {
    if (breakers->n < breakers->n_max) return 0;
    size_t n_max = breakers->n_max ? 2 * breakers->n_max : 16;
    struct TokenSequence *grown = realloc(breakers->sequences, n_max * sizeof *grown);
    if (!grown) return -ENOMEM;
    breakers->sequences = grown;
    breakers->n_max = n_max;
    return 0;
}

int breakers_add(struct Breakers *breakers, const Token *tokens, size_t n) {
    if (n == 0 || n > BREAKER_TOKENS_MAX) return -EINVAL;
    if (tokens[0] < 0 || (uint32_t)tokens[0] >= breakers->n_vocab) return -EINVAL;
    if (n == 1) {
        breakers->single[tokens[0] / 64] |= UINT64_C(1) << tokens[0] % 64;
        return 0;
    }
    int r = sequence_reserve(breakers);
    if (r < 0) return r;
    struct TokenSequence *sequence = &breakers->sequences[breakers->n++];
    sequence->head = tokens[0];
    sequence->n_tail = (uint32_t)n - 1;
    memcpy(sequence->tail, tokens + 1, (n - 1) * sizeof *tokens);
    return 0;
}

static int compare_heads(const void *a, const void *b) {
    Token x = ((const struct TokenSequence *)a)->head, y = ((const struct TokenSequence *)b)->head;
    return (x > y) - (x < y);
}

void breakers_sort(struct Breakers *breakers) {
    if (breakers->n) /* memory may be NULL otherwise */
        qsort(breakers->sequences, breakers->n, sizeof *breakers->sequences, compare_heads);
}

/* ---- From texts ---- */

/* The rest of a text, after its first `n_head` bytes, as tokens; made once for each. */
struct Tails {
    const Tokenizer *tokenizer;
    const char *text;
    size_t size;
    struct {
        Token *tokens;
        size_t n;
    } * after; /* [size] */
};

static int tail_find(struct Tails *tails, size_t n_head) {
    if (tails->after[n_head].tokens) return 0;
    return tokenizer_encode(tails->tokenizer, tails->text + n_head, tails->size - n_head,
                            TOKENIZE_MIDDLE, &tails->after[n_head].tokens, &tails->after[n_head].n);
}

static int tail_add(struct Breakers *breakers, Token head, struct Tails *tails, size_t n_head) {
    Token tokens[BREAKER_TOKENS_MAX] = {head};
    int r = tail_find(tails, n_head);
    if (r < 0) return r;
    size_t n = tails->after[n_head].n;
    if (n == 0) return 0; /* no token can write the rest */
    if (n > BREAKER_TOKENS_MAX - 1) n = BREAKER_TOKENS_MAX - 1;
    memcpy(tokens + 1, tails->after[n_head].tokens, n * sizeof *tokens);
    return breakers_add(breakers, tokens, n + 1);
}

/* All the ways in which one token can be where the text begins. */
static int token_add(struct Breakers *breakers, Token token, struct Tails *tails) {
    const char *piece;
    size_t size = tokenizer_piece(tails->tokenizer, token, true, &piece);
    if (size == 0) return 0;
    if (memmem(piece, size, tails->text, tails->size)) return breakers_add(breakers, &token, 1);
    for (size_t n = 1; n < tails->size && n <= size; n++) {
        if (memcmp(piece + size - n, tails->text, n) != 0) continue;
        int r = tail_add(breakers, token, tails, n);
        if (r < 0) return r;
    }
    return 0;
}

static int text_add(struct Breakers *breakers, const Tokenizer *tokenizer, const char *text) {
    struct Tails tails = {.tokenizer = tokenizer, .text = text, .size = strlen(text)};
    if (tails.size == 0) return 0;
    tails.after = calloc(tails.size, sizeof *tails.after);
    if (!tails.after) return -ENOMEM;
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < breakers->n_vocab; i++)
        r = token_add(breakers, (Token)i, &tails);
    for (size_t i = 0; i < tails.size; i++) free(tails.after[i].tokens);
    free(tails.after);
    return r;
}

int breakers_new(const Tokenizer *tokenizer, char *const *texts, struct Breakers **ret) {
    struct Breakers *breakers;
    int r = breakers_make(tokenizer_size(tokenizer), &breakers);
    if (r < 0) return r;
    for (char *const *text = texts; r == 0 && text && *text; text++)
        r = text_add(breakers, tokenizer, *text);
    if (r < 0) {
        breakers_free(breakers);
        return r;
    }
    breakers_sort(breakers);
    *ret = breakers;
    return 0;
}

/* ---- Finding ---- */

bool breakers_has(const struct Breakers *breakers, Token token) {
    if (token < 0 || (uint32_t)token >= breakers->n_vocab) return false;
    return breakers->single[token / 64] >> token % 64 & 1;
}

static bool tail_matches(const struct TokenSequence *sequence, const struct History *history,
                         uint32_t i) {
    if (sequence->n_tail > i) return false;
    for (uint32_t j = 0; j < sequence->n_tail; j++)
        if (history_at(history, i - 1 - j) != sequence->tail[j]) return false;
    return true;
}

/* The first sequence of this head, or where it would be. */
static size_t lower_bound(const struct Breakers *breakers, Token head) {
    size_t low = 0, high = breakers->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (breakers->sequences[middle].head < head)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int breakers_match(const struct Breakers *breakers, const struct History *history, uint32_t i) {
    Token head = history_at(history, i);
    int longest = breakers_has(breakers, head) ? 0 : -1;
    for (size_t j = lower_bound(breakers, head);
         j < breakers->n && breakers->sequences[j].head == head; j++)
        if ((int)breakers->sequences[j].n_tail > longest &&
            tail_matches(&breakers->sequences[j], history, i))
            longest = (int)breakers->sequences[j].n_tail;
    return longest;
}
