/* Events of single tokens. */
#include <string.h>

#include "engine/text/tokenizer.h"
#include "worker/event.h"

#define HEAD "{\"type\":\"delta\",\"text\":"
#define TAIL "]}]}\n"
#define MORE ",\"more\":true"
/* Text and bytes of one token are left out past this: three of them always fit into a line. */
#define CHOICE_SIZE_MAX 1200u

static void bytes_append(GString *out, const char *piece, gsize size) {
    g_string_append(out, ",\"bytes\":[");
    for (gsize i = 0; i < size; i++)
        g_string_append_printf(out, "%s%u", i ? "," : "", (guint)(guchar)piece[i]);
    g_string_append_c(out, ']');
}

/* The members that a token and its alternatives have. */
static void choice_append(GString *out, const Tokenizer *tokenizer,
                          const struct TokenLogprob *choice) {
    const char *piece = "";
    gsize start = out->len, size = tokenizer_piece(tokenizer, choice->token, true, &piece);
    bool whole = g_utf8_validate_len(piece, size, NULL); /* not with a NUL */
    g_autofree char *valid = g_utf8_make_valid(piece, (gssize)size);

    g_string_append_printf(out, "\"token\":%d,\"logprob\":%.6f", choice->token, choice->logprob);
    gsize without = out->len;
    g_string_append(out, ",\"text\":");
    event_append_text(out, valid, strlen(valid));
    if (!whole) bytes_append(out, piece, size);
    if (out->len - start > CHOICE_SIZE_MAX) g_string_truncate(out, without);
}

static void line_begin(GString *lines, const GString *text, const GString *choice, Token token) {
    g_string_append_printf(lines, HEAD "%s,\"token\":%d,\"logprobs\":[{%s,\"top\":[", text->str,
                           token, choice->str);
}

/* Alternatives that do not fit into a line go on in the next one. */
static void top_append(GString *lines, gsize begin, const struct Logprobs *logprobs,
                       const Tokenizer *tokenizer) {
    g_autoptr(GString) choice = g_string_new(NULL), rest = g_string_new(NULL),
                       nothing = g_string_new("\"\"");
    g_string_printf(rest, "\"token\":%d", logprobs->chosen.token);
    bool first = true;
    for (unsigned i = 0; i < logprobs->n_top; i++, first = false) {
        g_string_assign(choice, "{");
        choice_append(choice, tokenizer, &logprobs->top[i]);
        g_string_append_c(choice, '}');
        if (lines->len - begin + 1 + choice->len + strlen("]" MORE "}]}\n") > EVENT_SIZE_MAX) {
            g_string_append(lines, "]" MORE "}]}\n");
            begin = lines->len;
            line_begin(lines, nothing, rest, logprobs->chosen.token);
            first = true;
        }
        if (!first) g_string_append_c(lines, ',');
        g_string_append_len(lines, choice->str, (gssize)choice->len);
    }
    g_string_append(lines, TAIL);
}

void event_token(GString *lines, const char *text, gsize size, const Tokenizer *tokenizer,
                 const struct Logprobs *logprobs) {
    g_autoptr(GString) escaped = g_string_new(NULL), choice = g_string_new(NULL);
    event_append_text(escaped, text, size);
    if (escaped->len > CHOICE_SIZE_MAX) { /* a line for itself */
        event_delta(lines, text, size);
        g_string_assign(escaped, "\"\"");
    }
    choice_append(choice, tokenizer, &logprobs->chosen);
    gsize begin = lines->len;
    line_begin(lines, escaped, choice, logprobs->chosen.token);
    top_append(lines, begin, logprobs, tokenizer);
}
