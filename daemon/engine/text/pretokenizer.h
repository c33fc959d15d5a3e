/*
 * Pre-tokenizers: byte-level BPE first cuts text into pieces, and merges only inside a piece. Each
 * model names its regular expression by tokenizer.ggml.pre; here each is a function written out by
 * hand, a row of a table in pretokenizer.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct Pretokenizer {
    const char *name;
    /* Size of the piece at the start of `text` (size >= 1); 1 to size. */
    size_t (*piece)(const char *text, size_t size);
    bool ignore_merges; /* a piece that is a token is that token, whatever the merges say */
    bool add_bos;       /* unless the file says */
};

/* NULL: unknown. Aliases find the row of what they stand for. */
const struct Pretokenizer *pretokenizer_find(const char *name);
