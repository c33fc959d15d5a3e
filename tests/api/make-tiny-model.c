/*
 * Writes a small llama with F16 matrices for tests in other languages: PATH, or with N_PARTS the
 * files STEM-0000I-of-0000N.gguf, PATH being STEM.gguf.
 *
 * Usage: make-tiny-model PATH [N_PARTS [N_VOCAB]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../engine/split-model.h"
#include "../engine/tiny-model.h"
#include "engine/quant.h"

static void copy_to(int fd, const char *path) {
    off_t size = lseek(fd, 0, SEEK_END);
    char *bytes = malloc((size_t)size);
    FILE *file = fopen(path, "wb");
    if (!bytes || !file || pread(fd, bytes, (size_t)size, 0) != size ||
        fwrite(bytes, 1, (size_t)size, file) != (size_t)size || fclose(file) != 0)
        abort();
    free(bytes);
    close(fd);
}

static void parts_write(int fd, const char *path, uint32_t n_parts) {
    struct Gguf *file;
    char part[4096];
    if (gguf_open(fd, &file, NULL) != 0) abort();
    for (uint32_t i = 0; i < n_parts; i++) {
        snprintf(part, sizeof part, "%.*s-%05u-of-%05u.gguf", (int)(strlen(path) - strlen(".gguf")),
                 path, i + 1, n_parts);
        copy_to(split_model_fd(file, i, n_parts, (struct SplitLie){0}), part);
    }
    gguf_free(file);
    close(fd);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "Usage: %s PATH [N_PARTS [N_VOCAB]]\n", argv[0]);
        return 64;
    }
    const struct TinyShape shape = {
        .architecture = "llama",
        .n_layers = 2,
        .n_embd = 64,
        .n_heads = 4,
        .n_kv_heads = 2,
        .head_size = 16,
        .n_ff = 128,
        .n_vocab = argc > 3 ? (uint32_t)atoi(argv[3]) : 64,
        .n_rot = 16,
        .n_ctx = 256,
        .type = QUANT_F16,
    };
    struct TinyModel *model = tiny_model_new(&shape);
    uint32_t n_parts = argc > 2 ? (uint32_t)atoi(argv[2]) : 1;
    if (n_parts > 1)
        parts_write(tiny_model_fd(model), argv[1], n_parts);
    else
        copy_to(tiny_model_fd(model), argv[1]);
    tiny_model_free(model);
    return 0;
}
