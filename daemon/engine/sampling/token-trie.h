/*
 * The tokens of a vocabulary that stand for text, as a tree of their bytes: what a Constraint walks
 * to see which of them fit. Built once for a tokenizer (engine_token_trie()), immutable, any thread
 * may use it. A vocabulary of 128k tokens takes some 8 MB and a tenth of a second.
 *
 * Control tokens, those that end an answer and those that stand for nothing are not in it.
 */
#pragma once

#include <stdbool.h>

#include "engine/engine.h"

/* Bytes that are alike to most grammars have a bit together: see TrieNode.below. */
#define TRIE_GROUPS 24

struct TrieNode {
    uint32_t skip;  /* the first node that is not below this one */
    uint32_t first; /* of `tokens`: those from here to the next node's end here */
    uint32_t below; /* groups of all bytes below this node */
    uint16_t depth; /* bytes before this one */
    uint8_t byte;
};

typedef struct TokenTrie {
    struct TrieNode *nodes; /* in depth-first order, and one that ends them */
    uint32_t n_nodes;
    Token *tokens; /* in the order of nodes */
    uint32_t n_tokens;
    uint32_t n_vocab;
    uint32_t depth; /* bytes of the longest token */
    uint8_t groups[256];
    uint64_t *silent; /* [(n_vocab + 63) / 64]: those that are not in the tree */
    uint64_t *ends;   /* of these, those that end an answer */
} TokenTrie;

/* `n_vocab`: what the model computes, at least the tokenizer's size. -ENOMEM. */
int token_trie_new(const Tokenizer *tokenizer, uint32_t n_vocab, TokenTrie **ret);
TokenTrie *token_trie_free(TokenTrie *trie);

/* 64-bit words of a set of tokens. */
static inline size_t token_words(uint32_t n_vocab) {
    return ((size_t)n_vocab + 63) / 64;
}
static inline void token_set_add(uint64_t *set, Token token) {
    set[(uint32_t)token / 64] |= UINT64_C(1) << ((uint32_t)token % 64);
}
static inline bool token_set_has(const uint64_t *set, Token token) {
    return set[(uint32_t)token / 64] >> ((uint32_t)token % 64) & 1;
}
