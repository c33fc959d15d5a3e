/*
 * Text to tokens and back, as the model file defines it (tokenizer.ggml.*).
 *
 * A Tokenizer is immutable after tokenizer_new(): any thread may use it. The algorithms are rows of
 * a table in tokenizer-load.c: "llama" (SentencePiece-like, spm.c), "gpt2" (byte-level BPE, bpe.c,
 * with the pre-tokenizers of pretokenizer.c), "rwkv" (RWKV World, world.c), "no_vocab" and "none"
 * (tokens without texts).
 *
 * The tokens are llama.cpp's for all text that is UTF-8, but for what follows. Tokens that the file
 * calls user-defined are found in any text, the longest first; control tokens by TOKENIZE_SPECIAL
 * only, and plain text never becomes one by merging. Nor does it become an unused token. What is no
 * UTF-8 is kept byte for byte, where llama.cpp puts U+FFFD.
 *
 * encode and decode are inverse for any text, as long as the model has a token for every byte and
 * no user-defined token is in the text (SentencePiece puts a space behind those, and takes U+2581
 * for one).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"

struct Gguf; /* engine/gguf.h */

/* Copies what it needs: the file may be unmapped afterwards. -ENOTSUP names an unknown model or
 * pre-tokenizer; without a name (tokenizer.ggml.pre) llama.cpp's "default" cuts the text. */
int tokenizer_new(const struct Gguf *file, Tokenizer **ret, Reason *why);
Tokenizer *tokenizer_free(Tokenizer *tokenizer);

enum {
    TOKENIZE_BOS = 1 << 0,     /* prepend BOS where the model wants one (add_bos_token) */
    TOKENIZE_EOS = 1 << 3,     /* append EOS where the model wants one (add_eos_token): for whole
                                  texts, not for what is to be continued */
    TOKENIZE_SPECIAL = 1 << 1, /* text may contain control tokens by name: for rendered templates,
                                  never for user text */
    TOKENIZE_MIDDLE = 1 << 2,  /* continues earlier text: no SentencePiece space prefix */
};

/* Any bytes are accepted; what is no token becomes byte tokens, the unknown token, or nothing where
 * the model has none. `*ret` is malloc()ed (free()), *ret_n may be 0. -EFBIG: more text than
 * TOKENIZER_MAX_INPUT (limits.h). -ENOTSUP: !tokenizer_has_text(). Takes n log n time for n bytes,
 * whatever they are. */
int tokenizer_encode(const Tokenizer *tokenizer, const char *text, size_t size, unsigned flags,
                     Token **ret, size_t *ret_n);

/* A text in parts of different trust: control tokens stand only where all their bytes are in parts
 * that are special. Otherwise the tokens are those of the whole text, as if it were not in parts.
 */
struct TextPart {
    const char *text;
    size_t size;
    bool special;
};
int tokenizer_encode_parts(const Tokenizer *tokenizer, const struct TextPart *parts, size_t n_parts,
                           unsigned flags, Token **ret, size_t *ret_n);

/* The bytes of one token, not NUL-terminated, in the tokenizer's memory: possibly part of a
 * character, possibly none (control tokens give no bytes unless `special`). */
size_t tokenizer_piece(const Tokenizer *tokenizer, Token token, bool special, const char **ret);

/* Whole answer at once, malloc()ed and NUL-terminated: pieces joined; SPM drops the one leading
 * space. */
int tokenizer_decode(const Tokenizer *tokenizer, const Token *tokens, size_t n, bool special,
                     char **ret, size_t *ret_size);

/* false: the model works on numbers alone, and no text can be had of them or be made of them. */
bool tokenizer_has_text(const Tokenizer *tokenizer);
uint32_t tokenizer_size(const Tokenizer *tokenizer);
Token tokenizer_bos(const Tokenizer *tokenizer); /* -1: none */
Token tokenizer_eos(const Tokenizer *tokenizer);
/* Generation stops here: what the file calls eos, eot or eom, and special tokens whose texts are
 * known to mean it (tokenizer-ends.c). */
bool tokenizer_is_end(const Tokenizer *tokenizer, Token token);
bool tokenizer_is_control(const Tokenizer *tokenizer, Token token);
/* The token with exactly this text in the file, the last of equals; -1 when there is none. Looks at
 * all of them. */
Token tokenizer_find(const Tokenizer *tokenizer, const char *text);

/* ---- Streaming detokenisation: bytes in, whole UTF-8 characters out ---- */
struct Utf8Stream {
    char pending[4];
    unsigned n_pending;
};
/* Appends `size` bytes; writes the whole characters now available to `out` (room for 3 * (size + 3)
 * bytes) and returns their size. Bytes that can never become a character come out as U+FFFD, one
 * for each stretch that starts like a character. A stream starts zeroed. */
size_t utf8_stream_push(struct Utf8Stream *stream, const char *bytes, size_t size, char *out);
/* What is left at the end, as U+FFFD; returns 0 or 3. */
size_t utf8_stream_finish(struct Utf8Stream *stream, char *out);
