/*
 * Small vocabularies for tests, one for each kind of tokenizer. `vocabulary` keeps what the
 * writer's file is made from; a test may add keys to the writer before it is finished.
 */
#pragma once

#include "gguf-writer.h"

#define MAX_VOCABULARY 600

struct SmallVocabulary {
    const char *texts[MAX_VOCABULARY];
    float scores[MAX_VOCABULARY];
    int32_t types[MAX_VOCABULARY];
    size_t n;
    char bytes[256][8];
};

/* tokens and token_type */
void small_vocabulary_write(struct GgufWriter *writer, const struct SmallVocabulary *vocabulary);
void small_vocabulary_add(struct SmallVocabulary *vocabulary, const char *text, int32_t type,
                          float score);

/* <unk> <s> </s>, 256 byte tokens, then words from 259 on. */
struct GgufWriter *small_spm(struct SmallVocabulary *vocabulary);

enum { BYTE_0 = 3, SPACE = 259, A, B, C, AB, BC, ABC, AA, SPACE_A, END_PART, X, XX };

/* The 256 bytes as GPT-2 writes them, then merges' results. `pre` may be NULL. */
void small_bpe_fill(struct SmallVocabulary *vocabulary);
struct GgufWriter *small_bpe(struct SmallVocabulary *vocabulary, const char *pre);

enum { BPE_AB = 256, BPE_BC, BPE_ABC, BPE_SPACE_A, BPE_HELLO, BPE_END, BPE_USER };

/* <s>, 256 bytes as Python writes them, then words from 257 on. */
struct GgufWriter *small_world(struct SmallVocabulary *vocabulary);

enum {
    WORLD_BYTE_0 = 1,
    WORLD_LINES = 257,
    W_ABCD = 259,
    W_EURO,
    W_ABCE,
    W_QUOTE,
    W_NUL,
    W_PAD,
    W_AB
};
