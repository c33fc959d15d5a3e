#include "grammar-vocabulary.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/text/tokenizer.h"
#include "gguf-writer.h"

#define N_MAX 600
enum { NORMAL = 1, UNKNOWN = 2, CONTROL = 3, BYTE = 6 };

static const char *const CONTROLS[] = {"<s>", "</s>", "<think>", "</think>"};
static const char *const WORDS[] = {
    "a",      "b",        "ab",           "ba",      "aa",       "aaa",
    "abab",   "bb",       "\"",           "{\"",     "\":",      "\",",
    "\"}",    "}}",       "[[",           "]]",      "[]",       "{}",
    ", ",     ": ",       "true",         "tr",      "ue",       "false",
    "null",   "nul",      "12",           "0.",      "e+",       "-1",
    "\n",     "\n  ",     "  ",           "\\\"",    "\\u",      "\\n",
    "\u00e9", "\u00e9a",  "\u20ac",       "a\u20ac", "\xf0\x9f", "\x98\x80",
    "\xc3",   "\xa9\"",   "\xe2\x82",     "\"name",  "name",     "\"name\": \"",
    "a",      "\xc0\x80", "\xed\xa0\x80",
};

struct Texts {
    const char *texts[N_MAX];
    float scores[N_MAX];
    int32_t types[N_MAX];
    char bytes[256][8];
    size_t n;
};

static void add(struct Texts *texts, const char *text, int32_t type) {
    texts->texts[texts->n] = text;
    texts->types[texts->n++] = type;
}

static void fill(struct Texts *texts) {
    add(texts, "<unk>", UNKNOWN);
    for (size_t i = 0; i < sizeof CONTROLS / sizeof *CONTROLS; i++)
        add(texts, CONTROLS[i], CONTROL);
    for (unsigned i = 0; i < 256; i++) {
        snprintf(texts->bytes[i], sizeof texts->bytes[i], "<0x%02X>", i & 0xff);
        add(texts, texts->bytes[i], BYTE);
    }
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++) add(texts, WORDS[i], NORMAL);
}

void grammar_vocabulary_init(struct GrammarVocabulary *vocabulary) {
    struct GgufWriter *writer = gguf_writer_new();
    struct Texts *texts = calloc(1, sizeof *texts);
    struct Gguf *file = NULL;
    Reason why = {0};
    size_t size;
    if (!texts) abort();
    fill(texts);
    gguf_writer_string(writer, "tokenizer.ggml.model", "llama");
    gguf_writer_strings(writer, "tokenizer.ggml.tokens", texts->texts, texts->n);
    gguf_writer_i32s(writer, "tokenizer.ggml.token_type", texts->types, texts->n);
    gguf_writer_f32s(writer, "tokenizer.ggml.scores", texts->scores, texts->n);
    gguf_writer_u32(writer, "tokenizer.ggml.bos_token_id", VOCABULARY_BOS);
    gguf_writer_u32(writer, "tokenizer.ggml.eos_token_id", VOCABULARY_EOS);
    void *data = gguf_writer_finish(writer, &size);
    if (gguf_parse(data, size, &file, &why) < 0 ||
        tokenizer_new(file, &vocabulary->tokenizer, &why) < 0 ||
        token_trie_new(vocabulary->tokenizer, (uint32_t)texts->n, &vocabulary->trie) < 0) {
        fprintf(stderr, "%s\n", why.text);
        abort();
    }
    gguf_free(file);
    free(data);
    free(texts);
}

void grammar_vocabulary_done(struct GrammarVocabulary *vocabulary) {
    token_trie_free(vocabulary->trie);
    tokenizer_free(vocabulary->tokenizer);
}
