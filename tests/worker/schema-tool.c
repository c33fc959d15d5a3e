/*
 * A JSON schema's grammar at work, for test-schema.py.
 *
 *     schema-tool grammar < SCHEMA              prints the grammar
 *     schema-tool sample N SEED < SCHEMA        N texts that it allows, at random, each with a NUL
 *     schema-tool match FILE < SCHEMA           y, n or b (a beginning) for each text in FILE,
 * which has a NUL after each
 *
 * Exit status 2: the schema is refused, the reason is on stderr.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/sampling/reader.h"
#include "worker/schema.h"

#define LENGTH_RANDOM 60   /* bytes until it hurries */
#define LENGTH_MAX 200000u /* bytes that no sample needs */

static guint32 seed;

static guint32 random_below(guint32 n) {
    seed = seed * 1664525 + 1013904223;
    return (seed >> 16) % n;
}

static ReaderState step(Reader *reader, ReaderState state, guint8 byte) {
    Reason why = {""};
    ReaderState next;
    if (reader_step(reader, state, byte, &next, &why) < 0) {
        fprintf(stderr, "%s\n", why.text);
        exit(1);
    }
    return next;
}

/* Outside texts brackets close, inside the text itself. */
static int hurry(Reader *reader, ReaderState state, bool in_text) {
    const char *wanted = in_text ? "\"" : "}]\"n:,";
    for (; *wanted; wanted++)
        if (step(reader, state, (guint8)*wanted) != READER_DEAD) return *wanted;
    return -1;
}

static int random_byte(Reader *reader, ReaderState state, guint8 least) {
    int chosen = -1;
    guint32 n = 0;
    for (unsigned byte = least; byte < 256; byte++)
        if (step(reader, state, (guint8)byte) != READER_DEAD && random_below(++n) == 0)
            chosen = (int)byte;
    return chosen;
}

static void sample(Reader *reader, ReaderState state) {
    g_autoptr(GString) text = g_string_new(NULL);
    bool in_text = false, escaped = false;
    while (!reader_is_final(reader, state) && text->len < LENGTH_MAX) {
        bool late = text->len > LENGTH_RANDOM;
        if (reader_accepts(reader, state) && (late || random_below(4) == 0)) break;
        int byte = late || random_below(6) == 0 ? hurry(reader, state, in_text) : -1;
        if (byte < 0) byte = random_byte(reader, state, random_below(8) ? 0x20 : 0);
        if (byte < 0) byte = random_byte(reader, state, 0);
        if (byte < 0) {
            fprintf(stderr, "stuck after %s\n", text->str);
            exit(1);
        }
        if (byte == '"' && !escaped) in_text = !in_text;
        escaped = byte == '\\' && !escaped;
        g_string_append_c(text, (char)byte);
        state = step(reader, state, (guint8)byte);
    }
    if (!reader_accepts(reader, state)) fprintf(stderr, "no end in sight: %.200s\n", text->str);
    fwrite(text->str, 1, text->len + 1, stdout);
}

static char match(Reader *reader, ReaderState state, const char *text) {
    for (const char *c = text; *c && state != READER_DEAD; c++)
        state = step(reader, state, (guint8)*c);
    return state == READER_DEAD ? 'n' : reader_accepts(reader, state) ? 'y' : 'b';
}

static void match_all(Reader *reader, ReaderState state, const char *path) {
    g_autofree char *texts = NULL;
    gsize size;
    if (!g_file_get_contents(path, &texts, &size, NULL)) exit(1);
    for (const char *text = texts; text < texts + size; text += strlen(text) + 1)
        putchar(match(reader, state, text));
    putchar('\n');
}

static GString *read_all(FILE *file) {
    GString *text = g_string_new(NULL);
    char buffer[65536];
    size_t n;
    while ((n = fread(buffer, 1, sizeof buffer, file)) > 0)
        g_string_append_len(text, buffer, (gssize)n);
    return text;
}

int main(int argc, char *argv[]) {
    g_autoptr(GString) schema = read_all(stdin), gbnf = g_string_new(NULL);
    Reason why = {""};
    Grammar *grammar = NULL;
    Reader *reader = NULL;
    ReaderState state;
    int r = schema_to_grammar(schema->str, gbnf, &why);
    if (r == 0) r = grammar_new(gbnf->str, gbnf->len, "root", &grammar, &why);
    if (r < 0) {
        fprintf(stderr, "%s\n", why.text);
        return 2;
    }
    if (reader_new(grammar, NULL, &reader) < 0 || reader_start(reader, &state, &why) < 0) return 1;
    if (argc == 4 && !strcmp(argv[1], "sample")) {
        seed = (guint32)atoi(argv[3]);
        for (int i = 0; i < atoi(argv[2]); i++) sample(reader, state);
    } else if (argc == 3 && !strcmp(argv[1], "match")) {
        match_all(reader, state, argv[2]);
    } else {
        fputs(gbnf->str, stdout);
    }
    reader_free(reader);
    grammar_unref(grammar);
    return 0;
}
