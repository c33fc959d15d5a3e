/*
 * Writes the committed corpora again: small sound files from which fuzzing starts.
 *
 *     make-corpus tests/fuzz/corpus
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../engine/gguf-writer.h"
#include "../engine/tiny-mamba.h"
#include "../engine/tiny-model.h"
#include "../engine/tiny-rwkv.h"
#include "engine/quant.h"

static void save_bytes(const char *directory, const char *name, const void *data, size_t size) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static void save(const char *directory, const char *name, struct GgufWriter *writer) {
    size_t size;
    void *data = gguf_writer_finish(writer, &size);
    save_bytes(directory, name, data, size);
    free(data);
}

/* Models are written to files by their own makers. */
static void save_fd(const char *directory, const char *name, int fd) {
    static char data[1 << 20];
    ssize_t size = pread(fd, data, sizeof data, 0);
    if (size < 0) abort();
    save_bytes(directory, name, data, (size_t)size);
    close(fd);
}

static void save_models(const char *directory) {
    static const struct TinyShape shapes[] = {
        {"llama", 2, 6, 2, 1, 4, 5, 9, 4, 16, .untied = true, .biases = true, .rope_linear = 2},
        {"bitnet", 1, 8, 2, 2, 4, 9, 7, 2, 16},
        {"qwen2", 1, 5, 3, 3, 6, 4, 8, 6, 16, .rope_long = 8},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        char name[64];
        struct TinyModel *model = tiny_model_new(&shapes[i]);
        snprintf(name, sizeof name, "model/%s.gguf", shapes[i].architecture);
        save_fd(directory, name, tiny_model_fd(model));
        tiny_model_free(model);
    }
    save_fd(directory, "model/mamba.gguf",
            tiny_mamba_fd(&(struct TinyMamba){"mamba", 1, 5, 7, 3, 2, 8, 16, .dt_rank = 2}));
    save_fd(directory, "model/mamba2.gguf",
            tiny_mamba_fd(&(struct TinyMamba){"mamba2", 1, 5, 8, 3, 2, 8, 16, 2, 2}));
    save_fd(directory, "model/rwkv6.gguf",
            tiny_rwkv_fd(&(struct TinyRwkv){"rwkv6", 1, 1, 8, 6, 8, 16, {2, 3}, 1}));
    save_fd(directory, "model/rwkv7.gguf",
            tiny_rwkv_fd(&(struct TinyRwkv){"rwkv7", 1, 1, 8, 6, 8, 16, {2, 3, 1, 2}}));
}

static void save_keys(const char *directory) {
    static const char *const WORDS[] = {"one", "", "three"};
    struct GgufWriter *writer = gguf_writer_new();
    gguf_writer_string(writer, "general.architecture", "llama");
    gguf_writer_u32(writer, "general.alignment", 32);
    gguf_writer_strings(writer, "a", WORDS, 3);
    gguf_writer_f32s(writer, "b", (const float[]){1, -2}, 2);
    gguf_writer_bool(writer, "c", true);
    gguf_writer_raw(writer, "d", GGUF_I64, &(int64_t){-1}, 8);
    save(directory, "gguf/keys.gguf", writer);
}

static void save_tensors(const char *directory) {
    static const uint32_t TYPES[] = {QUANT_F32,  QUANT_F16,  QUANT_Q4_0,  QUANT_Q8_0,  QUANT_Q4_K,
                                     QUANT_Q6_K, QUANT_BF16, QUANT_TQ1_0, QUANT_TQ2_0, QUANT_I2_S};
    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++) {
        const struct QuantType *type = quant_type(TYPES[i]);
        uint64_t dims[] = {type->block_elements, 2}, size;
        char name[64];
        struct GgufWriter *writer = gguf_writer_new();
        if (!quant_size(type, dims[0], dims[1], &size)) abort();
        gguf_writer_tensor(writer, "w", type->id, 2, dims, NULL, size);
        gguf_writer_tensor(writer, "v", QUANT_F32, 1, (const uint64_t[]){1}, NULL, 4);
        snprintf(name, sizeof name, "gguf/%s.gguf", type->name);
        save(directory, name, writer);
    }
}

static void save_tokenizers(const char *directory) {
    static const char *const SPM[] = {"<unk>", "<s>", "</s>",    "<0x0A>", "\u2581",  "a",
                                      "b",     "ab",  "\u2581a", "c",      "<|end|>", "<u>"};
    static const int32_t SPM_TYPES[] = {2, 3, 3, 6, 1, 1, 1, 1, 1, 1, 3, 4};
    static const float SCORES[] = {0, 0, 0, 0, -1, -2, -3, -4, -5, -6, 0, 0};
    static const char *const BPE[] = {"a",   "b",       "c",       "\u0120", "\u010a", "ab",
                                      "abc", "\u0120a", "<|end|>", "<u>",    "<"};
    static const int32_t BPE_TYPES[] = {1, 1, 1, 1, 1, 1, 1, 1, 3, 4, 1};
    static const char *const MERGES[] = {"a b", "ab c", "\u0120 a"};
    static const char *const WORLD[] = {"<s>", "a", "b", "ab", "\\n\\n", "\\x20\\'", "[PAD6]"};
    static const int32_t WORLD_TYPES[] = {3, 1, 1, 1, 1, 1, 5};
    static const char *const PRES[] = {"gpt-2", "llama-bpe", "qwen2"};

    struct GgufWriter *writer = gguf_writer_new();
    gguf_writer_string(writer, "tokenizer.ggml.model", "llama");
    gguf_writer_strings(writer, "tokenizer.ggml.tokens", SPM, 12);
    gguf_writer_i32s(writer, "tokenizer.ggml.token_type", SPM_TYPES, 12);
    gguf_writer_f32s(writer, "tokenizer.ggml.scores", SCORES, 12);
    save(directory, "tokenizer/spm.gguf", writer);
    writer = gguf_writer_new();
    gguf_writer_string(writer, "tokenizer.ggml.model", "rwkv");
    gguf_writer_strings(writer, "tokenizer.ggml.tokens", WORLD, 7);
    gguf_writer_i32s(writer, "tokenizer.ggml.token_type", WORLD_TYPES, 7);
    gguf_writer_u32(writer, "tokenizer.ggml.unknown_token_id", 0);
    save(directory, "tokenizer/rwkv.gguf", writer);
    for (size_t i = 0; i < 3; i++) {
        char name[64];
        writer = gguf_writer_new();
        gguf_writer_string(writer, "tokenizer.ggml.model", "gpt2");
        gguf_writer_string(writer, "tokenizer.ggml.pre", PRES[i]);
        gguf_writer_strings(writer, "tokenizer.ggml.tokens", BPE, 11);
        gguf_writer_i32s(writer, "tokenizer.ggml.token_type", BPE_TYPES, 11);
        gguf_writer_strings(writer, "tokenizer.ggml.merges", MERGES, 3);
        gguf_writer_u32(writer, "tokenizer.ggml.bos_token_id", 0);
        snprintf(name, sizeof name, "tokenizer/%s.gguf", PRES[i]);
        save(directory, name, writer);
    }
}

/* Texts for fuzz-tokenizer.c: the first byte chooses the vocabulary. */
static void save_texts(const char *directory) {
    static const char *const TEXTS[] = {
        "Hello, y'all! I'LL take 12345 of these.\r\n\r\n\tif (x) {  y();  }\n   ",
        "\u043f\u0440\u0438\u0432\u0435\u0442 \u4e2d\u6587\u3002\u3000\u304b\u306a "
        "\ud55c\uae00 e\u0301 \u0663\u0664 \u00bd \U0001f469\u200d\U0001f680",
        "aaaaaaaabcabcabc  abc\n\nabcd abc\u20ac hello<user><|end|><|x|><|xx|></s>",
        "bad \xff\xc3(\xe2\x82 \xf0\x9f\x98 \xed\xa0\x80 bytes",
    };
    for (unsigned kind = 0; kind < 24; kind++) {
        const char *text = TEXTS[kind % 4];
        char path[4096];
        snprintf(path, sizeof path, "%s/tokenizer/text-%u", directory, kind);
        FILE *file = fopen(path, "wb");
        if (!file || fputc((int)kind, file) == EOF || fputs(text, file) == EOF ||
            fclose(file) != 0) {
            perror(path);
            exit(1);
        }
    }
}

/* Merges of what is no token, tokens without text, the same twice, a byte by its name, wrong ids.
 */
static void save_odd_bpe(const char *directory) {
    static const char *const TEXTS[] = {"a",      "b",    "",       "ab", "ab",
                                        "<0x63>", "abab", "\u0120", "<u>"};
    static const int32_t TYPES[] = {1, 1, 1, 1, 3, 6, 4, 1, 0};
    static const char *const MERGES[] = {"ab ab", "a b", "b a", "ba ba", "a b", "c c", "cc c"};
    struct GgufWriter *writer = gguf_writer_new();
    gguf_writer_string(writer, "tokenizer.ggml.model", "gpt2");
    gguf_writer_string(writer, "general.name", "phi-3");
    gguf_writer_strings(writer, "tokenizer.ggml.tokens", TEXTS, 9);
    gguf_writer_i32s(writer, "tokenizer.ggml.token_type", TYPES, 9);
    gguf_writer_strings(writer, "tokenizer.ggml.merges", MERGES, 7);
    gguf_writer_u32(writer, "tokenizer.ggml.bos_token_id", 99);
    gguf_writer_u32(writer, "tokenizer.ggml.eos_token_id", 4);
    gguf_writer_bool(writer, "tokenizer.ggml.add_bos_token", true);
    gguf_writer_bool(writer, "tokenizer.ggml.add_eos_token", true);
    save(directory, "tokenizer/odd-bpe.gguf", writer);
    writer = gguf_writer_new();
    gguf_writer_string(writer, "general.architecture", "mamba");
    gguf_writer_string(writer, "tokenizer.ggml.model", "no_vocab");
    gguf_writer_u32(writer, "mamba.vocab_size", 7);
    save(directory, "tokenizer/none.gguf", writer);
}

/* Run it with RYZEN_LLM_CPU=c: that is the tier that fuzz-packed.c opens. */
static void save_packed(const char *directory, const char *name, int source) {
    char path[4096];
    Reason why = {""};
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || engine_pack(source, fd, NULL, NULL, &why) < 0) {
        fprintf(stderr, "%s: %s\n", path, why.text);
        exit(1);
    }
    close(fd);
    close(source);
}

static int tiny_llama(void) {
    const struct TinyShape shape = {"llama", 1, 16, 1, 1, 16, 16, 20, 16, 32, .type = QUANT_F16};
    struct TinyModel *model = tiny_model_new(&shape);
    int fd = tiny_model_fd(model);
    tiny_model_free(model);
    return fd;
}

int main(int argc, char *argv[]) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 1;
    }
    save_keys(argv[1]);
    save_tensors(argv[1]);
    save_tokenizers(argv[1]);
    save_models(argv[1]);
    save_odd_bpe(argv[1]);
    save_texts(argv[1]);
    save_packed(argv[1], "packed/llama.bin", tiny_llama());
    save_packed(argv[1], "packed/fake.bin", fake_model_fd(10, 0, 0, 0));
    return 0;
}
