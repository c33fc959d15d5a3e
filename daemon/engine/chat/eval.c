#include "engine/chat/eval.h"

#include "engine/chat/arithmetic.h"
#include "engine/chat/compare.h"
#include "engine/chat/print.h"

static Value eval_literal(struct Run *run, const struct Node *node) {
    return node->value;
}

static Value eval_name(struct Run *run, const struct Node *node) {
    const Value *value = scope_find(run->scope, node->name);
    if (value) return *value;
    const struct Builtin *builtin = global_find(node->name);
    struct Callable *callable = builtin ? arena_alloc(run->arena, sizeof *callable) : NULL;
    if (!callable) return value_undefined(node->name);
    callable->builtin = builtin;
    return (Value){.kind = VALUE_CALLABLE, .callable = callable};
}

static Value eval_items(struct Run *run, const struct Node *node) {
    struct List *list = list_new(run->arena, node->kind == NODE_TUPLE ? LIST_TUPLE : LIST_PLAIN);
    for (const struct Node *item = node->list; item && !run_stopped(run); item = item->next)
        list_append(run->arena, list, eval(run, item));
    return value_list(list);
}

static Value eval_dict(struct Run *run, const struct Node *node) {
    struct Dict *dict = dict_new(run->arena);
    for (const struct Node *pair = node->list; pair && !run_stopped(run); pair = pair->next) {
        Value key = eval(run, pair->a);
        if (!value_is_hashable(key))
            return run_fail(run, "%s can't be a key", value_kind_name(key));
        dict_set(run->arena, dict, key, eval(run, pair->b));
    }
    return value_dict(dict);
}

static Value eval_attribute(struct Run *run, const struct Node *node) {
    Value object = eval(run, node->a);
    run->line = node->line;
    return run_stopped(run) ? object : value_attribute(run, object, node->name);
}

static Value eval_bound(struct Run *run, const struct Node *node) {
    return node ? eval(run, node) : value_none();
}

static Value eval_item(struct Run *run, const struct Node *node) {
    Value object = eval(run, node->a);
    if (node->b->kind != NODE_SLICE) {
        Value key = eval(run, node->b);
        run->line = node->line;
        return run_stopped(run) ? key : value_item(run, object, key);
    }
    Value from = eval_bound(run, node->b->a), to = eval_bound(run, node->b->b);
    Value step = eval_bound(run, node->b->c);
    run->line = node->line;
    return run_stopped(run) ? step : value_slice(run, object, from, to, step);
}

static Value eval_not(struct Run *run, const struct Node *node) {
    return value_bool(!value_truth(eval(run, node->a)));
}

static Value eval_sign(struct Run *run, const struct Node *node) {
    Value value = eval(run, node->a);
    if (run_stopped(run)) return value;
    Value negative = arithmetic_negative(run, value);
    if (node->kind == NODE_NEGATIVE) return negative;
    return value.kind == VALUE_BOOL ? value_int(value.truth) : value;
}

static Value eval_and(struct Run *run, const struct Node *node) {
    Value left = eval(run, node->a);
    return value_truth(left) && !run_stopped(run) ? eval(run, node->b) : left;
}

static Value eval_or(struct Run *run, const struct Node *node) {
    Value left = eval(run, node->a);
    return value_truth(left) || run_stopped(run) ? left : eval(run, node->b);
}

/* A chain of + from its left end, so that texts are joined once and not once for each sign. */
static Value eval_sum(struct Run *run, const struct Node *node) {
    const struct Node *parts[32];
    size_t n = 0;
    while (n < 32 && node->kind == NODE_ARITHMETIC && node->operator== OPERATOR_ADD) {
        parts[n++] = node;
        node = node->a;
    }
    Value sum = eval(run, node);
    struct TextBuilder builder = {.arena = run->arena};
    bool building = false;
    while (n-- > 0 && !run_stopped(run)) {
        Value right = eval(run, parts[n]->b);
        run->line = parts[n]->line;
        if (sum.kind != VALUE_STRING || right.kind != VALUE_STRING) {
            if (building) sum = value_text(builder_finish(&builder));
            builder = (struct TextBuilder){.arena = run->arena};
            building = false;
            sum = run_stopped(run) ? right : arithmetic(run, OPERATOR_ADD, sum, right);
            continue;
        }
        if (!building) builder_add_text(&builder, sum.text);
        builder_add_text(&builder, right.text);
        run_work(run, right.text->size);
        building = true;
    }
    return building ? value_text(builder_finish(&builder)) : sum;
}

static Value eval_arithmetic(struct Run *run, const struct Node *node) {
    if (node->operator== OPERATOR_ADD) return eval_sum(run, node);
    Value left = eval(run, node->a), right = eval(run, node->b);
    run->line = node->line;
    return run_stopped(run) ? left : arithmetic(run, node->operator, left, right);
}

static Value eval_concat(struct Run *run, const struct Node *node) {
    struct TextBuilder builder = {.arena = run->arena};
    for (const struct Node *part = node->list; part && !run_stopped(run); part = part->next)
        print_value(run, &builder, eval(run, part));
    return value_text(builder_finish(&builder));
}

static bool compare(struct Run *run, enum Operator operator, Value left, Value right) {
    switch (operator) {
    case OPERATOR_EQ:
    case OPERATOR_NE:
        run_work(run, left.kind == VALUE_STRING ? left.text->size : 0);
        return value_equals(left, right) == (operator== OPERATOR_EQ);
    case OPERATOR_IN:
    case OPERATOR_NOT_IN:
        return value_contains(run, right, left) == (operator== OPERATOR_IN);
    case OPERATOR_LT:
        return compare_values(run, left, right) < 0;
    case OPERATOR_LE:
        return compare_values(run, left, right) <= 0;
    case OPERATOR_GT:
        return compare_values(run, left, right) > 0;
    default:
        return compare_values(run, left, right) >= 0;
    }
}

static Value eval_compare(struct Run *run, const struct Node *node) {
    Value left = eval(run, node->a);
    for (const struct Node *operand = node->list; operand; operand = operand->next) {
        Value right = eval(run, operand->a);
        run->line = operand->line;
        if (run_stopped(run) || !compare(run, operand->operator, left, right))
            return value_bool(false);
        left = right;
    }
    return value_bool(true);
}

static Value eval_conditional(struct Run *run, const struct Node *node) {
    if (value_truth(eval(run, node->a))) return eval(run, node->b);
    return node->c && !run_stopped(run) ? eval(run, node->c) : value_undefined(NULL);
}

static Value eval_filtered(struct Run *run, const struct Node *node) {
    return eval_filter(run, node, eval(run, node->a));
}

static Value (*const EVALUATORS[N_NODE_KINDS])(struct Run *run, const struct Node *node) = {
    [NODE_LITERAL] = eval_literal,
    [NODE_NAME] = eval_name,
    [NODE_LIST] = eval_items,
    [NODE_TUPLE] = eval_items,
    [NODE_DICT] = eval_dict,
    [NODE_ATTRIBUTE] = eval_attribute,
    [NODE_ITEM] = eval_item,
    [NODE_NOT] = eval_not,
    [NODE_NEGATIVE] = eval_sign,
    [NODE_POSITIVE] = eval_sign,
    [NODE_AND] = eval_and,
    [NODE_OR] = eval_or,
    [NODE_ARITHMETIC] = eval_arithmetic,
    [NODE_CONCAT] = eval_concat,
    [NODE_COMPARE] = eval_compare,
    [NODE_CONDITIONAL] = eval_conditional,
    [NODE_FILTER] = eval_filtered,
    [NODE_TEST] = eval_test,
    [NODE_CALL] = eval_call,
};

Value eval(struct Run *run, const struct Node *node) {
    if (run_stopped(run) || !run_enter(run)) return value_undefined(NULL);
    run_work(run, 0);
    run->line = node->line;
    Value value = EVALUATORS[node->kind](run, node);
    run_leave(run);
    return value;
}
