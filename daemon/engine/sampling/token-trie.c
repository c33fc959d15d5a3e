#include "engine/sampling/token-trie.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/limits.h"
#include "engine/text/tokenizer.h"

struct Entry { /* a token that is to be put in */
    const char *bytes;
    uint32_t size;
    Token token;
};

/* ---- Groups of bytes ---- */

static void groups_fill(uint8_t groups[256]) {
    /* what grammars tell apart; the first group is everything that is not named */
    static const char *const NAMED[] = {"_",    "-",  ".",  ",", ":",  "/",    "'",   "\"", "\\",
                                        "[]{}", "()", "<>", " ", "\t", "\n\r", "+*=", "#"};
    enum { OTHER, LOWER, UPPER, DIGIT, CONTROL, HIGH, FIRST_NAMED };
    for (unsigned byte = 0; byte < 256; byte++)
        groups[byte] = byte >= 0x80                  ? HIGH
                       : byte < 0x20 || byte == 0x7f ? CONTROL
                       : byte >= 'a' && byte <= 'z'  ? LOWER
                       : byte >= 'A' && byte <= 'Z'  ? UPPER
                       : byte >= '0' && byte <= '9'  ? DIGIT
                                                     : OTHER;
    for (size_t i = 0; i < sizeof NAMED / sizeof *NAMED; i++)
        for (const char *c = NAMED[i]; *c; c++) groups[(uint8_t)*c] = (uint8_t)(FIRST_NAMED + i);
    _Static_assert(FIRST_NAMED + sizeof NAMED / sizeof *NAMED <= TRIE_GROUPS, "a bit for each");
}

/* ---- Entries ---- */

static int entry_compare(const void *a, const void *b) {
    const struct Entry *x = a, *y = b;
    int order = memcmp(x->bytes, y->bytes, x->size < y->size ? x->size : y->size);
    if (order != 0) return order;
    if (x->size != y->size) return x->size < y->size ? -1 : 1;
    return (x->token > y->token) - (x->token < y->token);
}

static uint32_t entries_find(const Tokenizer *tokenizer, TokenTrie *trie, struct Entry *ret) {
    uint32_t n = 0;
    for (Token token = 0; (uint32_t)token < trie->n_vocab; token++) {
        const char *bytes = NULL;
        size_t size = tokenizer_piece(tokenizer, token, false, &bytes);
        bool ends = tokenizer_is_end(tokenizer, token);
        if (ends) token_set_add(trie->ends, token);
        if (!ends && size > 0 && size <= TOKENIZER_MAX_TOKEN_SIZE)
            ret[n++] = (struct Entry){bytes, (uint32_t)size, token};
        else
            token_set_add(trie->silent, token);
    }
    qsort(ret, n, sizeof *ret, entry_compare);
    return n;
}

static uint32_t common(const struct Entry *a, const struct Entry *b) {
    uint32_t n = 0;
    while (n < a->size && n < b->size && a->bytes[n] == b->bytes[n]) n++;
    return n;
}

/* ---- Nodes ---- */

static uint32_t count_nodes(const struct Entry *entries, uint32_t n) {
    uint32_t nodes = 0;
    for (uint32_t i = 0; i < n; i++)
        nodes += entries[i].size - (i > 0 ? common(&entries[i - 1], &entries[i]) : 0);
    return nodes;
}

static void nodes_fill(TokenTrie *trie, const struct Entry *entries) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < trie->n_tokens; i++) {
        uint32_t depth = i > 0 ? common(&entries[i - 1], &entries[i]) : 0;
        for (; depth < entries[i].size; depth++)
            trie->nodes[n++] = (struct TrieNode){
                .first = i, .depth = (uint16_t)depth, .byte = (uint8_t)entries[i].bytes[depth]};
        trie->tokens[i] = entries[i].token;
        if (entries[i].size > trie->depth) trie->depth = entries[i].size;
    }
    trie->nodes[n] = (struct TrieNode){.first = trie->n_tokens};
}

/* `open[d]`: the node of depth d that the one being looked at may be below. */
static void nodes_link(TokenTrie *trie, uint32_t *open) {
    uint32_t n_open = 0;
    for (uint32_t i = 0; i <= trie->n_nodes; i++) {
        uint32_t depth = i < trie->n_nodes ? trie->nodes[i].depth : 0;
        while (n_open > depth) trie->nodes[open[--n_open]].skip = i;
        open[n_open++] = i;
    }
    for (uint32_t i = trie->n_nodes; i-- > 0;) { /* children come after their parents */
        struct TrieNode *node = &trie->nodes[i], *child;
        for (uint32_t at = i + 1; at < node->skip; at = child->skip) {
            child = &trie->nodes[at];
            node->below |= child->below | UINT32_C(1) << trie->groups[child->byte];
        }
    }
}

static int trie_build(const Tokenizer *tokenizer, TokenTrie *trie) {
    struct Entry *entries = malloc((trie->n_vocab + 1) * sizeof *entries);
    uint32_t *open = NULL;
    trie->silent = calloc(token_words(trie->n_vocab), sizeof *trie->silent);
    trie->ends = calloc(token_words(trie->n_vocab), sizeof *trie->ends);
    int r = entries && trie->silent && trie->ends ? 0 : -ENOMEM;
    if (r == 0) {
        trie->n_tokens = entries_find(tokenizer, trie, entries);
        trie->n_nodes = count_nodes(entries, trie->n_tokens);
        trie->nodes = calloc((size_t)trie->n_nodes + 1, sizeof *trie->nodes);
        trie->tokens = calloc((size_t)trie->n_tokens + 1, sizeof *trie->tokens);
        r = trie->nodes && trie->tokens ? 0 : -ENOMEM;
    }
    if (r == 0) {
        nodes_fill(trie, entries);
        open = malloc(((size_t)trie->depth + 1) * sizeof *open);
        r = open ? 0 : -ENOMEM;
    }
    if (r == 0) nodes_link(trie, open);
    free(open);
    free(entries);
    return r;
}

int token_trie_new(const Tokenizer *tokenizer, uint32_t n_vocab, TokenTrie **ret) {
    TokenTrie *trie = calloc(1, sizeof *trie);
    if (!trie) return -ENOMEM;
    trie->n_vocab = n_vocab;
    groups_fill(trie->groups);
    int r = trie_build(tokenizer, trie);
    if (r < 0)
        token_trie_free(trie);
    else
        *ret = trie;
    return r;
}

TokenTrie *token_trie_free(TokenTrie *trie) {
    if (!trie) return NULL;
    free(trie->nodes);
    free(trie->tokens);
    free(trie->silent);
    free(trie->ends);
    free(trie);
    return NULL;
}
