/*
 * The list of merges of a byte-level BPE tokenizer: which two neighbours become what, and which
 * pair comes first. Symbols are tokens, or parts: texts that only merges make, on the way to a
 * token or (in sloppy files) to none. A byte without a token is a part, too.
 *
 * Immutable once loaded.
 */
#pragma once

#include "engine/gguf.h"
#include "engine/text/merge.h"
#include "engine/text/vocabulary.h"

struct BpeMerge {
    Token left, right, result; /* symbols */
};

struct BpeMerges {
    const struct TokenTexts *pieces; /* of the tokens */
    const struct TokenIndex *index;  /* the tokens that text may become */
    struct TokenTexts parts;         /* symbol pieces->n + i is part i */
    struct TokenIndex part_index;
    struct BpeMerge *merges; /* in the order of the file, best first */
    uint32_t *slots;         /* open addressing: (left, right) to merge, MERGE_NONE where empty */
    uint32_t n_slots;
    Token bytes[256]; /* symbols */
};

/* tokenizer.ggml.merges. What the pointers point to must stay where it is. `merges` starts zeroed
 * and must be passed to bpe_merges_done() after a failure, too. */
int bpe_merges_load(struct BpeMerges *merges, const struct TokenTexts *pieces,
                    const struct TokenIndex *index, const struct Gguf *file, Reason *why);
void bpe_merges_done(struct BpeMerges *merges);

/* What two symbols become, and the place in the list; a MergePair. `userdata`: struct BpeMerges. */
uint32_t bpe_merges_pair(const void *userdata, const struct MergeSymbol *left,
                         const struct MergeSymbol *right, Token *ret);

/* Bytes as the file writes them, printable characters, back to bytes; other characters stay as
 * they are. At most `size` bytes to `ret`. */
size_t bpe_unescape(const char *text, size_t size, char *ret);
