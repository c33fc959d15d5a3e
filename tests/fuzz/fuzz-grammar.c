/* A grammar in GBNF, and texts under it: what follows the first NUL. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/sampling/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Forgets what it can from time to time: the state must be the same after that. */
static void read_all(Reader *reader, const uint8_t *data, size_t size) {
    ReaderState state, next = READER_DEAD;
    Reason why;
    if (reader_start(reader, &state, &why) < 0) return;
    for (size_t i = 0; i < size; i++) {
        reader_rest(reader);
        if (reader_step(reader, state, data[i], &next, &why) < 0) return;
        if (next != READER_DEAD) state = next;
        if (reader_is_final(reader, state) && !reader_accepts(reader, state)) abort();
        if (i % 16 != 15) continue;
        bool accepts = reader_accepts(reader, state);
        ReaderState other = state, *const roots[] = {&state, &other};
        if (reader_collect(reader, roots, 2) < 0) return;
        if (state != other || accepts != reader_accepts(reader, state)) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const Token tokens[4096];
    const char *text = size ? (const char *)data : "";
    size_t n = size ? strnlen(text, size) : 0;
    Grammar *grammar = NULL;
    Reader *reader = NULL;
    Reason why = {""};
    if (grammar_new(text, n, "root", &grammar, &why) < 0) {
        if (!why.text[0]) abort();
        return 0;
    }
    static const char own[] =
        "{\"a\": [1, -2.5e3, true], \"b\": \"\\u00e9\xc3\xa9\"} 1. e4 e5\n aabb";
    if (reader_new(grammar, tokens, &reader) == 0) {
        if (n < size) read_all(reader, data + n + 1, size - n - 1);
        read_all(reader, (const uint8_t *)own, sizeof own - 1);
    }
    reader_free(reader);
    grammar_unref(grammar);
    return 0;
}
