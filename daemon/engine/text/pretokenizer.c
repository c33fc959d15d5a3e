#include "engine/text/pretokenizer.h"

#include <string.h>

#include "engine/text/unicode.h"

/* A place in the text. At the end the character is UTF8_INVALID and its size 0. */
struct Cursor {
    const char *text;
    size_t size, at;
    uint32_t character;
    enum UnicodeClass class;
    unsigned width; /* of the character, in bytes */
};

static void look(struct Cursor *cursor) {
    cursor->character = UTF8_INVALID;
    cursor->width = 0;
    if (cursor->at < cursor->size)
        cursor->width =
            utf8_decode(cursor->text + cursor->at, cursor->size - cursor->at, &cursor->character);
    cursor->class = unicode_class(cursor->character);
}

static struct Cursor cursor_at(const char *text, size_t size, size_t at) {
    struct Cursor cursor = {.text = text, .size = size, .at = at};
    look(&cursor);
    return cursor;
}

static bool at_end(const struct Cursor *cursor) {
    return cursor->width == 0;
}

static void step(struct Cursor *cursor) {
    cursor->at += cursor->width;
    look(cursor);
}

static bool is_newline(const struct Cursor *cursor) {
    return cursor->character == '\r' || cursor->character == '\n';
}

/* Over at most `most` characters of a class. */
static void skip(struct Cursor *cursor, enum UnicodeClass class, size_t most) {
    for (; most > 0 && !at_end(cursor) && cursor->class == class; most--) step(cursor);
}

/* 's 't 're 've 'm 'll 'd at the cursor: the size, or 0. Lower case, or (`fold`) any case. */
static size_t contraction(const struct Cursor *cursor, bool fold) {
    static const char *const ENDINGS[] = {"s", "t", "re", "ve", "m", "ll", "d"};
    const char *text = cursor->text + cursor->at;
    size_t left = cursor->size - cursor->at;
    if (left < 2 || text[0] != '\'') return 0;
    for (size_t i = 0; i < sizeof ENDINGS / sizeof ENDINGS[0]; i++) {
        size_t n = strlen(ENDINGS[i]);
        if (left <= n) continue;
        if ((fold ? strncasecmp : strncmp)(text + 1, ENDINGS[i], n) == 0) return n + 1;
    }
    return 0;
}

/* \s+(?!\S)|\s+ at white space: a run gives up its last character to what follows it. */
static size_t spaces(struct Cursor cursor) {
    size_t last = cursor.at;
    while (cursor.class == UNICODE_SPACE) {
        last = cursor.at;
        step(&cursor);
    }
    return at_end(&cursor) || last == 0 ? cursor.at : last;
}

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
static size_t gpt2_piece(const char *text, size_t size) {
    struct Cursor start = cursor_at(text, size, 0), cursor = start;
    size_t n = contraction(&cursor, false);
    if (n > 0) return n;
    if (cursor.character == ' ') step(&cursor);
    if (at_end(&cursor) || cursor.class == UNICODE_SPACE) return spaces(start);
    skip(&cursor, cursor.class, SIZE_MAX);
    return cursor.at;
}

/* \s*[\r\n]+|\s+(?!\S)|\s+ at white space: up to the last newline of the run, if it has one. */
static size_t lines(struct Cursor cursor) {
    struct Cursor start = cursor;
    size_t end = 0;
    while (cursor.class == UNICODE_SPACE) {
        bool newline = is_newline(&cursor);
        step(&cursor);
        if (newline) end = cursor.at;
    }
    return end > 0 ? end : spaces(start);
}

/* (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,most_digits}|
 * ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
static size_t llama3_piece(const char *text, size_t size, size_t most_digits) {
    struct Cursor start = cursor_at(text, size, 0), cursor = start;
    size_t n = contraction(&cursor, true);
    if (n > 0) return n;
    if (cursor.class == UNICODE_NUMBER) {
        skip(&cursor, UNICODE_NUMBER, most_digits);
        return cursor.at;
    }
    if (cursor.class != UNICODE_LETTER && !is_newline(&cursor)) step(&cursor);
    if (cursor.class == UNICODE_LETTER) {
        skip(&cursor, UNICODE_LETTER, SIZE_MAX);
        return cursor.at;
    }
    cursor = start;
    if (cursor.character == ' ') step(&cursor);
    if (at_end(&cursor) || cursor.class != UNICODE_OTHER) return lines(start);
    skip(&cursor, UNICODE_OTHER, SIZE_MAX);
    while (is_newline(&cursor)) step(&cursor);
    return cursor.at;
}

static size_t llama_bpe_piece(const char *text, size_t size) {
    return llama3_piece(text, size, 3);
}

static size_t qwen2_piece(const char *text, size_t size) {
    return llama3_piece(text, size, 1);
}

static const struct Pretokenizer PRETOKENIZERS[] = {
    {"llama-bpe", llama_bpe_piece, true, true},
    {"gpt-2", gpt2_piece, false, false},
    {"qwen2", qwen2_piece, false, false},
};

static const struct {
    const char *name, *row;
} ALIASES[] = {
    {"llama3", "llama-bpe"},
    {"llama-v3", "llama-bpe"},
    {"falcon3", "llama-bpe"},
    {"falcon-h1", "llama-bpe"},
    {"pixtral", "llama-bpe"},
    {"midm-2.0", "llama-bpe"},
    {"lfm2", "llama-bpe"},
    {"phi-2", "gpt-2"},
    {"mpt", "gpt-2"},
    {"olmo", "gpt-2"},
    {"jais", "gpt-2"},
    {"gpt-neox", "gpt-2"},
    {"deepseek-r1-qwen", "qwen2"},
    {"stablelm2", "qwen2"},
};

const struct Pretokenizer *pretokenizer_find(const char *name) {
    for (size_t i = 0; i < sizeof ALIASES / sizeof ALIASES[0]; i++)
        if (strcmp(ALIASES[i].name, name) == 0) name = ALIASES[i].row;
    for (size_t i = 0; i < sizeof PRETOKENIZERS / sizeof PRETOKENIZERS[0]; i++)
        if (strcmp(PRETOKENIZERS[i].name, name) == 0) return &PRETOKENIZERS[i];
    return NULL;
}
