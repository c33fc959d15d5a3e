#include "engine/chat/parser.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/chat/parser-private.h"
#include "engine/limits.h"

/* ---- Errors and limits ---- */

static const struct Lexeme END = {.kind = LEXEME_END};

void parser_fail(struct Parser *parser, unsigned line, const char *format, ...) {
    char words[200];
    va_list arguments;
    if (parser->error) return;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    parser->error =
        reason_set(parser->why, EINVAL, "line %u of the chat template: %s", line, words);
    parser->at = &END;
}

static const char *lexeme_words(const struct Lexeme *token, char *buffer, size_t size) {
    static const char *const WORDS[] = {
        [LEXEME_END] = "the end of the template",
        [LEXEME_TEXT] = "text",
        [LEXEME_OUTPUT_BEGIN] = "'{{'",
        [LEXEME_OUTPUT_END] = "'}}'",
        [LEXEME_BLOCK_BEGIN] = "'{%'",
        [LEXEME_BLOCK_END] = "'%}'",
        [LEXEME_LITERAL] = "a literal",
    };
    if (token->kind == LEXEME_NAME)
        snprintf(buffer, size, "'%.*s'", TEXT_SHOWN(token->value.text));
    else if (token->kind == LEXEME_OPERATOR)
        snprintf(buffer, size, "'%s'", operator_text(token->operator));
    else
        return WORDS[token->kind];
    return buffer;
}

void parser_fail_expected(struct Parser *parser, const char *what) {
    char buffer[80];
    parser_fail(parser, parser->at->line, "found %s where %s should be",
                lexeme_words(parser->at, buffer, sizeof buffer), what);
}

bool parser_enter(struct Parser *parser) {
    if (parser->depth == TEMPLATE_MAX_NESTING) {
        parser_fail(parser, parser->at->line, "this nests more than %u deep", TEMPLATE_MAX_NESTING);
        return false;
    }
    parser->depth++;
    return true;
}

void parser_leave(struct Parser *parser) {
    parser->depth--;
}

struct Node *node_new(struct Parser *parser, enum NodeKind kind) {
    static _Thread_local struct Node nowhere;
    struct Node *node = NULL;
    if (parser->n_nodes == TEMPLATE_MAX_NODES)
        parser_fail(parser, parser->at->line, "the template has more than %u parts",
                    TEMPLATE_MAX_NODES);
    if (!parser->error) node = arena_alloc(parser->arena, sizeof *node);
    if (!node) {
        if (!parser->error) parser->error = parser->arena->error;
        parser->at = &END;
        nowhere = (struct Node){0};
        node = &nowhere;
    }
    parser->n_nodes++;
    node->kind = kind;
    node->line = parser->at->line;
    return node;
}

void node_list_add(struct NodeList *list, struct Node *node) {
    if (list->last)
        list->last->next = node;
    else
        list->first = node;
    list->last = node;
}

/* ---- Tokens ---- */

bool parser_at(const struct Parser *parser, enum LexemeKind kind) {
    return parser->at->kind == kind;
}

bool parser_at_name(const struct Parser *parser, const char *name) {
    return parser->at->kind == LEXEME_NAME && text_is(parser->at->value.text, name);
}

bool parser_at_operator(const struct Parser *parser, enum Operator operator) {
    return parser->at->kind == LEXEME_OPERATOR && parser->at->operator== operator;
}

void parser_next(struct Parser *parser) {
    if (parser->at->kind != LEXEME_END) parser->at++;
}

bool parser_skip_name(struct Parser *parser, const char *name) {
    bool there = parser_at_name(parser, name);
    if (there) parser_next(parser);
    return there;
}

bool parser_skip_operator(struct Parser *parser, enum Operator operator) {
    bool there = parser_at_operator(parser, operator);
    if (there) parser_next(parser);
    return there;
}

void parser_expect_operator(struct Parser *parser, enum Operator operator) {
    char what[16];
    if (parser_skip_operator(parser, operator)) return;
    snprintf(what, sizeof what, "'%s'", operator_text(operator));
    parser_fail_expected(parser, what);
}

const struct Text *parser_expect_name(struct Parser *parser) {
    const struct Text *name = &TEXT_EMPTY;
    if (parser_at(parser, LEXEME_NAME))
        name = parser->at->value.text;
    else
        parser_fail_expected(parser, "a name");
    parser_next(parser);
    return name;
}

static void expect_block_end(struct Parser *parser) {
    if (!parser_at(parser, LEXEME_BLOCK_END)) parser_fail_expected(parser, "'%}'");
    parser_next(parser);
}

/* ---- Statements: each at the token after its keyword, and up to before its last '%}' ---- */

static const struct Node *parse_body(struct Parser *parser, const char *const *ends);

#define BODY(parser, ...) parse_body(parser, (const char *const[]){__VA_ARGS__, NULL})

static void parse_for(struct Parser *parser, struct Node *node) {
    node->a = parse_target(parser, "in");
    if (!parser_skip_name(parser, "in")) parser_fail_expected(parser, "'in'");
    node->b = parse_tuple(parser, false, "recursive");
    if (parser_skip_name(parser, "if")) node->c = parse_expression(parser, true);
    if (parser_at_name(parser, "recursive"))
        parser_fail(parser, node->line, "recursive loops are not supported");
    node->list = BODY(parser, "endfor", "else");
    if (parser_skip_name(parser, "else")) node->otherwise = BODY(parser, "endfor");
    parser_next(parser);
}

static void parse_if(struct Parser *parser, struct Node *node) {
    for (;;) {
        node->a = parse_tuple(parser, false, NULL);
        node->list = BODY(parser, "elif", "else", "endif");
        if (!parser_at_name(parser, "elif")) break;
        struct Node *next = node_new(parser, NODE_IF);
        parser_next(parser);
        node->otherwise = next;
        node = next;
    }
    if (parser_skip_name(parser, "else")) node->otherwise = BODY(parser, "endif");
    parser_next(parser);
}

static void parse_set(struct Parser *parser, struct Node *node) {
    node->a = parse_target(parser, NULL);
    if (parser_skip_operator(parser, OPERATOR_ASSIGN)) {
        node->b = parse_tuple(parser, true, NULL);
        return;
    }
    node->kind = NODE_SET_BLOCK;
    if (parser_skip_operator(parser, OPERATOR_PIPE)) node->b = parse_filters(parser, NULL);
    node->list = BODY(parser, "endset");
    parser_next(parser);
}

static void parse_parameters(struct Parser *parser, struct Node *node) {
    struct NodeList list = {0};
    parser_expect_operator(parser, OPERATOR_OPEN_PAREN);
    while (!parser->error && !parser_at_operator(parser, OPERATOR_CLOSE_PAREN)) {
        if (list.first) parser_expect_operator(parser, OPERATOR_COMMA);
        struct Node *parameter = node_new(parser, NODE_NAMED);
        parameter->name = parser_expect_name(parser);
        if (parser_skip_operator(parser, OPERATOR_ASSIGN))
            parameter->a = parse_expression(parser, true);
        else if (list.last && list.last->a)
            parser_fail(parser, parameter->line, "a parameter without a default follows one with");
        node_list_add(&list, parameter);
    }
    parser_expect_operator(parser, OPERATOR_CLOSE_PAREN);
    node->named = list.first;
}

static void parse_macro_body(struct Parser *parser, struct Node *node, const char *end) {
    unsigned outer = parser->uses;
    parser->uses = 0;
    node->list = BODY(parser, end);
    node->uses = parser->uses;
    parser->uses = outer;
    parser_next(parser);
}

static void parse_macro(struct Parser *parser, struct Node *node) {
    node->name = parser_expect_name(parser);
    parse_parameters(parser, node);
    parse_macro_body(parser, node, "endmacro");
}

static void parse_call_block(struct Parser *parser, struct Node *node) {
    if (parser_at_operator(parser, OPERATOR_OPEN_PAREN)) parse_parameters(parser, node);
    node->a = parse_expression(parser, true);
    if (node->a->kind != NODE_CALL) parser_fail(parser, node->line, "{%% call %%} needs a call");
    parse_macro_body(parser, node, "endcall");
}

static void parse_filter_block(struct Parser *parser, struct Node *node) {
    node->a = parse_filters(parser, NULL);
    node->list = BODY(parser, "endfilter");
    parser_next(parser);
}

static void parse_with(struct Parser *parser, struct Node *node) {
    struct NodeList pairs = {0};
    while (!parser->error && !parser_at(parser, LEXEME_BLOCK_END)) {
        if (pairs.first) parser_expect_operator(parser, OPERATOR_COMMA);
        struct Node *pair = node_new(parser, NODE_PAIR);
        pair->a = parse_target(parser, NULL);
        parser_expect_operator(parser, OPERATOR_ASSIGN);
        pair->b = parse_expression(parser, true);
        node_list_add(&pairs, pair);
    }
    node->named = pairs.first;
    node->list = BODY(parser, "endwith");
    parser_next(parser);
}

static void parse_generation(struct Parser *parser, struct Node *node) {
    node->list = BODY(parser, "endgeneration");
    parser_next(parser);
}

static void parse_nothing(struct Parser *parser, struct Node *node) {}

static const struct Statement {
    const char *name;
    enum NodeKind kind;
    void (*parse)(struct Parser *parser, struct Node *node);
} STATEMENTS[] = {
    {"for", NODE_FOR, parse_for},
    {"if", NODE_IF, parse_if},
    {"set", NODE_SET, parse_set},
    {"macro", NODE_MACRO, parse_macro},
    {"call", NODE_CALL_BLOCK, parse_call_block},
    {"filter", NODE_FILTER_BLOCK, parse_filter_block},
    {"with", NODE_WITH, parse_with},
    {"generation", NODE_SCOPE, parse_generation},
    {"break", NODE_BREAK, parse_nothing},
    {"continue", NODE_CONTINUE, parse_nothing},
};

/* At the keyword. */
static struct Node *parse_statement(struct Parser *parser) {
    for (size_t i = 0; i < sizeof STATEMENTS / sizeof STATEMENTS[0]; i++) {
        if (!parser_at_name(parser, STATEMENTS[i].name)) continue;
        struct Node *node = node_new(parser, STATEMENTS[i].kind);
        parser_next(parser);
        STATEMENTS[i].parse(parser, node);
        return node;
    }
    if (parser_at(parser, LEXEME_NAME))
        parser_fail(parser, parser->at->line, "the tag '%.*s' is not supported",
                    TEXT_SHOWN(parser->at->value.text));
    parser_fail_expected(parser, "a tag's name");
    return node_new(parser, NODE_TEXT);
}

static bool at_end_name(const struct Parser *parser, const char *const *ends) {
    for (; *ends; ends++)
        if (parser->at[0].kind == LEXEME_BLOCK_BEGIN && parser->at[1].kind == LEXEME_NAME &&
            text_is(parser->at[1].value.text, *ends))
            return true;
    return false;
}

static struct Node *parse_one(struct Parser *parser) {
    struct Node *node;
    if (parser_at(parser, LEXEME_TEXT)) {
        node = node_new(parser, NODE_TEXT);
        node->value = parser->at->value;
        parser_next(parser);
    } else if (parser_at(parser, LEXEME_OUTPUT_BEGIN)) {
        node = node_new(parser, NODE_OUTPUT);
        parser_next(parser);
        node->a = parse_tuple(parser, true, NULL);
        if (!parser_at(parser, LEXEME_OUTPUT_END)) parser_fail_expected(parser, "'}}'");
        parser_next(parser);
    } else {
        parser_next(parser);
        node = parse_statement(parser);
        expect_block_end(parser);
    }
    return node;
}

static const struct Node *parse_statements(struct Parser *parser, const char *const *ends) {
    struct NodeList list = {0};
    while (!parser->error && !parser_at(parser, LEXEME_END) && !at_end_name(parser, ends))
        node_list_add(&list, parse_one(parser));
    return list.first;
}

/* From the '%}' that ends the opening tag to the name that ends the body. */
static const struct Node *parse_body(struct Parser *parser, const char *const *ends) {
    const struct Lexeme *start = parser->at;
    expect_block_end(parser);
    if (!parser_enter(parser)) return NULL;
    const struct Node *body = parse_statements(parser, ends);
    parser_leave(parser);
    if (parser_at(parser, LEXEME_END) && !parser->error)
        parser_fail(parser, start->line, "this block has no {%% %s %%}",
                    ends[1] && strncmp(ends[0], "end", 3) ? ends[2] : ends[0]);
    parser_next(parser); /* '{%' */
    return body;
}

int parser_run(struct Arena *arena, const char *source, size_t size, const struct Node **ret,
               Reason *why) {
    struct Parser parser = {.arena = arena, .why = why};
    struct Lexeme *tokens;
    if (size > TEMPLATE_MAX_SIZE)
        return reason_set(why, EFBIG, "the chat template has %zu bytes, the most is %u", size,
                          TEMPLATE_MAX_SIZE);
    int r = lexer_run(arena, source, size, &tokens, why);
    if (r < 0) return r;
    parser.tokens = parser.at = tokens;
    const struct Node *body = parse_statements(&parser, (const char *const[]){NULL});
    if (arena->error == -ENOMEM) return reason_set(why, ENOMEM, "out of memory");
    if (arena->error) return reason_set(why, EFBIG, "the chat template is too large");
    if (parser.error) return parser.error;
    *ret = body;
    return 0;
}
