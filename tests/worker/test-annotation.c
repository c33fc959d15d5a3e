/* Tokens and their text on the event stream, whatever is held back and however long they are. */
#include "worker/annotation.h"

#include <json-glib/json-glib.h>
#include <string.h>

#include "../engine/gguf-writer.h"
#include "engine/text/tokenizer.h"
#include "test.h"
#include "worker/event.h"

/* Token i has i * 40 bytes; the last ones are control characters, which JSON writes with six. */
enum { N = 60, N_UNPRINTABLE = 20 };

static Tokenizer *make(void) {
    char *texts[N];
    int32_t types[N];
    float scores[N] = {0};
    for (int i = 0; i < N; i++) {
        texts[i] = g_strnfill(i ? (gsize)i * 40 : 1, i < N - N_UNPRINTABLE ? 'x' : '\1');
        texts[i][0] = (char)(' ' + i); /* no two the same */
        types[i] = i ? 1 : 2;
    }
    struct GgufWriter *writer = gguf_writer_new();
    gguf_writer_string(writer, "tokenizer.ggml.model", "llama");
    gguf_writer_strings(writer, "tokenizer.ggml.tokens", (const char *const *)texts, N);
    gguf_writer_f32s(writer, "tokenizer.ggml.scores", scores, N);
    gguf_writer_i32s(writer, "tokenizer.ggml.token_type", types, N);
    size_t size;
    void *data = gguf_writer_finish(writer, &size);
    struct Gguf *file = NULL;
    Tokenizer *tokenizer = NULL;
    Reason why = {0};
    CHECK_INT(gguf_parse(data, size, &file, &why), 0);
    CHECK_INT(tokenizer_new(file, &tokenizer, &why), 0);
    gguf_free(file);
    free(data);
    for (int i = 0; i < N; i++) g_free(texts[i]);
    return tokenizer;
}

/* What the lines say: texts joined; "token@text-so-far(alternatives)" of each token. */
struct Said {
    GString *text, *tokens;
    unsigned n_lines;
};

static unsigned entry_read(struct Said *said, JsonObject *entry, bool *more) {
    static unsigned n_top;
    unsigned n = json_array_get_length(json_object_get_array_member(entry, "top"));
    n_top = *more ? n_top + n : n;
    *more = json_object_has_member(entry, "more");
    if (!*more)
        g_string_append_printf(said->tokens, "%d(%u) ",
                               (int)json_object_get_int_member(entry, "token"), n_top);
    return n;
}

static struct Said read_lines(const GString *lines) {
    struct Said said = {.text = g_string_new(NULL), .tokens = g_string_new(NULL)};
    bool more = false;
    g_auto(GStrv) parts = g_strsplit(lines->str, "\n", -1);
    for (char **part = parts; *part && **part; part++, said.n_lines++) {
        JsonNode *node = json_from_string(*part, NULL);
        CHECK(strlen(*part) + 1 <= EVENT_SIZE_MAX);
        if (!node) {
            test_fail(__FILE__, __LINE__, "no JSON: %s", *part);
            break;
        }
        JsonObject *object = json_node_get_object(node);
        JsonArray *logprobs = json_object_has_member(object, "logprobs")
                                  ? json_object_get_array_member(object, "logprobs")
                                  : NULL;
        if (logprobs) {
            JsonObject *entry = json_array_get_object_element(logprobs, 0);
            CHECK_INT(json_object_get_int_member(object, "token"),
                      json_object_get_int_member(entry, "token"));
            if (!more) g_string_append_printf(said.tokens, "@%zu ", said.text->len);
            entry_read(&said, entry, &more);
        }
        g_string_append(said.text, json_object_get_string_member(object, "text"));
        json_node_unref(node);
    }
    CHECK(!more);
    return said;
}

static void check_said(const GString *lines, const char *text, const char *tokens) {
    struct Said said = read_lines(lines);
    CHECK_STR(said.text->str, text);
    CHECK_STR(said.tokens->str, tokens);
    g_string_free(said.text, TRUE);
    g_string_free(said.tokens, TRUE);
}

static const float FLAT[N];

static void tokens_wait_for_their_text(void) {
    Tokenizer *tokenizer = make();
    REQUIRE(tokenizer);
    Annotations *annotations = annotations_new(tokenizer, 2);
    g_autoptr(GString) lines = g_string_new(NULL);
    annotations_add(annotations, FLAT, N, 1, 0);
    annotations_say(annotations, "ab", 2, lines);
    check_said(lines, "ab", "@0 1(2) ");
    g_string_truncate(lines, 0);
    annotations_say(annotations, "c", 1, lines); /* more of the same token */
    annotations_add(annotations, FLAT, N, 2, 3); /* "" */
    annotations_add(annotations, FLAT, N, 3, 3); /* "de" */
    annotations_add(annotations, FLAT, N, 4, 5); /* "f" */
    annotations_say(annotations, "", 0, lines);
    check_said(lines, "c", "");
    g_string_truncate(lines, 0);
    annotations_say(annotations, "d", 1, lines);
    check_said(lines, "d", "@0 2(2) @0 3(2) ");
    g_string_truncate(lines, 0);
    annotations_say(annotations, "ef", 2, lines);
    check_said(lines, "ef", "@1 4(2) ");
    g_string_truncate(lines, 0);
    annotations_add(annotations, FLAT, N, 5, 6);
    annotations_finish(annotations, lines);
    check_said(lines, "", "@0 5(2) ");
    annotations_add(annotations, FLAT, N, 5, 6); /* never said */
    annotations_free(annotations);
    tokenizer_free(tokenizer);
}

static void long_tokens_take_several_lines(void) {
    Tokenizer *tokenizer = make();
    REQUIRE(tokenizer);
    for (Token token = 0; token < N; token++) {
        float logits[N] = {0};
        for (int i = 0; i < 20; i++) logits[(token + i) % N] = 1;
        Annotations *annotations = annotations_new(tokenizer, 20);
        g_autoptr(GString) lines = g_string_new(NULL);
        g_autofree char *text = g_strnfill((gsize)token * 40 + 1, token % 2 ? 'x' : '\2');
        g_autofree char *expected = g_strdup_printf("%d(20) ", token);
        annotations_add(annotations, logits, N, token, 0);
        annotations_say(annotations, text, strlen(text), lines);
        struct Said said = read_lines(lines);
        CHECK_STR(said.text->str, text);
        CHECK_STR(strchr(said.tokens->str, ' ') + 1, expected);
        g_string_free(said.text, TRUE);
        g_string_free(said.tokens, TRUE);
        annotations_free(annotations);
    }
    tokenizer_free(tokenizer);
}

int main(void) {
    return TEST_MAIN({"tokens wait for their text", tokens_wait_for_their_text},
                     {"long tokens take several lines", long_tokens_take_several_lines});
}
