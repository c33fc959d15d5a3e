#include "engine/chat/lexer.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "engine/chat/literal.h"
#include "engine/limits.h"
#include "engine/text/unicode.h"

static const char *const OPERATORS[N_OPERATORS] = {
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",  "]",
    "(",  ")",  "{",  "}",  ">",  "<",  "=", ".", ":", "|", ",", ";", "in", "not in"};
#define N_LEXED OPERATOR_IN
/* Brackets that can be open at once. */
#define MAX_OPEN TEMPLATE_MAX_NESTING

struct Lexer {
    struct Arena *arena;
    Reason *why;
    int error;
    const char *source;
    size_t size, at;
    unsigned line;
    size_t counted; /* bytes of which `line` knows */
    bool line_starting;
    struct Lexeme *tokens;
    size_t n, room;
    unsigned n_open;
};

const char *operator_text(enum Operator operator) {
    return OPERATORS[operator];
}

/* ---- Helpers ---- */

static unsigned line_at(struct Lexer *lexer, size_t at) {
    for (; lexer->counted < at; lexer->counted++)
        lexer->line += lexer->source[lexer->counted] == '\n';
    return lexer->line;
}

#define FAIL(lexer, at, ...) (void)((lexer)->error = fail_at(lexer, at, __VA_ARGS__))

static int fail_at(struct Lexer *lexer, size_t at, const char *words, const char *detail) {
    if (lexer->error) return lexer->error;
    return reason_set(lexer->why, EINVAL, "line %u of the chat template: %s%.32s",
                      line_at(lexer, at), words, detail);
}

static bool starts_with(const struct Lexer *lexer, size_t at, const char *words) {
    size_t n = strlen(words);
    return at <= lexer->size && n <= lexer->size - at && memcmp(lexer->source + at, words, n) == 0;
}

static struct Lexeme *lexeme_add(struct Lexer *lexer, enum LexemeKind kind, size_t at) {
    static struct Lexeme nowhere; /* written, never read */
    if (lexer->n == TEMPLATE_MAX_TOKENS && !lexer->error)
        lexer->error = reason_set(lexer->why, EFBIG, "the chat template has more than %u words",
                                  TEMPLATE_MAX_TOKENS);
    if (lexer->n == lexer->room && !lexer->error) {
        size_t room = lexer->room ? 2 * lexer->room : 64;
        struct Lexeme *tokens = arena_grow(lexer->arena, lexer->tokens, lexer->n * sizeof *tokens,
                                           room * sizeof *tokens);
        if (!tokens) lexer->error = lexer->arena->error;
        if (tokens) lexer->tokens = tokens;
        lexer->room = room;
    }
    if (lexer->error) return &nowhere;
    struct Lexeme *token = &lexer->tokens[lexer->n++];
    *token = (struct Lexeme){.kind = kind, .line = line_at(lexer, at)};
    return token;
}

static size_t space_size(const struct Lexer *lexer, size_t at) {
    uint32_t c;
    unsigned n = utf8_decode(lexer->source + at, lexer->size - at, &c);
    return character_is_space(c) ? n : 0;
}

static size_t skip_space(const struct Lexer *lexer, size_t at) {
    size_t n;
    while (at < lexer->size && (n = space_size(lexer, at)) > 0) at += n;
    return at;
}

/* Where the text would end without the white space at its end. */
static size_t trim_end(const struct Lexer *lexer, size_t from, size_t end) {
    size_t kept = from;
    for (size_t at = from; at < end;) {
        size_t n = space_size(lexer, at);
        uint32_t c;
        if (n == 0) {
            n = utf8_decode(lexer->source + at, end - at, &c);
            kept = at + n;
        }
        at += n;
    }
    return kept;
}

/* ---- Text ---- */

static void add_text(struct Lexer *lexer, size_t from, size_t end) {
    if (end <= from) return;
    struct Lexeme *token = lexeme_add(lexer, LEXEME_TEXT, from);
    token->value = value_text(text_borrow(lexer->arena, lexer->source + from, end - from, true));
}

/* lstrip_blocks: what stands between the start of the line and a block goes if it is white. */
static size_t strip_line(const struct Lexer *lexer, size_t from, size_t end) {
    const char *newline = memrchr(lexer->source + from, '\n', end - from);
    if (!newline && !lexer->line_starting) return end;
    size_t start = newline ? (size_t)(newline + 1 - lexer->source) : from;
    return trim_end(lexer, start, end) == start ? start : end;
}

/* Text from `from` to the delimiter at `end`, whose sign decides over the white space before it. */
static void add_text_before(struct Lexer *lexer, size_t from, size_t end, char sign, bool block) {
    if (sign == '-')
        end = trim_end(lexer, from, end);
    else if (sign != '+' && block)
        end = strip_line(lexer, from, end);
    add_text(lexer, from, end);
}

/* At the sign or the end of a closing delimiter: its whole size with the white space that it takes
 * along, or 0. */
static size_t close_size(const struct Lexer *lexer, size_t at, const char *words, bool block) {
    size_t start = at;
    if (starts_with(lexer, at, "-") && starts_with(lexer, at + 1, words))
        return skip_space(lexer, at + 1 + strlen(words)) - start;
    if (block && starts_with(lexer, at, "+") && starts_with(lexer, at + 1, words))
        return 1 + strlen(words);
    if (!starts_with(lexer, at, words)) return 0;
    at += strlen(words);
    if (block && starts_with(lexer, at, "\n")) at++; /* trim_blocks */
    return at - start;
}

static void pass(struct Lexer *lexer, size_t to) {
    lexer->at = to;
    lexer->line_starting = to > 0 && lexer->source[to - 1] == '\n';
}

static void lex_comment(struct Lexer *lexer, size_t start) {
    for (size_t at = lexer->at; at < lexer->size; at++) {
        size_t size = close_size(lexer, at, "#}", true);
        if (size == 0) continue;
        pass(lexer, at + size);
        return;
    }
    FAIL(lexer, start, "a comment does not end", "");
}

/* After `{%` and its sign: the size of `raw %}`, or 0. */
static size_t raw_size(const struct Lexer *lexer, size_t at) {
    size_t start = at;
    at = skip_space(lexer, at);
    if (!starts_with(lexer, at, "raw")) return 0;
    at = skip_space(lexer, at + 3);
    if (starts_with(lexer, at, "-%}")) return skip_space(lexer, at + 3) - start;
    return starts_with(lexer, at, "%}") ? at + 2 - start : 0;
}

static void lex_raw(struct Lexer *lexer, size_t start) {
    size_t from = lexer->at;
    for (size_t at = from; at < lexer->size; at++) {
        if (!starts_with(lexer, at, "{%")) continue;
        char sign = at + 2 < lexer->size ? lexer->source[at + 2] : '\0';
        size_t name = skip_space(lexer, at + 2 + (sign == '-' || sign == '+'));
        if (!starts_with(lexer, name, "endraw")) continue;
        size_t close = skip_space(lexer, name + 6), size = close_size(lexer, close, "%}", true);
        if (size == 0) continue;
        add_text_before(lexer, from, at, sign, true);
        pass(lexer, close + size);
        return;
    }
    FAIL(lexer, start, "{% raw %} does not end", "");
}

/* ---- Expressions ---- */

static bool is_name_start(char c) {
    return isalpha((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static size_t name_size(const struct Lexer *lexer, size_t at) {
    size_t start = at;
    while (at < lexer->size &&
           (is_name_start(lexer->source[at]) || isdigit((unsigned char)lexer->source[at])))
        at++;
    return at - start;
}

static void lex_name(struct Lexer *lexer) {
    size_t n = name_size(lexer, lexer->at);
    struct Lexeme *token = lexeme_add(lexer, LEXEME_NAME, lexer->at);
    token->value = value_text(text_borrow(lexer->arena, lexer->source + lexer->at, n, true));
    lexer->at += n;
}

static void lex_literal(struct Lexer *lexer) {
    const char *words = NULL;
    size_t start = lexer->at, rest = lexer->size - start;
    bool after_dot = start > 0 && lexer->source[start - 1] == '.';
    Value value;
    size_t n = literal_read(lexer->arena, lexer->source + start, rest, after_dot, &value, &words);
    if (n == 0) {
        FAIL(lexer, start, words, "");
        return;
    }
    lexeme_add(lexer, LEXEME_LITERAL, start)->value = value;
    lexer->at += n;
}

static void count_brackets(struct Lexer *lexer, enum Operator operator) {
    bool opens = operator== OPERATOR_OPEN_BRACE || operator== OPERATOR_OPEN_BRACKET || operator==
        OPERATOR_OPEN_PAREN;
    bool closes = operator== OPERATOR_CLOSE_BRACE || operator== OPERATOR_CLOSE_BRACKET || operator==
        OPERATOR_CLOSE_PAREN;
    if (closes && lexer->n_open == 0)
        FAIL(lexer, lexer->at, "unexpected ", operator_text(operator));
    if (opens && lexer->n_open == MAX_OPEN) FAIL(lexer, lexer->at, "too many open brackets", "");
    lexer->n_open += opens;
    lexer->n_open -= closes;
}

static void lex_operator(struct Lexer *lexer) {
    for (unsigned i = 0; i < N_LEXED; i++) {
        if (!starts_with(lexer, lexer->at, OPERATORS[i])) continue;
        count_brackets(lexer, i);
        lexeme_add(lexer, LEXEME_OPERATOR, lexer->at)->operator= i;
        lexer->at += strlen(OPERATORS[i]);
        return;
    }
    char shown[2] = {lexer->source[lexer->at], '\0'};
    FAIL(lexer, lexer->at, "unexpected character ", shown);
}

static void lex_word(struct Lexer *lexer) {
    char c = lexer->source[lexer->at];
    if (is_name_start(c))
        lex_name(lexer);
    else if (isdigit((unsigned char)c) || c == '\'' || c == '"')
        lex_literal(lexer);
    else
        lex_operator(lexer);
}

/* From behind the opening delimiter to behind the closing one. */
static void lex_tag(struct Lexer *lexer, size_t start, bool block) {
    const char *close = block ? "%}" : "}}";
    lexeme_add(lexer, block ? LEXEME_BLOCK_BEGIN : LEXEME_OUTPUT_BEGIN, start);
    lexer->n_open = 0;
    while (!lexer->error) {
        lexer->at = skip_space(lexer, lexer->at);
        if (lexer->at >= lexer->size) {
            FAIL(lexer, start, block ? "{% does not end" : "{{ does not end", "");
            return;
        }
        size_t size = lexer->n_open ? 0 : close_size(lexer, lexer->at, close, block);
        if (size > 0) {
            lexeme_add(lexer, block ? LEXEME_BLOCK_END : LEXEME_OUTPUT_END, lexer->at);
            pass(lexer, lexer->at + size);
            return;
        }
        lex_word(lexer);
    }
}

/* ---- The whole ---- */

static size_t find_open(const struct Lexer *lexer) {
    for (size_t at = lexer->at; at + 1 < lexer->size; at++) {
        const char *brace = memchr(lexer->source + at, '{', lexer->size - 1 - at);
        if (!brace) break;
        at = (size_t)(brace - lexer->source);
        if (brace[1] && strchr("{%#", brace[1])) return at;
    }
    return lexer->size;
}

/* Text up to the next tag, and that tag. */
static void lex_next(struct Lexer *lexer) {
    size_t from = lexer->at, open = find_open(lexer);
    if (open == lexer->size) {
        add_text(lexer, from, open);
        lexer->at = open;
        return;
    }
    char kind = lexer->source[open + 1];
    char sign = open + 2 < lexer->size ? lexer->source[open + 2] : '\0';
    add_text_before(lexer, from, open, sign, kind != '{');
    lexer->at = open + 2 + (sign == '-' || sign == '+');
    size_t raw = kind == '%' ? raw_size(lexer, lexer->at) : 0;
    if (raw > 0) {
        pass(lexer, lexer->at + raw);
        lex_raw(lexer, open);
    } else if (kind == '#') {
        lex_comment(lexer, open);
    } else {
        lex_tag(lexer, open, kind == '%');
    }
}

/* Newlines of all kinds become \n, and one at the very end goes. */
static void normalise(struct Lexer *lexer, const char *source, size_t size) {
    char *copy = arena_alloc(lexer->arena, size + 1);
    size_t n = 0;
    for (size_t i = 0; copy && i < size; i++) {
        if (source[i] == '\r' && i + 1 < size && source[i + 1] == '\n') continue;
        copy[n++] = source[i] == '\r' ? '\n' : source[i];
    }
    if (n > 0 && copy[n - 1] == '\n') n--;
    lexer->source = copy;
    lexer->size = n;
    if (!copy) lexer->error = lexer->arena->error;
}

int lexer_run(struct Arena *arena, const char *source, size_t size, struct Lexeme **ret,
              Reason *why) {
    struct Lexer lexer = {.arena = arena, .why = why, .line = 1, .line_starting = true};
    normalise(&lexer, source, size);
    while (!lexer.error && lexer.at < lexer.size) lex_next(&lexer);
    if (!lexer.error) lexeme_add(&lexer, LEXEME_END, lexer.size);
    if (arena->error == -ENOMEM) return reason_set(why, ENOMEM, "out of memory");
    if (arena->error) return reason_set(why, EFBIG, "the chat template is too large");
    if (lexer.error) return lexer.error;
    *ret = lexer.tokens;
    return 0;
}
