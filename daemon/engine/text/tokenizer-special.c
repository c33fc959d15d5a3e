/*
 * Which tokens are cut out of text before it is tokenised, and which of them take white space with
 * them. Files don't say the latter: llama.cpp knows some models by their names
 * (src/llama-vocab.cpp).
 */
#include <string.h>
#include <strings.h>

#include "engine/text/tokenizer-model.h"

/* A model is known by a part of one of its keys, whatever the case. */
static const struct StripRow {
    const char *key, *part;
    const char *token; /* NULL: every special token but UNSTRIPPED */
    unsigned strip;
} STRIPS[] = {
    {"general.name", "phi-3", NULL, SPECIAL_STRIPS_RIGHT},
    {"general.name", "phi3", NULL, SPECIAL_STRIPS_RIGHT},
    {"tokenizer.ggml.pre", "jina-v2-", "<mask>", SPECIAL_STRIPS_LEFT},
    {"general.name", "modern-bert", "[MASK]", SPECIAL_STRIPS_LEFT},
};

static const char *const UNSTRIPPED[] = {"<unk>", "<s>", "<|endoftext|>"};

static bool contains(struct GgufString string, const char *part) {
    size_t size = strlen(part);
    for (size_t at = 0; at + size <= string.size; at++)
        if (strncasecmp(string.data + at, part, size) == 0) return true;
    return false;
}

static int find_strip(const struct Gguf *file, const struct StripRow **ret, Reason *why) {
    for (size_t i = 0; i < sizeof STRIPS / sizeof STRIPS[0]; i++) {
        struct GgufString value;
        int r = gguf_get_string(file, STRIPS[i].key, &value, why);
        if (r < 0) return r;
        if (r == GGUF_ABSENT || !contains(value, STRIPS[i].part)) continue;
        *ret = &STRIPS[i];
        return 0;
    }
    return 0;
}

struct Specials {
    const Tokenizer *tokenizer;
    const struct StripRow *strip; /* or NULL */
};

static bool is_text(const Tokenizer *tokenizer, Token token, const char *text) {
    return token_texts_is(&tokenizer->texts, token, text, strlen(text));
}

static bool strips(const struct Specials *specials, Token token) {
    const struct StripRow *row = specials->strip;
    if (!row) return false;
    if (row->token) return is_text(specials->tokenizer, token, row->token);
    for (size_t i = 0; i < sizeof UNSTRIPPED / sizeof UNSTRIPPED[0]; i++)
        if (is_text(specials->tokenizer, token, UNSTRIPPED[i])) return false;
    return true;
}

static unsigned special_kind(const void *userdata, Token token) {
    const struct Specials *specials = userdata;
    enum SpecialKind kind = tokenizer_special_kind(specials->tokenizer, token);
    if (kind == SPECIAL_NOT || !strips(specials, token)) return kind;
    return kind | specials->strip->strip;
}

int tokenizer_load_special(Tokenizer *tokenizer, const struct Gguf *file, Reason *why) {
    struct Specials specials = {.tokenizer = tokenizer};
    int r = find_strip(file, &specials.strip, why);
    if (r < 0) return r;
    return special_tokens_init(&tokenizer->special, &tokenizer->texts, special_kind, &specials);
}
