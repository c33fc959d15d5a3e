#include "small-vocabulary.h"

#include <stdio.h>

void small_vocabulary_add(struct SmallVocabulary *vocabulary, const char *text, int32_t type,
                          float score) {
    vocabulary->texts[vocabulary->n] = text;
    vocabulary->types[vocabulary->n] = type;
    vocabulary->scores[vocabulary->n++] = score;
}

void small_vocabulary_write(struct GgufWriter *writer, const struct SmallVocabulary *vocabulary) {
    gguf_writer_strings(writer, "tokenizer.ggml.tokens", vocabulary->texts, vocabulary->n);
    gguf_writer_i32s(writer, "tokenizer.ggml.token_type", vocabulary->types, vocabulary->n);
}

struct GgufWriter *small_spm(struct SmallVocabulary *vocabulary) {
    static const struct {
        const char *text;
        float score;
    } WORDS[] = {
        {"\u2581", -5}, {"a", -6},   {"b", -7},  {"c", -8},       {"ab", -3},
        {"bc", -2},     {"abc", -4}, {"aa", -1}, {"\u2581a", -9}, {"</s", -1},
    };
    *vocabulary = (struct SmallVocabulary){0};
    small_vocabulary_add(vocabulary, "<unk>", 2, 0);
    small_vocabulary_add(vocabulary, "<s>", 3, 0);
    small_vocabulary_add(vocabulary, "</s>", 3, 0);
    for (unsigned i = 0; i < 256; i++) {
        snprintf(vocabulary->bytes[i], sizeof vocabulary->bytes[i], "<0x%02X>", i & 0xff);
        small_vocabulary_add(vocabulary, vocabulary->bytes[i], 6, 0);
    }
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++)
        small_vocabulary_add(vocabulary, WORDS[i].text, 1, WORDS[i].score);
    small_vocabulary_add(vocabulary, "<|x|>", 4, 0);
    small_vocabulary_add(vocabulary, "<|xx|>", 3, 0);
    struct GgufWriter *writer = gguf_writer_new();
    gguf_writer_string(writer, "tokenizer.ggml.model", "llama");
    small_vocabulary_write(writer, vocabulary);
    gguf_writer_f32s(writer, "tokenizer.ggml.scores", vocabulary->scores, vocabulary->n);
    return writer;
}

void small_bpe_fill(struct SmallVocabulary *vocabulary) {
    unsigned next = 0x100;
    *vocabulary = (struct SmallVocabulary){0};
    for (unsigned i = 0; i < 256; i++) {
        bool printable = (i >= 33 && i <= 126) || (i >= 161 && i <= 172) || i >= 174;
        unsigned c = printable ? i : next++;
        if (c < 0x80)
            snprintf(vocabulary->bytes[i], 8, "%c", (char)c);
        else
            snprintf(vocabulary->bytes[i], 8, "%c%c", (char)(0xc0 | c >> 6),
                     (char)(0x80 | (c & 0x3f)));
        small_vocabulary_add(vocabulary, vocabulary->bytes[i], 1, 0);
    }
    small_vocabulary_add(vocabulary, "ab", 1, 0);
    small_vocabulary_add(vocabulary, "bc", 1, 0);
    small_vocabulary_add(vocabulary, "abc", 1, 0);
    small_vocabulary_add(vocabulary, "\u0120a", 1, 0);
    small_vocabulary_add(vocabulary, "hello", 1, 0);
    small_vocabulary_add(vocabulary, "<|end|>", 3, 0);
    small_vocabulary_add(vocabulary, "<user>", 4, 0);
}

struct GgufWriter *small_bpe(struct SmallVocabulary *vocabulary, const char *pre) {
    static const char *const MERGES[] = {"a b", "b c", "ab c", "\u0120 a", "x x", "q nope"};
    struct GgufWriter *writer = gguf_writer_new();
    small_bpe_fill(vocabulary);
    gguf_writer_string(writer, "tokenizer.ggml.model", "gpt2");
    if (pre) gguf_writer_string(writer, "tokenizer.ggml.pre", pre);
    small_vocabulary_write(writer, vocabulary);
    gguf_writer_strings(writer, "tokenizer.ggml.merges", MERGES, 6);
    gguf_writer_u32(writer, "tokenizer.ggml.bos_token_id", 'B');
    gguf_writer_u32(writer, "tokenizer.ggml.eos_token_id", UINT32_MAX);
    return writer;
}

struct GgufWriter *small_world(struct SmallVocabulary *vocabulary) {
    static const char *const WORDS[] = {
        "\\n\\n", "ab", "abcd", "abc\\xe2\\x82\\xac", "abce", "\\'\\\\\\t", "\\r\\x00z",
    };
    *vocabulary = (struct SmallVocabulary){0};
    small_vocabulary_add(vocabulary, "<s>", 3, 0);
    for (unsigned i = 0; i < 256; i++) {
        snprintf(vocabulary->bytes[i], 8, i > 32 && i < 127 && i != '\\' ? "%c" : "\\x%02x", i);
        small_vocabulary_add(vocabulary, vocabulary->bytes[i], 1, 0);
    }
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++)
        small_vocabulary_add(vocabulary, WORDS[i], 1, 0);
    small_vocabulary_add(vocabulary, "[PAD264]", 5, 0);
    small_vocabulary_add(vocabulary, "ab", 1, 0); /* of equal texts the last */
    struct GgufWriter *writer = gguf_writer_new();
    gguf_writer_string(writer, "tokenizer.ggml.model", "rwkv");
    small_vocabulary_write(writer, vocabulary);
    gguf_writer_u32(writer, "tokenizer.ggml.bos_token_id", 0);
    gguf_writer_u32(writer, "tokenizer.ggml.eos_token_id", 0);
    gguf_writer_u32(writer, "tokenizer.ggml.unknown_token_id", 0);
    gguf_writer_u32(writer, "tokenizer.ggml.eot_token_id", 257);
    return writer;
}
