/*
 * Cuts texts as a pre-tokenizer does, for pretokenizer.py.
 *
 *     pieces NAME < TEXTS
 *
 * TEXTS is each text's size (32 bits, of this machine) and its bytes. A line for each text: the
 * sizes of its pieces.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/text/pretokenizer.h"

static int print_size(void *userdata, const char *text, size_t size) {
    printf("%zu ", size);
    return 0;
}

int main(int argc, char *argv[]) {
    struct Pretokenizer *pretokenizer;
    uint32_t size;
    if (argc != 2 || pretokenizer_new(argv[1], &pretokenizer) < 0) {
        fprintf(stderr, "usage: %s PRE-TOKENIZER\n", argv[0]);
        return 1;
    }
    while (fread(&size, sizeof size, 1, stdin) == 1) {
        char *text = malloc(size + 1);
        if (!text || fread(text, 1, size, stdin) != size) return 1;
        if (pretokenizer_run(pretokenizer, text, size, print_size, NULL) < 0) return 1;
        printf("\n");
        free(text);
    }
    pretokenizer_free(pretokenizer);
    return 0;
}
