/*
 * Special tokens in text: what a model file calls user-defined tokens is cut out of any text before
 * it is tokenised, control tokens only where the caller says that they may stand there. The longest
 * token's text wins, wherever it stands.
 */
#pragma once

#include "engine/text/prefix-index.h"

struct SpecialTokens {
    struct TokenTexts texts;  /* longest first */
    struct PrefixIndex index; /* into texts */
    Token *tokens;            /* what they stand for in the vocabulary */
    uint8_t *kinds;           /* as `kind` has said */
};

enum SpecialKind {
    SPECIAL_NOT = 0,
    SPECIAL_ALWAYS = 1 << 0,
    SPECIAL_CONTROL = 1 << 1, /* only where control tokens are allowed */
    /* with one of these: white space before or behind the token goes with it, as if not there */
    SPECIAL_STRIPS_LEFT = 1 << 2,
    SPECIAL_STRIPS_RIGHT = 1 << 3,
};

/* Collects the tokens that `kind` (enum SpecialKind) calls special. -ENOMEM. */
int special_tokens_init(struct SpecialTokens *special, const struct TokenTexts *vocabulary,
                        unsigned (*kind)(const void *userdata, Token token), const void *userdata);
void special_tokens_done(struct SpecialTokens *special);

/* A stretch of the text: a special token, or (TOKEN_NONE) plain text, never empty. */
struct Fragment {
    const char *text;
    size_t size;
    Token token;
};

/* `*ret` is malloc()ed and points into `text`. Control tokens
 * are found where `control` and, unless `marks` is NULL, all their bytes are marked (one a byte of
 * the text). */
int special_tokens_cut(const struct SpecialTokens *special, const char *text, size_t size,
                       bool control, const uint8_t *marks, struct Fragment **ret, size_t *ret_n);
