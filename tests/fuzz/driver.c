/*
 * Runs a libFuzzer target over files, without libFuzzer: the corpus as a normal test, with any
 * compiler. Each file also goes in cut short and with a byte changed here and there.
 *
 *     fuzz-gguf-corpus DIRECTORY
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_SIZE (1 << 20)
#define N_CUTS 32
#define N_CHANGES 256

/* In a block of exactly this size, for the sanitizers. */
static void feed(const uint8_t *data, size_t size) {
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy) abort();
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void feed_variants(uint8_t *data, size_t size) {
    uint32_t random = 1;
    feed(data, size);
    for (size_t i = 0; i < N_CUTS; i++) feed(data, size * i / N_CUTS);
    for (size_t i = 0; size > 0 && i < N_CHANGES; i++) {
        random = random * 1664525 + 1013904223;
        size_t at = (random >> 8) % size;
        uint8_t old = data[at];
        data[at] = (uint8_t)random ^ (uint8_t)(random >> 24);
        feed(data, size);
        data[at] = old;
    }
}

static size_t read_file(const char *directory, const char *name, uint8_t *ret) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    if (!file) return 0;
    size_t size = fread(ret, 1, MAX_SIZE, file);
    fclose(file);
    return size;
}

int main(int argc, char *argv[]) {
    DIR *directory = argc == 2 ? opendir(argv[1]) : NULL;
    uint8_t *data = malloc(MAX_SIZE);
    unsigned n = 0;
    if (!directory || !data) {
        fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
        return 1;
    }
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (entry->d_name[0] == '.') continue;
        feed_variants(data, read_file(argv[1], entry->d_name, data));
        printf("ok %u - %s\n", ++n, entry->d_name);
    }
    printf("1..%u\n", n);
    closedir(directory);
    free(data);
    return n > 0 ? 0 : 1;
}
