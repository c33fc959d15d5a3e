#include <string.h>

#include "engine/chat/builtin.h"
#include "engine/chat/parser-private.h"

static const struct Node *parse_unary(struct Parser *parser, bool filtered);

/* ---- Lists of expressions ---- */

static bool at_tuple_end(const struct Parser *parser, const char *stop) {
    return parser_at(parser, LEXEME_OUTPUT_END) || parser_at(parser, LEXEME_BLOCK_END) ||
           parser_at(parser, LEXEME_END) || parser_at_operator(parser, OPERATOR_CLOSE_PAREN) ||
           (stop && parser_at_name(parser, stop));
}

static const struct Node *parse_items(struct Parser *parser, bool conditional, const char *stop,
                                      bool parenthesised) {
    struct Node *tuple = node_new(parser, NODE_TUPLE);
    struct NodeList items = {0};
    bool comma = false;
    while (!parser->error && !at_tuple_end(parser, stop)) {
        node_list_add(&items, (struct Node *)parse_expression(parser, conditional));
        comma = parser_skip_operator(parser, OPERATOR_COMMA);
        if (!comma) break;
    }
    if (!items.first && !parenthesised) parser_fail_expected(parser, "an expression");
    if (items.first && items.first == items.last && !comma) return items.first;
    tuple->list = items.first;
    return tuple;
}

const struct Node *parse_tuple(struct Parser *parser, bool conditional, const char *stop) {
    return parse_items(parser, conditional, stop, false);
}

static const struct Node *parse_list(struct Parser *parser) {
    struct Node *list = node_new(parser, NODE_LIST);
    struct NodeList items = {0};
    parser_next(parser);
    while (!parser->error && !parser_at_operator(parser, OPERATOR_CLOSE_BRACKET)) {
        if (items.first) parser_expect_operator(parser, OPERATOR_COMMA);
        if (parser_at_operator(parser, OPERATOR_CLOSE_BRACKET)) break;
        node_list_add(&items, (struct Node *)parse_expression(parser, true));
    }
    parser_expect_operator(parser, OPERATOR_CLOSE_BRACKET);
    list->list = items.first;
    return list;
}

static const struct Node *parse_dict(struct Parser *parser) {
    struct Node *dict = node_new(parser, NODE_DICT);
    struct NodeList pairs = {0};
    parser_next(parser);
    while (!parser->error && !parser_at_operator(parser, OPERATOR_CLOSE_BRACE)) {
        if (pairs.first) parser_expect_operator(parser, OPERATOR_COMMA);
        if (parser_at_operator(parser, OPERATOR_CLOSE_BRACE)) break;
        struct Node *pair = node_new(parser, NODE_PAIR);
        pair->a = parse_expression(parser, true);
        parser_expect_operator(parser, OPERATOR_COLON);
        pair->b = parse_expression(parser, true);
        node_list_add(&pairs, pair);
    }
    parser_expect_operator(parser, OPERATOR_CLOSE_BRACE);
    dict->list = pairs.first;
    return dict;
}

/* ---- Primaries ---- */

static const struct {
    const char *name;
    Value value;
} CONSTANTS[] = {
    {"true", {.kind = VALUE_BOOL, .truth = true}},
    {"True", {.kind = VALUE_BOOL, .truth = true}},
    {"false", {.kind = VALUE_BOOL, .truth = false}},
    {"False", {.kind = VALUE_BOOL, .truth = false}},
    {"none", {.kind = VALUE_NONE}},
    {"None", {.kind = VALUE_NONE}},
};

/* What a macro's body reads and only some macros are given. */
static const struct {
    const char *name;
    unsigned flag;
} USES[] = {{"caller", MACRO_CALLER}, {"varargs", MACRO_VARARGS}, {"kwargs", MACRO_KWARGS}};

static const struct Node *parse_name(struct Parser *parser) {
    const struct Text *name = parser->at->value.text;
    struct Node *node = node_new(parser, NODE_NAME);
    node->name = name;
    for (size_t i = 0; i < sizeof CONSTANTS / sizeof CONSTANTS[0]; i++)
        if (text_is(name, CONSTANTS[i].name)) {
            node->kind = NODE_LITERAL;
            node->value = CONSTANTS[i].value;
        }
    for (size_t i = 0; i < sizeof USES / sizeof USES[0]; i++)
        if (text_is(name, USES[i].name)) parser->uses |= USES[i].flag;
    parser_next(parser);
    return node;
}

/* Strings that stand together are one. */
static const struct Node *parse_literal(struct Parser *parser) {
    struct Node *node = node_new(parser, NODE_LITERAL);
    node->value = parser->at->value;
    parser_next(parser);
    if (node->value.kind != VALUE_STRING) return node;
    struct TextBuilder builder = {.arena = parser->arena};
    builder_add_text(&builder, node->value.text);
    bool more = false;
    while (parser_at(parser, LEXEME_LITERAL) && parser->at->value.kind == VALUE_STRING) {
        builder_add_text(&builder, parser->at->value.text);
        parser_next(parser);
        more = true;
    }
    if (more) node->value = value_text(builder_finish(&builder));
    return node;
}

static const struct Node *parse_primary(struct Parser *parser) {
    if (parser_at(parser, LEXEME_NAME)) return parse_name(parser);
    if (parser_at(parser, LEXEME_LITERAL)) return parse_literal(parser);
    if (parser_at_operator(parser, OPERATOR_OPEN_BRACKET)) return parse_list(parser);
    if (parser_at_operator(parser, OPERATOR_OPEN_BRACE)) return parse_dict(parser);
    if (parser_skip_operator(parser, OPERATOR_OPEN_PAREN)) {
        const struct Node *node = parse_items(parser, true, NULL, true);
        parser_expect_operator(parser, OPERATOR_CLOSE_PAREN);
        return node;
    }
    parser_fail_expected(parser, "an expression");
    return node_new(parser, NODE_LITERAL);
}

/* ---- What follows a primary ---- */

static const struct Node *parse_bound(struct Parser *parser) {
    if (parser_at_operator(parser, OPERATOR_COLON) || parser_at_operator(parser, OPERATOR_COMMA) ||
        parser_at_operator(parser, OPERATOR_CLOSE_BRACKET))
        return NULL;
    return parse_expression(parser, true);
}

static const struct Node *parse_subscript(struct Parser *parser) {
    struct Node *slice = node_new(parser, NODE_SLICE);
    slice->a = parse_bound(parser);
    if (!parser_skip_operator(parser, OPERATOR_COLON)) {
        if (!slice->a) parser_fail_expected(parser, "a subscript");
        return slice->a;
    }
    slice->b = parse_bound(parser);
    if (parser_skip_operator(parser, OPERATOR_COLON)) slice->c = parse_bound(parser);
    return slice;
}

static const struct Node *parse_item(struct Parser *parser, const struct Node *object) {
    struct Node *item = node_new(parser, NODE_ITEM);
    item->a = object;
    parser_next(parser);
    item->b = parse_subscript(parser);
    if (parser_at_operator(parser, OPERATOR_COMMA))
        parser_fail(parser, parser->at->line, "a subscript of several values is not supported");
    parser_expect_operator(parser, OPERATOR_CLOSE_BRACKET);
    return item;
}

static const struct Node *parse_attribute(struct Parser *parser, const struct Node *object) {
    struct Node *node = node_new(parser, NODE_ATTRIBUTE);
    node->a = object;
    parser_next(parser);
    if (parser_at(parser, LEXEME_LITERAL) && parser->at->value.kind == VALUE_INT) {
        struct Node *index = node_new(parser, NODE_LITERAL);
        node->kind = NODE_ITEM;
        index->value = parser->at->value;
        node->b = index;
        parser_next(parser);
        return node;
    }
    node->name = parser_expect_name(parser);
    return node;
}

static bool at_named(const struct Parser *parser) {
    return parser_at(parser, LEXEME_NAME) && parser->at[1].kind == LEXEME_OPERATOR &&
           parser->at[1].operator== OPERATOR_ASSIGN;
}

/* *a and **a */
static bool parse_spread(struct Parser *parser, struct NodeList *list, struct NodeList *named) {
    bool values = parser_at_operator(parser, OPERATOR_MUL);
    if (!values && !parser_at_operator(parser, OPERATOR_POW)) return false;
    struct Node *spread = node_new(parser, values ? NODE_SPREAD : NODE_NAMED);
    parser_next(parser);
    spread->a = parse_expression(parser, true);
    node_list_add(values ? list : named, spread);
    return true;
}

static void parse_argument(struct Parser *parser, struct NodeList *list, struct NodeList *named) {
    if (parse_spread(parser, list, named)) return;
    if (at_named(parser)) {
        struct Node *argument = node_new(parser, NODE_NAMED);
        argument->name = parser_expect_name(parser);
        parser_next(parser);
        argument->a = parse_expression(parser, true);
        node_list_add(named, argument);
        return;
    }
    if (named->first)
        parser_fail(parser, parser->at->line, "an argument without a name follows one with a name");
    node_list_add(list, (struct Node *)parse_expression(parser, true));
}

/* At the parenthesis. */
static void parse_arguments(struct Parser *parser, struct Node *node) {
    struct NodeList list = {0}, named = {0};
    parser_next(parser);
    while (!parser->error && !parser_at_operator(parser, OPERATOR_CLOSE_PAREN)) {
        if (list.first || named.first) parser_expect_operator(parser, OPERATOR_COMMA);
        if (parser_at_operator(parser, OPERATOR_CLOSE_PAREN)) break;
        parse_argument(parser, &list, &named);
    }
    parser_expect_operator(parser, OPERATOR_CLOSE_PAREN);
    node->list = list.first;
    node->named = named.first;
}

static const struct Node *parse_call(struct Parser *parser, const struct Node *function) {
    struct Node *call = node_new(parser, NODE_CALL);
    call->a = function;
    parse_arguments(parser, call);
    return call;
}

static const struct Node *parse_postfix(struct Parser *parser, const struct Node *node) {
    while (!parser->error) {
        if (parser_at_operator(parser, OPERATOR_DOT))
            node = parse_attribute(parser, node);
        else if (parser_at_operator(parser, OPERATOR_OPEN_BRACKET))
            node = parse_item(parser, node);
        else if (parser_at_operator(parser, OPERATOR_OPEN_PAREN))
            node = parse_call(parser, node);
        else
            break;
    }
    return node;
}

/* ---- Filters and tests ---- */

const struct Node *parse_filters(struct Parser *parser, const struct Node *input) {
    do {
        struct Node *filter = node_new(parser, NODE_FILTER);
        filter->a = input;
        filter->name = parser_expect_name(parser);
        filter->builtin = filter_find(filter->name);
        if (parser_at_operator(parser, OPERATOR_OPEN_PAREN)) parse_arguments(parser, filter);
        input = filter;
    } while (parser_skip_operator(parser, OPERATOR_PIPE));
    return input;
}

/* `x is divisibleby 3`: an argument without parentheses. */
static bool at_bare_argument(const struct Parser *parser) {
    static const char *const NOT_ONE[] = {"else", "or", "and"};
    for (size_t i = 0; i < sizeof NOT_ONE / sizeof NOT_ONE[0]; i++)
        if (parser_at_name(parser, NOT_ONE[i])) return false;
    return parser_at(parser, LEXEME_NAME) || parser_at(parser, LEXEME_LITERAL) ||
           parser_at_operator(parser, OPERATOR_OPEN_BRACKET) ||
           parser_at_operator(parser, OPERATOR_OPEN_BRACE);
}

static const struct Node *parse_test(struct Parser *parser, const struct Node *subject) {
    parser_next(parser);
    struct Node *negation = parser_at_name(parser, "not") ? node_new(parser, NODE_NOT) : NULL;
    if (negation) parser_next(parser);
    struct Node *test = node_new(parser, NODE_TEST);
    test->a = subject;
    test->name = parser_expect_name(parser);
    test->builtin = test_find(test->name);
    if (parser_at_operator(parser, OPERATOR_OPEN_PAREN)) {
        parse_arguments(parser, test);
    } else if (at_bare_argument(parser)) {
        if (parser_at_name(parser, "is"))
            parser_fail(parser, parser->at->line,
                        "several tests with 'is' can't follow each other");
        test->list = parse_postfix(parser, parse_primary(parser));
    }
    if (!negation) return test;
    negation->a = test;
    return negation;
}

static const struct Node *parse_filtered(struct Parser *parser, const struct Node *node) {
    while (!parser->error) {
        if (parser_skip_operator(parser, OPERATOR_PIPE))
            node = parse_filters(parser, node);
        else if (parser_at_name(parser, "is"))
            node = parse_test(parser, node);
        else if (parser_at_operator(parser, OPERATOR_OPEN_PAREN))
            node = parse_call(parser, node);
        else
            break;
    }
    return node;
}

/* ---- Operators, from those that bind most ---- */

static const struct Node *parse_sign(struct Parser *parser, enum NodeKind kind) {
    struct Node *node = node_new(parser, kind);
    parser_next(parser);
    node->a = parse_unary(parser, false);
    return node;
}

static const struct Node *parse_unary(struct Parser *parser, bool filtered) {
    const struct Node *node;
    if (!parser_enter(parser)) return node_new(parser, NODE_LITERAL);
    if (parser_at_operator(parser, OPERATOR_SUB))
        node = parse_sign(parser, NODE_NEGATIVE);
    else if (parser_at_operator(parser, OPERATOR_ADD))
        node = parse_sign(parser, NODE_POSITIVE);
    else
        node = parse_primary(parser);
    node = parse_postfix(parser, node);
    if (filtered) node = parse_filtered(parser, node);
    parser_leave(parser);
    return node;
}

static const struct Node *parse_concat(struct Parser *parser);

/* Levels of operators that are left-associative: those of a row bind more than those of the next.
 */
static const struct Level {
    enum Operator operators[5]; /* ends with N_OPERATORS */
} LEVELS[] = {
    {{OPERATOR_POW, N_OPERATORS}},
    {{OPERATOR_MUL, OPERATOR_DIV, OPERATOR_FLOORDIV, OPERATOR_MOD, N_OPERATORS}},
    {{OPERATOR_ADD, OPERATOR_SUB, N_OPERATORS}},
};

static bool at_level(const struct Parser *parser, const struct Level *level) {
    for (size_t i = 0; level->operators[i] != N_OPERATORS; i++)
        if (parser_at_operator(parser, level->operators[i])) return true;
    return false;
}

static const struct Node *parse_level(struct Parser *parser, unsigned level) {
    const struct Node *node = level == 0   ? parse_unary(parser, true)
                              : level == 1 ? parse_level(parser, 0)
                                           : parse_concat(parser);
    while (!parser->error && at_level(parser, &LEVELS[level])) {
        struct Node *operation = node_new(parser, NODE_ARITHMETIC);
        operation->operator= parser->at->operator;
        parser_next(parser);
        operation->a = node;
        operation->b = level == 0   ? parse_unary(parser, true)
                       : level == 1 ? parse_level(parser, 0)
                                    : parse_concat(parser);
        node = operation;
    }
    return node;
}

/* Between the products and the sums. */
static const struct Node *parse_concat(struct Parser *parser) {
    const struct Node *first = parse_level(parser, 1);
    if (!parser_at_operator(parser, OPERATOR_CONCAT)) return first;
    struct Node *concat = node_new(parser, NODE_CONCAT);
    struct NodeList parts = {0};
    node_list_add(&parts, (struct Node *)first);
    while (parser_skip_operator(parser, OPERATOR_CONCAT))
        node_list_add(&parts, (struct Node *)parse_level(parser, 1));
    concat->list = parts.first;
    return concat;
}

static bool at_comparison(const struct Parser *parser, enum Operator *ret) {
    static const enum Operator COMPARISONS[] = {OPERATOR_EQ, OPERATOR_NE, OPERATOR_GE,
                                                OPERATOR_LE, OPERATOR_GT, OPERATOR_LT};
    for (size_t i = 0; i < sizeof COMPARISONS / sizeof COMPARISONS[0]; i++) {
        *ret = COMPARISONS[i];
        if (parser_at_operator(parser, *ret)) return true;
    }
    *ret = OPERATOR_IN;
    if (parser_at_name(parser, "in")) return true;
    *ret = OPERATOR_NOT_IN;
    return parser_at_name(parser, "not") && parser->at[1].kind == LEXEME_NAME &&
           text_is(parser->at[1].value.text, "in");
}

static const struct Node *parse_comparison(struct Parser *parser) {
    const struct Node *first = parse_level(parser, 2);
    enum Operator operator;
    struct NodeList operands = {0};
    if (!at_comparison(parser, &operator)) return first;
    struct Node *node = node_new(parser, NODE_COMPARE);
    while (!parser->error && at_comparison(parser, &operator)) {
        struct Node *operand = node_new(parser, NODE_OPERAND);
        operand->operator= operator;
        parser_next(parser);
        if (operator== OPERATOR_NOT_IN) parser_next(parser);
        operand->a = parse_level(parser, 2);
        node_list_add(&operands, operand);
    }
    node->a = first;
    node->list = operands.first;
    return node;
}

static const struct Node *parse_not(struct Parser *parser) {
    if (!parser_at_name(parser, "not")) return parse_comparison(parser);
    struct Node *node = node_new(parser, NODE_NOT);
    parser_next(parser);
    if (!parser_enter(parser)) return node;
    node->a = parse_not(parser);
    parser_leave(parser);
    return node;
}

static const struct Node *parse_and(struct Parser *parser) {
    const struct Node *left = parse_not(parser);
    while (parser_at_name(parser, "and")) {
        struct Node *node = node_new(parser, NODE_AND);
        parser_next(parser);
        node->a = left;
        node->b = parse_not(parser);
        left = node;
    }
    return left;
}

static const struct Node *parse_or(struct Parser *parser) {
    const struct Node *left = parse_and(parser);
    while (parser_at_name(parser, "or")) {
        struct Node *node = node_new(parser, NODE_OR);
        parser_next(parser);
        node->a = left;
        node->b = parse_and(parser);
        left = node;
    }
    return left;
}

const struct Node *parse_expression(struct Parser *parser, bool conditional) {
    if (!parser_enter(parser)) return node_new(parser, NODE_LITERAL);
    const struct Node *node = parse_or(parser);
    while (conditional && parser_at_name(parser, "if")) {
        struct Node *choice = node_new(parser, NODE_CONDITIONAL);
        parser_next(parser);
        choice->b = node;
        choice->a = parse_or(parser);
        if (parser_skip_name(parser, "else")) choice->c = parse_expression(parser, true);
        node = choice;
    }
    parser_leave(parser);
    return node;
}

/* ---- Targets ---- */

static bool is_target(const struct Node *node) {
    if (node->kind != NODE_TUPLE) return node->kind == NODE_NAME;
    for (const struct Node *item = node->list; item; item = item->next)
        if (!is_target(item)) return false;
    return node->list != NULL;
}

const struct Node *parse_target(struct Parser *parser, const char *stop) {
    struct Node *tuple = node_new(parser, NODE_TUPLE);
    struct NodeList items = {0};
    bool comma = false;
    do {
        if (items.first &&
            (at_tuple_end(parser, stop) || parser_at_operator(parser, OPERATOR_ASSIGN)))
            break;
        const struct Node *item = parse_primary(parser);
        if (parser_at_operator(parser, OPERATOR_DOT)) item = parse_attribute(parser, item);
        bool attribute = item->kind == NODE_ATTRIBUTE && item->a->kind == NODE_NAME;
        if (!parser->error && !attribute && !is_target(item))
            parser_fail(parser, tuple->line, "this can't be assigned to");
        node_list_add(&items, (struct Node *)item);
        comma = parser_skip_operator(parser, OPERATOR_COMMA);
    } while (comma && !parser->error);
    if (items.first == items.last && !comma) return items.first;
    tuple->list = items.first;
    return tuple;
}
