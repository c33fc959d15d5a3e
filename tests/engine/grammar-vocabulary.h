/*
 * A vocabulary for tests of grammars: every byte a token, words that grammars split in odd places,
 * pieces of characters, control tokens, two tokens with the same text.
 */
#pragma once

#include "engine/sampling/token-trie.h"

struct GrammarVocabulary {
    Tokenizer *tokenizer;
    TokenTrie *trie;
};

enum { VOCABULARY_BOS = 1, VOCABULARY_EOS = 2, VOCABULARY_THINK = 3, VOCABULARY_BYTES = 5 };

/* Aborts when it fails. */
void grammar_vocabulary_init(struct GrammarVocabulary *vocabulary);
void grammar_vocabulary_done(struct GrammarVocabulary *vocabulary);
