#include "engine/synthetic/vocabulary.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define N_SPECIAL 3u
#define N_BYTES 256u
#define TEXT_SIZE 16

enum TokenType { TYPE_NORMAL = 1, TYPE_UNKNOWN = 2, TYPE_CONTROL = 3, TYPE_BYTE = 6 };

static enum TokenType token_type(uint32_t i) {
    if (i == 0) return TYPE_UNKNOWN;
    if (i < N_SPECIAL) return TYPE_CONTROL;
    return i < N_SPECIAL + N_BYTES ? TYPE_BYTE : TYPE_NORMAL;
}

/* Words begin with U+2581, SentencePiece's space. */
static void token_text(uint32_t i, char text[static TEXT_SIZE]) {
    static const char *const special[N_SPECIAL] = {"<unk>", "<s>", "</s>"};
    if (i < N_SPECIAL)
        snprintf(text, TEXT_SIZE, "%s", special[i]);
    else if (i < N_SPECIAL + N_BYTES)
        snprintf(text, TEXT_SIZE, "<0x%02X>", i - N_SPECIAL);
    else
        snprintf(text, TEXT_SIZE, "\xe2\x96\x81w%u", i);
}

static void write_keys(GgufWriter *writer, const char *const *texts, const float *scores,
                       const int32_t *types, uint32_t n) {
    gguf_writer_string(writer, "tokenizer.ggml.model", "llama");
    gguf_writer_strings(writer, "tokenizer.ggml.tokens", texts, n);
    gguf_writer_f32s(writer, "tokenizer.ggml.scores", scores, n);
    gguf_writer_i32s(writer, "tokenizer.ggml.token_type", types, n);
    gguf_writer_u32(writer, "tokenizer.ggml.unknown_token_id", 0);
    gguf_writer_u32(writer, "tokenizer.ggml.bos_token_id", 1);
    gguf_writer_u32(writer, "tokenizer.ggml.eos_token_id", 2);
}

int synthetic_vocabulary(GgufWriter *writer, uint32_t n_tokens) {
    char(*texts)[TEXT_SIZE] = calloc(n_tokens, sizeof *texts);
    const char **pointers = calloc(n_tokens, sizeof *pointers);
    float *scores = calloc(n_tokens, sizeof *scores);
    int32_t *types = calloc(n_tokens, sizeof *types);
    const bool ok = texts && pointers && scores && types;
    for (uint32_t i = 0; ok && i < n_tokens; i++) {
        token_text(i, texts[i]);
        pointers[i] = texts[i];
        scores[i] = -(float)i;
        types[i] = token_type(i);
    }
    if (ok) write_keys(writer, pointers, scores, types, n_tokens);
    free(texts);
    free(pointers);
    free(scores);
    free(types);
    return ok ? 0 : -ENOMEM;
}
