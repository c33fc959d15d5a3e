/*
 * Pair merging, the heart of both BPE and SentencePiece: a text starts as a list of symbols, and
 * again and again the best pair of neighbours becomes one symbol, the leftmost among equals, until
 * no pair is left. A heap and a linked list: O(n log n) however long the text.
 */
#pragma once

#include <stdint.h>

#include "engine/engine.h"

#define MERGE_NONE UINT32_MAX

struct MergeSymbol {
    uint32_t start, size; /* bytes in the text; size 0: was merged into the one before */
    Token token;
    uint32_t next; /* MERGE_NONE at the end; before: valid while n symbols are filled in order */
    uint32_t before;
    uint32_t priority; /* of the pair that starts here */
    Token pair;        /* what this pair becomes */
};

/* What two neighbours merge to: its priority, lower first, and the token; or MERGE_NONE. */
typedef uint32_t (*MergePair)(const void *userdata, const struct MergeSymbol *left,
                              const struct MergeSymbol *right, Token *ret);

/* Working memory, kept from one text to the next. Starts zeroed. */
struct Merger {
    struct MergeSymbol *symbols;
    uint64_t *heap; /* priority << 32 | symbol */
    size_t n_heap;
    uint32_t room; /* symbols; the heap has twice as much */
};

int merger_reserve(struct Merger *merger, uint32_t n_symbols); /* -ENOMEM */
void merger_done(struct Merger *merger);

/* Merges the first n symbols, whose start, size and token the caller has filled. Afterwards the
 * symbols to read are those from 0 along `next`. */
void merger_run(struct Merger *merger, uint32_t n, MergePair pair, const void *userdata);
