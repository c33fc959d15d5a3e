/* llama.cpp's own cases on real vocabularies. */
#include <fcntl.h>
#include <unistd.h>

#include "check-tokens.h"

static char *read_file(const char *name) {
    char *path = test_data(name), *text = NULL;
    size_t size = 0, n;
    if (!path) return NULL;
    FILE *file = fopen(path, "rb");
    free(path);
    if (!file) return NULL;
    do {
        text = realloc(text, size + 65537);
        n = fread(text + size, 1, 65536, file);
        size += n;
    } while (n > 0);
    text[size] = '\0';
    fclose(file);
    return text;
}

/* Takes the part before the separator off the text; NULL when there is no more. */
static char *take(char **text, const char *separator) {
    char *part = *text, *end = part ? strstr(part, separator) : NULL;
    if (end) *end = '\0';
    *text = end ? end + strlen(separator) : NULL;
    return part;
}

static void check_case(const Tokenizer *tokenizer, const char *input, char *line) {
    Token expected[1024];
    size_t n = 0, decoded_size;
    for (char *end, *at = line; n < 1024; at = end) {
        long id = strtol(at, &end, 10);
        if (end == at) break;
        expected[n++] = (Token)id;
    }
    check_tokens(tokenizer, input, strlen(input), 0, expected, n);
    char *decoded = NULL;
    CHECK_INT(tokenizer_decode(tokenizer, expected, n, false, &decoded, &decoded_size), 0);
    CHECK_STR(decoded, input);
    free(decoded);
}

static Tokenizer *open_vocabulary(const char *name) {
    char *path = test_data(name);
    if (!path) return NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    free(path);
    struct Gguf *file = NULL;
    Tokenizer *tokenizer = NULL;
    Reason why = {0};
    int r = gguf_open(fd, &file, &why);
    close(fd);
    if (r == 0) r = tokenizer_new(file, &tokenizer, &why);
    if (r < 0) test_fail(__FILE__, __LINE__, "%s: %s", name, why.text);
    gguf_free(file);
    return tokenizer;
}

static void check_vocabulary(const char *vocabulary, const char *cases) {
    char name[128];
    snprintf(name, sizeof name, "vocab/%s.inp", cases);
    char *inputs = read_file(name), *next_input = inputs;
    snprintf(name, sizeof name, "vocab/%s.out", cases);
    char *outputs = read_file(name), *next_output = outputs;
    snprintf(name, sizeof name, "vocab/%s.gguf", vocabulary);
    Tokenizer *tokenizer = open_vocabulary(name);
    int n = 0;
    if (inputs && outputs && tokenizer) {
        for (char *input; (input = take(&next_input, "\n__ggml_vocab_test__\n")); n++) {
            char *output = take(&next_output, "\n");
            check_case(tokenizer, input, output ? output : (char[]){""});
        }
        CHECK_INT(n, 47);
    }
    tokenizer_free(tokenizer);
    free(inputs);
    free(outputs);
}

static void agrees_on_gpt2(void) {
    check_vocabulary("ggml-vocab-gpt-2", "ggml-vocab-gpt-2.gguf");
}

static void agrees_on_llama_spm(void) {
    check_vocabulary("ggml-vocab-llama-spm", "ggml-vocab-llama-spm.gguf");
}

static void agrees_on_llama_bpe(void) {
    check_vocabulary("generated-vocab-llama-bpe", "ggml-vocab-llama-bpe.gguf");
}

static void agrees_on_qwen2(void) {
    check_vocabulary("generated-vocab-qwen2", "ggml-vocab-qwen2.gguf");
}

static void agrees_on_gpt_neox(void) {
    check_vocabulary("generated-vocab-gpt-neox", "generated-vocab-gpt-neox");
}

static void agrees_on_rwkv_world(void) {
    check_vocabulary("generated-vocab-rwkv-world", "generated-vocab-rwkv-world");
}

int main(void) {
    return TEST_MAIN(
        {"agrees on gpt-2", agrees_on_gpt2}, {"agrees on llama-spm", agrees_on_llama_spm},
        {"agrees on llama-bpe", agrees_on_llama_bpe}, {"agrees on qwen2", agrees_on_qwen2},
        {"agrees on gpt-neox", agrees_on_gpt_neox}, {"agrees on rwkv-world", agrees_on_rwkv_world});
}
