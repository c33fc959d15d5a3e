#include "fake-model.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../engine/gguf-writer.h"

#define N_MAX 128

static const char chat_template[] =
    "{% for message in messages %}{% if message['role'] == 'user' %}"
    "<|user|>{{ message['content'] }}{% else %}<|assistant|>{{ message['content'] }}<|end|>"
    "{% endif %}{% endfor %}<|assistant|>";

struct Vocabulary {
    char texts[N_MAX][16];
    const char *tokens[N_MAX];
    float scores[N_MAX];
    int32_t types[N_MAX];
    size_t n;
};

enum { NORMAL = 1, UNKNOWN = 2, CONTROL = 3, BYTE = 6 };

static void add(struct Vocabulary *vocabulary, int32_t type, const char *text) {
    size_t i = vocabulary->n++;
    snprintf(vocabulary->texts[i], sizeof vocabulary->texts[i], "%s", text);
    vocabulary->tokens[i] = vocabulary->texts[i];
    vocabulary->types[i] = type;
}

static void vocabulary_fill(struct Vocabulary *vocabulary) {
    static const char *const control[] = {"<s>", "</s>", "<|user|>", "<|assistant|>", "<|end|>"};
    /* a byte that is no character by itself, one that is, NUL; a quote, a line's end */
    static const char *const bytes[] = {"<0xC3>", "<0x41>", "<0x00>", "<0x22>", "<0x0A>"};
    static const char *const others[] = {"\xE2\x96\x81", "\xC3\xA9", "\xE2\x82\xAC",
                                         "\xF0\x9F\x98\x80", "\\"};

    add(vocabulary, UNKNOWN, "<unk>");
    for (size_t i = 0; i < sizeof control / sizeof *control; i++)
        add(vocabulary, CONTROL, control[i]);
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) add(vocabulary, BYTE, bytes[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) add(vocabulary, NORMAL, others[i]);
    for (char c = 'a'; c <= 'z'; c++) add(vocabulary, NORMAL, (char[]){c, '\0'});
}

static struct GgufWriter *writer_new(const struct FakeModel *model) {
    struct GgufWriter *writer = gguf_writer_new();
    struct Vocabulary vocabulary = {.n = 0};

    vocabulary_fill(&vocabulary);
    gguf_writer_string(writer, "general.architecture", "fake");
    gguf_writer_string(writer, "general.name", "A fake model");
    gguf_writer_u32(writer, "fake.context_length", model->n_ctx ? model->n_ctx : 4096);
    gguf_writer_u32(writer, "fake.end_after", model->end_after);
    gguf_writer_u32(writer, "fake.delay_usec", model->delay_usec);
    gguf_writer_u32(writer, "fake.step_usec", model->step_usec);
    gguf_writer_u32(writer, "fake.window", model->window);
    gguf_writer_u32(writer, "fake.rewind_step", model->rewind_step ? model->rewind_step : 1);
    gguf_writer_string(writer, "tokenizer.ggml.model", "llama");
    gguf_writer_strings(writer, "tokenizer.ggml.tokens", vocabulary.tokens, vocabulary.n);
    gguf_writer_f32s(writer, "tokenizer.ggml.scores", vocabulary.scores, vocabulary.n);
    gguf_writer_i32s(writer, "tokenizer.ggml.token_type", vocabulary.types, vocabulary.n);
    gguf_writer_u32(writer, "tokenizer.ggml.bos_token_id", 1);
    gguf_writer_u32(writer, "tokenizer.ggml.eos_token_id", 2);
    if (!model->no_template) gguf_writer_string(writer, "tokenizer.chat_template", chat_template);
    return writer;
}

int fake_model_open(const struct FakeModel *model) {
    return gguf_writer_finish_fd(writer_new(model));
}

void fake_model_write(const struct FakeModel *model, const char *path) {
    size_t size;
    void *data = gguf_writer_finish(writer_new(model), &size);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0) abort();
    free(data);
}
