/*
 * What a kind of tokenizer (spm.c, bpe.c, world.c) shares with tokenizer.c, which owns the
 * Tokenizer.
 */
#pragma once

#include "engine/gguf.h"
#include "engine/text/merge.h"
#include "engine/text/special-tokens.h"
#include "engine/text/tokenizer.h"
#include "engine/text/vocabulary.h"

/* tokenizer.ggml.token_type */
enum TokenType {
    TOKEN_UNDEFINED, /* in files only: the same as unused */
    TOKEN_NORMAL,
    TOKEN_UNKNOWN,
    TOKEN_CONTROL,
    TOKEN_USER_DEFINED,
    TOKEN_UNUSED,
    TOKEN_BYTE,
};

struct TokenList {
    Token *tokens;
    size_t n, room;
};

int token_list_add(struct TokenList *list, Token token); /* -ENOMEM; TOKEN_NONE adds nothing */

#define TEXT_MALFORMED SIZE_MAX

/* A kind of tokenizer: a row of the table in tokenizer.c. */
struct TokenizerModel {
    bool add_bos; /* unless the file or the pre-tokenizer says */
    bool space_prefix;
    /* What a normal or byte token's text stands for: at most `size` bytes to `ret`; or
     * TEXT_MALFORMED. */
    size_t (*decode)(const char *text, size_t size, enum TokenType type, char *ret);
    /* Sets tokenizer->state, when everything else is in place. NULL: there is nothing to load, not
     * even flags. */
    int (*load)(Tokenizer *tokenizer, const struct Gguf *file, Reason *why);
    void (*free)(void *state);
    /* Plain text, size >= 1, without special tokens. `first`: starts the text or follows a special
     * token. */
    int (*encode)(const Tokenizer *tokenizer, const char *text, size_t size, bool first,
                  struct Merger *merger, struct TokenList *ret);
};

/* NO_TEXT has tokens, but no text for them. */
extern const struct TokenizerModel SPM, BPE, WORLD, NO_TEXT;

#define TOKENIZER_MAX_ENDS 48

struct Tokenizer {
    const struct TokenizerModel *model;
    void *state;              /* the model's own */
    struct TokenTexts texts;  /* as the file has them */
    struct TokenTexts pieces; /* what they stand for */
    uint8_t *types;           /* enum TokenType */
    struct SpecialTokens special;
    Token bos, eos, unknown;
    Token ends[TOKENIZER_MAX_ENDS];
    unsigned n_ends;
    bool add_bos, add_eos, space_prefix;
};

/* ---- Parts of loading, in this order ---- */

/* tokenizer->special (tokenizer-special.c) */
int tokenizer_load_special(Tokenizer *tokenizer, const struct Gguf *file, Reason *why);
/* A token that a key names; TOKEN_NONE for numbers behind the vocabulary, which some files write
 * where they mean none. */
int tokenizer_load_id(const Tokenizer *tokenizer, const struct Gguf *file, const char *key,
                      Token fallback, Token *ret, Reason *why);
/* tokenizer->ends (tokenizer-ends.c) */
int tokenizer_load_ends(Tokenizer *tokenizer, const struct Gguf *file, Reason *why);

enum SpecialKind tokenizer_special_kind(const Tokenizer *tokenizer, Token token);
