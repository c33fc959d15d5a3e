/*
 * Pre-tokenizers: byte-level BPE first cuts text into pieces, and merges only inside a piece. Each
 * model names its way by tokenizer.ggml.pre: one or more regular expressions (pattern.h), rows of
 * the table in pretokenizer.c, with the names and expressions of llama.cpp (src/llama-vocab.cpp).
 *
 * Immutable once made: any thread may use it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct Pretokenizer;

/* `name` NULL: the file names none, which is "default". Aliases find what they stand for. -ENOTSUP:
 * unknown. -ENOMEM. */
int pretokenizer_new(const char *name, struct Pretokenizer **ret);
struct Pretokenizer *pretokenizer_free(struct Pretokenizer *pretokenizer);

/* A piece that is a token is that token, whatever the merges say. */
bool pretokenizer_ignores_merges(const struct Pretokenizer *pretokenizer);
/* What the vocabularies of this kind do unless the file says. */
bool pretokenizer_adds_bos(const struct Pretokenizer *pretokenizer);

/*
 * Calls `piece` for the pieces of the text, none empty, from the first to the last; together they
 * are the text. Takes four bytes of memory for each character. The first negative result of
 * `piece`, or -ENOMEM.
 */
int pretokenizer_run(const struct Pretokenizer *pretokenizer, const char *text, size_t size,
                     int (*piece)(void *userdata, const char *text, size_t size), void *userdata);
