#include "engine/sampling/grammar-parse.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/limits.h"
#include "engine/text/unicode.h"
#include "engine/text/vocabulary.h"

#define NO_RULE UINT32_MAX
/* A repeated item of more instructions than this becomes a rule of its own: its copies are calls.
 */
#define REPEATED_INLINE 2

struct Parser {
    const char *at, *end, *start;
    struct ParsedGrammar *grammar;
    uint32_t rule; /* the one being read */
    unsigned nesting;
    Reason *why;
};

/* ---- Mistakes ---- */

static void place_of(const struct Parser *parser, const char *at, unsigned *ret_line,
                     unsigned *ret_column) {
    unsigned line = 1, column = 1;
    for (const char *p = parser->start; p < at; p++) {
        if (*p == '\n') {
            line++;
            column = 1;
        } else if ((*p & 0xc0) != 0x80) {
            column++; /* characters, not bytes */
        }
    }
    *ret_line = line;
    *ret_column = column;
}

static int fail_at(struct Parser *parser, const char *at, int error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static int fail_at(struct Parser *parser, const char *at, int error, const char *format, ...) {
    char text[sizeof parser->why->text - 40];
    unsigned line, column;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    place_of(parser, at, &line, &column);
    return reason_set(parser->why, error, "line %u, column %u: %s", line, column, text);
}

/* Of the rule being read; rules move when one is added. */
static struct Code *code(struct Parser *parser) {
    return &parser->grammar->rules[parser->rule].code;
}

#define fail(parser, ...) fail_at(parser, (parser)->at, EINVAL, __VA_ARGS__)

/* What the code or the characters ran into has no place yet. */
static int fail_here(struct Parser *parser, int r) {
    Reason inner = *parser->why;
    return r == -ENOMEM ? r : fail_at(parser, parser->at, -r, "%s", inner.text);
}

static int fail_memory(struct Parser *parser) {
    return reason_set(parser->why, ENOMEM, "out of memory");
}

/* ---- Rules by name ---- */

static uint32_t *slot_find(const struct ParsedGrammar *grammar, const char *name, size_t size) {
    uint32_t mask = grammar->index_size - 1;
    for (uint32_t i = (uint32_t)token_hash(name, size) & mask;; i = (i + 1) & mask) {
        const struct ParsedRule *rule =
            grammar->index[i] ? &grammar->rules[grammar->index[i] - 1] : NULL;
        if (!rule || (strlen(rule->name) == size && !memcmp(rule->name, name, size)))
            return &grammar->index[i];
    }
}

uint32_t parsed_grammar_find(const struct ParsedGrammar *grammar, const char *name, size_t size) {
    uint32_t rule = grammar->index_size ? *slot_find(grammar, name, size) : 0;
    return rule ? rule - 1 : NO_RULE;
}

static int index_grow(struct ParsedGrammar *grammar) {
    uint32_t *old = grammar->index, size = grammar->index_size ? 4 * grammar->index_size : 64;
    grammar->index = calloc(size, sizeof *grammar->index);
    if (!grammar->index) {
        grammar->index = old;
        return -ENOMEM;
    }
    grammar->index_size = size;
    for (uint32_t i = 0; i < grammar->n_rules; i++) {
        const char *name = grammar->rules[i].name;
        if (name) *slot_find(grammar, name, strlen(name)) = i + 1;
    }
    free(old);
    return 0;
}

/* `name` may be NULL. */
static int rule_add(struct Parser *parser, const char *name, size_t size, uint32_t *ret) {
    struct ParsedGrammar *grammar = parser->grammar;
    if (grammar->n_rules == GRAMMAR_MAX_RULES)
        return fail_at(parser, parser->at, E2BIG, "more than %u rules", GRAMMAR_MAX_RULES);
    if (grammar->n_rules == grammar->rules_room) {
        uint32_t room = grammar->rules_room ? 2 * grammar->rules_room : 32;
        struct ParsedRule *grown = realloc(grammar->rules, room * sizeof *grown);
        if (!grown) return fail_memory(parser);
        grammar->rules = grown;
        grammar->rules_room = room;
    }
    if (2 * grammar->n_rules >= grammar->index_size && index_grow(grammar) < 0)
        return fail_memory(parser);
    struct ParsedRule rule = {.name = name ? strndup(name, size) : NULL,
                              .code.budget = &grammar->budget};
    if (name && !rule.name) return fail_memory(parser);
    if (name) place_of(parser, name, &rule.line, &rule.column);
    grammar->rules[grammar->n_rules] = rule;
    *ret = grammar->n_rules++;
    if (name) *slot_find(grammar, name, size) = grammar->n_rules;
    return 0;
}

static int rule_get(struct Parser *parser, const char *name, size_t size, uint32_t *ret) {
    if (size > GRAMMAR_MAX_NAME_SIZE)
        return fail_at(parser, name, E2BIG, "a rule's name has more than %u bytes",
                       GRAMMAR_MAX_NAME_SIZE);
    *ret = parsed_grammar_find(parser->grammar, name, size);
    return *ret == NO_RULE ? rule_add(parser, name, size, ret) : 0;
}

/* ---- Characters ---- */

static bool is_at(const struct Parser *parser, char c) {
    return parser->at < parser->end && *parser->at == c;
}

static bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

static size_t name_size(const struct Parser *parser) {
    size_t n = 0;
    while (parser->at + n < parser->end && is_name_char(parser->at[n])) n++;
    return n;
}

/* Blanks and comments, and line ends where they mean nothing. */
static void space_skip(struct Parser *parser, bool lines) {
    for (; parser->at < parser->end; parser->at++) {
        if (*parser->at == '#') {
            while (parser->at < parser->end && *parser->at != '\n' && *parser->at != '\r')
                parser->at++;
            if (parser->at == parser->end) return;
        }
        bool is_line_end = *parser->at == '\n' || *parser->at == '\r';
        if (is_line_end ? !lines : *parser->at != ' ' && *parser->at != '\t') return;
    }
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* After \x, \u or \U. */
static int hex_read(struct Parser *parser, unsigned n_digits, uint32_t *ret) {
    uint64_t value = 0;
    for (unsigned i = 0; i < n_digits; i++, parser->at++) {
        int digit = parser->at < parser->end ? hex_value(*parser->at) : -1;
        if (digit < 0) return fail(parser, "an escape needs %u hexadecimal digits", n_digits);
        value = value << 4 | (unsigned)digit;
    }
    if (value > CODE_POINT_MAX) return fail(parser, "there is no character above U+10FFFF");
    *ret = (uint32_t)value;
    return 0;
}

static int escape_read(struct Parser *parser, uint32_t *ret) {
    static const struct {
        char letter, meaning;
        unsigned n_digits;
    } ESCAPES[] = {{'n', '\n', 0},  {'t', '\t', 0}, {'r', '\r', 0}, {'"', '"', 0},
                   {'\\', '\\', 0}, {'[', '[', 0},  {']', ']', 0},  {'-', '-', 0},
                   {'x', 0, 2},     {'u', 0, 4},    {'U', 0, 8}};
    if (++parser->at == parser->end) return fail(parser, "the grammar ends in an escape");
    for (size_t i = 0; i < sizeof ESCAPES / sizeof *ESCAPES; i++) {
        if (ESCAPES[i].letter != *parser->at) continue;
        parser->at++;
        if (ESCAPES[i].n_digits) return hex_read(parser, ESCAPES[i].n_digits, ret);
        *ret = (unsigned char)ESCAPES[i].meaning;
        return 0;
    }
    parser->at--;
    return fail(parser, "this escape is unknown: there are \\n \\t \\r \\\" \\\\ \\[ \\] \\- \\xNN "
                        "\\uNNNN \\UNNNNNNNN");
}

/* One character of a text or class. */
static int char_read(struct Parser *parser, uint32_t *ret) {
    if (*parser->at == '\\') return escape_read(parser, ret);
    unsigned n = utf8_decode(parser->at, (size_t)(parser->end - parser->at), ret);
    if (*ret == UTF8_INVALID) return fail(parser, "the grammar is not valid UTF-8");
    parser->at += n;
    return 0;
}

/* ---- Items ---- */

static int text_read(struct Parser *parser) {
    const char *start = parser->at++;
    while (parser->at < parser->end && *parser->at != '"') {
        uint32_t character;
        char bytes[UTF8_MAX_SIZE];
        int r = char_read(parser, &character);
        if (r < 0) return r;
        if (character >= 0xd800 && character < 0xe000)
            return fail(parser, "a surrogate is no character");
        unsigned n = utf8_encode(character, bytes);
        for (unsigned i = 0; i < n; i++) {
            uint16_t state = 0;
            r = char_automaton_add_byte(&parser->grammar->chars, (uint8_t)bytes[i], &state,
                                        parser->why);
            if (r == 0) r = code_add(code(parser), OP_CHAR, state, parser->why);
            if (r < 0) return fail_here(parser, r);
        }
    }
    if (parser->at == parser->end)
        return fail_at(parser, start, EINVAL, "this text has no closing quote");
    parser->at++;
    return 0;
}

static int class_add(struct Parser *parser, CharSet *set, bool negated) {
    uint16_t state = 0;
    charset_normalise(set);
    int r = negated ? charset_negate(set) : 0;
    if (r < 0) return fail_memory(parser);
    r = char_automaton_add(&parser->grammar->chars, set, &state, parser->why);
    if (r == 0) r = code_add(code(parser), OP_CHAR, state, parser->why);
    return r < 0 ? fail_here(parser, r) : 0;
}

static int range_read(struct Parser *parser, CharSet *set) {
    const char *start = parser->at;
    uint32_t first, last;
    int r = char_read(parser, &first);
    if (r < 0) return r;
    last = first;
    if (is_at(parser, '-') && parser->end - parser->at > 1 && parser->at[1] != ']') {
        parser->at++;
        r = char_read(parser, &last);
        if (r < 0) return r;
        if (last < first) return fail_at(parser, start, EINVAL, "this range ends before it begins");
    }
    return charset_add(set, first, last) < 0 ? fail_memory(parser) : 0;
}

static int class_read(struct Parser *parser) {
    const char *start = parser->at++;
    CharSet set = {0};
    bool negated = is_at(parser, '^');
    int r = 0;
    if (negated) parser->at++;
    while (r == 0 && parser->at < parser->end && *parser->at != ']') r = range_read(parser, &set);
    if (r == 0 && parser->at == parser->end)
        r = fail_at(parser, start, EINVAL, "this character class has no closing bracket");
    else if (r == 0 && set.n == 0)
        r = fail_at(parser, start, EINVAL, "this character class is empty");
    if (r == 0) {
        parser->at++;
        r = class_add(parser, &set, negated);
    }
    charset_done(&set);
    return r;
}

static int any_read(struct Parser *parser) {
    CharSet none = {0};
    parser->at++;
    int r = class_add(parser, &none, true);
    charset_done(&none);
    return r;
}

static int call_read(struct Parser *parser) {
    size_t size = name_size(parser);
    uint32_t rule = 0;
    int r = rule_get(parser, parser->at, size, &rule);
    if (r < 0) return r;
    parser->at += size;
    r = code_add(code(parser), OP_CALL, (int32_t)rule, parser->why);
    return r < 0 ? fail_here(parser, r) : 0;
}

static int number_read(struct Parser *parser, uint32_t most, const char *what, uint32_t *ret) {
    const char *start = parser->at;
    uint64_t value = 0;
    for (; parser->at < parser->end && *parser->at >= '0' && *parser->at <= '9'; parser->at++) {
        value = 10 * value + (uint64_t)(*parser->at - '0');
        if (value > most) return fail_at(parser, start, E2BIG, "%s is above %u", what, most);
    }
    if (parser->at == start) return fail(parser, "%s is missing", what);
    *ret = (uint32_t)value;
    return 0;
}

static int token_name_read(struct Parser *parser, struct TokenReference *ret) {
    const char *start = parser->at;
    if (parser->end - start > 1 && start[1] == '[') {
        parser->at += 2;
        int r = number_read(parser, INT32_MAX, "a token's number", &ret->id);
        if (r < 0) return r;
        if (!is_at(parser, ']') || parser->end - parser->at < 2 || parser->at[1] != '>')
            return fail(parser, "]> is missing after a token's number");
        parser->at += 2;
        return 0;
    }
    const char *close = memchr(start, '>', (size_t)(parser->end - start));
    if (!close || memchr(start, '\n', (size_t)(close - start)))
        return fail(parser, "this token has no closing >");
    ret->text = strndup(start, (size_t)(close + 1 - start));
    if (!ret->text) return fail_memory(parser);
    if (strlen(ret->text) != (size_t)(close + 1 - start)) {
        free(ret->text);
        return fail(parser, "a token's text holds no NUL");
    }
    parser->at = close + 1;
    return 0;
}

static int token_read(struct Parser *parser) {
    struct ParsedGrammar *grammar = parser->grammar;
    struct TokenReference token = {.negated = is_at(parser, '!')};
    if (token.negated) parser->at++;
    if (!is_at(parser, '<')) return fail(parser, "! stands before a token, as in !<text>");
    if (grammar->n_tokens == GRAMMAR_MAX_TOKENS)
        return fail_at(parser, parser->at, E2BIG, "more than %u tokens", GRAMMAR_MAX_TOKENS);
    if (grammar->n_tokens == grammar->tokens_room) {
        uint32_t room = grammar->tokens_room ? 2 * grammar->tokens_room : 8;
        struct TokenReference *grown = realloc(grammar->tokens, room * sizeof *grown);
        if (!grown) return fail_memory(parser);
        grammar->tokens = grown;
        grammar->tokens_room = room;
    }
    int r = token_name_read(parser, &token);
    if (r < 0) return r;
    grammar->tokens[grammar->n_tokens] = token;
    r = code_add(code(parser), OP_TOKEN, (int32_t)grammar->n_tokens++, parser->why);
    return r < 0 ? fail_here(parser, r) : 0;
}

static int alternatives_read(struct Parser *parser);

static int group_read(struct Parser *parser) {
    const char *start = parser->at++;
    if (parser->nesting == GRAMMAR_MAX_NESTING)
        return fail_at(parser, start, E2BIG, "more than %u groups in one another",
                       GRAMMAR_MAX_NESTING);
    parser->nesting++;
    space_skip(parser, true);
    int r = alternatives_read(parser);
    parser->nesting--;
    if (r < 0) return r;
    if (parser->at == parser->end)
        return fail_at(parser, start, EINVAL, "this group has no closing parenthesis");
    if (*parser->at != ')') return fail(parser, ") is expected here");
    parser->at++;
    return 0;
}

/* ---- Repetition ---- */

/* Moves the item from `place` on to a rule of its own. */
static int item_extract(struct Parser *parser, size_t place) {
    uint32_t rule = 0;
    int r = rule_add(parser, NULL, 0, &rule);
    if (r < 0) return r;
    struct Code *from = code(parser), *to = &parser->grammar->rules[rule].code;
    parser->grammar->rules[rule].defined = true;
    for (size_t i = place; r == 0 && i < from->n; i++)
        r = code_add(to, from->at[i].operation, from->at[i].argument, parser->why);
    if (r == 0) r = code_add(to, OP_RETURN, 0, parser->why);
    if (r < 0) return fail_here(parser, r);
    *from->budget += from->n - place;
    from->n = place;
    return code_add(from, OP_CALL, (int32_t)rule, parser->why);
}

static int item_repeat(struct Parser *parser, size_t place, uint32_t least, uint32_t most) {
    bool many = (most == CODE_UNBOUNDED ? least : most) > 1 || (least == 1 && most != 1);
    int r = 0;
    if (many && code(parser)->n - place > REPEATED_INLINE) r = item_extract(parser, place);
    if (r < 0) return r;
    r = code_repeat(code(parser), place, least, most, parser->why);
    return r < 0 ? fail_here(parser, r) : 0;
}

/* {m}, {m,}, {m,n} */
static int braces_read(struct Parser *parser, bool lines, uint32_t *ret_least, uint32_t *ret_most) {
    const char *start = parser->at++;
    static const char WHAT[] = "the number of repetitions";
    space_skip(parser, lines);
    int r = number_read(parser, GRAMMAR_MAX_REPETITIONS, WHAT, ret_least);
    if (r < 0) return r;
    space_skip(parser, lines);
    *ret_most = *ret_least;
    if (is_at(parser, ',')) {
        parser->at++;
        space_skip(parser, lines);
        *ret_most = CODE_UNBOUNDED;
        if (!is_at(parser, '}')) r = number_read(parser, GRAMMAR_MAX_REPETITIONS, WHAT, ret_most);
        if (r < 0) return r;
        space_skip(parser, lines);
    }
    if (!is_at(parser, '}')) return fail(parser, "} is expected here");
    parser->at++;
    if (*ret_most < *ret_least)
        return fail_at(parser, start, EINVAL, "at most %u repetitions, but at least %u", *ret_most,
                       *ret_least);
    return 0;
}

static int repetition_read(struct Parser *parser, bool lines, uint32_t *ret_least,
                           uint32_t *ret_most) {
    if (*parser->at == '{') return braces_read(parser, lines, ret_least, ret_most);
    *ret_least = *parser->at == '+';
    *ret_most = *parser->at == '?' ? 1 : CODE_UNBOUNDED;
    parser->at++;
    return 0;
}

/* ---- Sequences and alternatives ---- */

static int item_read(struct Parser *parser) {
    static const struct {
        char first;
        int (*read)(struct Parser *parser);
    } ITEMS[] = {{'"', text_read},  {'[', class_read}, {'.', any_read},
                 {'(', group_read}, {'<', token_read}, {'!', token_read}};
    for (size_t i = 0; i < sizeof ITEMS / sizeof *ITEMS; i++)
        if (ITEMS[i].first == *parser->at) return ITEMS[i].read(parser);
    return is_name_char(*parser->at) ? call_read(parser) : 1;
}

static int sequence_read(struct Parser *parser) {
    size_t place = 0;
    bool lines = parser->nesting > 0, any = false;
    while (parser->at < parser->end) {
        if (memchr("*+?{", *parser->at, 4)) {
            uint32_t least = 0, most = 0;
            if (!any) return fail(parser, "there is nothing before %c to repeat", *parser->at);
            int r = repetition_read(parser, lines, &least, &most);
            if (r == 0) r = item_repeat(parser, place, least, most);
            if (r < 0) return r;
        } else {
            place = code(parser)->n;
            any = true;
            int r = item_read(parser);
            if (r != 0) return r < 0 ? r : 0;
        }
        space_skip(parser, lines);
    }
    return 0;
}

/* SPLIT next; first; JUMP end; next: ... Jumps to the end are chained by their arguments until the
 * end is known. */
static int alternatives_read(struct Parser *parser) {
    size_t place = code(parser)->n, chain = SIZE_MAX;
    int r = sequence_read(parser);
    while (r == 0 && is_at(parser, '|')) {
        size_t n = code(parser)->n - place;
        r = code_insert(code(parser), place, OP_SPLIT, (int32_t)n + 2, parser->why);
        if (r == 0)
            r = code_add(code(parser), OP_JUMP, chain == SIZE_MAX ? -1 : (int32_t)chain,
                         parser->why);
        if (r < 0) return fail_here(parser, r);
        chain = code(parser)->n - 1;
        place = code(parser)->n;
        parser->at++;
        space_skip(parser, true);
        r = sequence_read(parser);
    }
    while (r == 0 && chain != SIZE_MAX) {
        struct Instruction *jump = &code(parser)->at[chain];
        size_t next = jump->argument < 0 ? SIZE_MAX : (size_t)jump->argument;
        jump->argument = (int32_t)(code(parser)->n - chain);
        chain = next;
    }
    return r;
}

/* ---- Rules ---- */

static int rule_end(struct Parser *parser) {
    if (parser->at == parser->end || *parser->at == '\n' || *parser->at == '\r') return 0;
    if (*parser->at == ')') return fail(parser, "there is no group that this parenthesis closes");
    return fail(parser, "a rule's next item, or the end of the line, is expected here");
}

static int rule_read(struct Parser *parser) {
    size_t size = name_size(parser);
    uint32_t rule = 0;
    if (is_at(parser, '|'))
        return fail(parser, "outside parentheses, alternatives go on after a | that ends the line");
    if (size == 0) return fail(parser, "the name of a rule is expected here");
    int r = rule_get(parser, parser->at, size, &rule);
    if (r < 0) return r;
    parser->at += size;
    space_skip(parser, false);
    if (parser->end - parser->at < 3 || memcmp(parser->at, "::=", 3) != 0)
        return fail(parser, "::= is expected after the name of a rule");
    parser->at += 3;
    space_skip(parser, true);

    parser->rule = rule;
    parser->grammar->budget += code(parser)->n;
    code(parser)->n = 0; /* of an earlier rule with this name */
    r = alternatives_read(parser);
    if (r == 0) r = rule_end(parser);
    if (r < 0) return r;
    parser->grammar->rules[rule].defined = true;
    r = code_add(code(parser), OP_RETURN, 0, parser->why);
    return r < 0 ? fail_here(parser, r) : 0;
}

static int check_defined(const struct ParsedGrammar *grammar, Reason *why) {
    for (uint32_t i = 0; i < grammar->n_rules; i++) {
        const struct ParsedRule *rule = &grammar->rules[i];
        if (!rule->defined)
            return reason_set(why, EINVAL, "line %u, column %u: there is no rule %.100s",
                              rule->line, rule->column, rule->name);
    }
    return 0;
}

int grammar_parse(const char *gbnf, size_t size, struct ParsedGrammar *ret, Reason *why) {
    Reason nowhere;
    *ret = (struct ParsedGrammar){.budget = GRAMMAR_MAX_INSTRUCTIONS};
    struct Parser parser = {
        .at = gbnf, .start = gbnf, .end = gbnf + size, .grammar = ret, .why = why ? why : &nowhere};
    if (size > GRAMMAR_MAX_SIZE)
        return reason_set(why, E2BIG, "the grammar has more than %u bytes", GRAMMAR_MAX_SIZE);
    int r = char_automaton_init(&ret->chars);
    if (r < 0) return reason_set(why, -r, "out of memory");
    space_skip(&parser, true);
    if (parser.at == parser.end) r = reason_set(why, EINVAL, "the grammar is empty");
    while (r == 0 && parser.at < parser.end) {
        r = rule_read(&parser);
        if (r == 0) space_skip(&parser, true);
    }
    if (r == 0) r = check_defined(ret, parser.why);
    if (r < 0) parsed_grammar_done(ret);
    return r;
}

void parsed_grammar_done(struct ParsedGrammar *grammar) {
    for (uint32_t i = 0; i < grammar->n_rules; i++) {
        free(grammar->rules[i].name);
        code_done(&grammar->rules[i].code);
    }
    for (uint32_t i = 0; i < grammar->n_tokens; i++) free(grammar->tokens[i].text);
    free(grammar->rules);
    free(grammar->tokens);
    free(grammar->index);
    char_automaton_done(&grammar->chars);
    *grammar = (struct ParsedGrammar){0};
}
