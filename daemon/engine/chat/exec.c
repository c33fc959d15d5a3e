/* eval.h: statements */
#include <errno.h>

#include "engine/chat/compare.h"
#include "engine/chat/eval.h"
#include "engine/chat/loop.h"
#include "engine/chat/print.h"
#include "engine/limits.h"

/* ---- Assignment ---- */

static void assign_items(struct Run *run, const struct Node *target, Value value) {
    struct List *list = value_iterate(run, value);
    size_t n = 0;
    for (const struct Node *item = target->list; item; item = item->next) n++;
    if (!list) return;
    if (list->n != n) {
        run_fail(run, "%zu values can't be taken apart into %zu", list->n, n);
        return;
    }
    n = 0;
    for (const struct Node *item = target->list; item && !run_stopped(run); item = item->next)
        assign(run, item, list->items[n++]);
}

static void assign_attribute(struct Run *run, const struct Node *target, Value value) {
    Value object = eval(run, target->a);
    if (object.kind != VALUE_NAMESPACE)
        run_fail(run, "only a namespace's attributes can be set, not those of %s",
                 value_kind_name(object));
    else
        dict_set(run->arena, object.dict, value_text(target->name), value);
}

void assign(struct Run *run, const struct Node *target, Value value) {
    if (run_stopped(run)) return;
    if (target->kind == NODE_NAME)
        scope_set(run, run->scope, target->name, value);
    else if (target->kind == NODE_TUPLE)
        assign_items(run, target, value);
    else
        assign_attribute(run, target, value);
}

/* ---- Bodies ---- */

static void exec_in(struct Run *run, const struct Node *first, struct Scope *scope) {
    struct Scope *outer = run->scope;
    if (!scope) return;
    run->scope = scope;
    exec(run, first);
    run->scope = outer;
}

const struct Text *exec_to_text(struct Run *run, const struct Node *first, struct Scope *scope) {
    struct TextBuilder builder = {.arena = run->arena}, *outer = run->output;
    enum Flow flow = run->flow;
    run->output = &builder;
    run->flow = FLOW_ON;
    exec_in(run, first, scope);
    run->output = outer;
    run->flow = flow;
    return builder_finish(&builder);
}

/* What filters without an input of their own make of a text: their innermost gets it. */
static Value filter_text(struct Run *run, const struct Node *filter, Value text) {
    if (!run_enter(run)) return text;
    if (filter->a) text = filter_text(run, filter->a, text);
    text = eval_filter(run, filter, text);
    run_leave(run);
    return text;
}

/* ---- Statements ---- */

static void exec_text(struct Run *run, const struct Node *node) {
    run_work(run, node->value.text->size);
    builder_add_text(run->output, node->value.text);
}

static void exec_output(struct Run *run, const struct Node *node) {
    Value value = eval(run, node->a);
    if (!run_stopped(run)) print_value(run, run->output, value);
}

static void exec_if(struct Run *run, const struct Node *node) {
    /* elif is an if in the else */
    while (!value_truth(eval(run, node->a)) && !run_stopped(run)) {
        const struct Node *otherwise = node->otherwise;
        if (!otherwise || otherwise->kind != NODE_IF || otherwise->next) {
            exec(run, otherwise);
            return;
        }
        node = otherwise;
    }
    if (!run_stopped(run)) exec(run, node->list);
}

static void exec_loop(struct Run *run, const struct Node *node, struct Loop *loop) {
    while (loop_advance(run, loop)) {
        struct Scope *scope = scope_new(run, loop->scope);
        if (!scope) return;
        scope_set_word(run, scope, "loop", (Value){.kind = VALUE_LOOP, .loop = loop});
        run->scope = scope;
        assign(run, node->a, loop->current);
        exec(run, node->list);
        run->scope = loop->scope;
        bool leave = run->flow == FLOW_BREAK;
        run->flow = FLOW_ON;
        if (leave) break;
    }
}

static void exec_for(struct Run *run, const struct Node *node) {
    struct Loop *loop = arena_alloc(run->arena, sizeof *loop);
    Value source = eval(run, node->b);
    run->line = node->line;
    if (!loop || run_stopped(run)) return;
    const struct List *list = value_iterate(run, source);
    if (!list) return;
    *loop = (struct Loop){.node = node, .scope = run->scope, .source = list};
    exec_loop(run, node, loop);
    if (loop->n_taken == 0 && !run_stopped(run))
        exec_in(run, node->otherwise, scope_new(run, run->scope));
}

static void exec_set(struct Run *run, const struct Node *node) {
    assign(run, node->a, eval(run, node->b));
}

static void exec_set_block(struct Run *run, const struct Node *node) {
    Value text = value_text(exec_to_text(run, node->list, scope_new(run, run->scope)));
    if (node->b && !run_stopped(run)) text = filter_text(run, node->b, text);
    assign(run, node->a, text);
}

static void exec_macro(struct Run *run, const struct Node *node) {
    scope_set(run, run->scope, node->name, macro_value(run, node));
}

static void exec_call_block(struct Run *run, const struct Node *node) {
    Value value = eval_call_block(run, node);
    if (!run_stopped(run)) print_value(run, run->output, value);
}

static void exec_filter_block(struct Run *run, const struct Node *node) {
    Value text = value_text(exec_to_text(run, node->list, scope_new(run, run->scope)));
    if (run_stopped(run)) return;
    text = filter_text(run, node->a, text);
    if (!run_stopped(run)) print_value(run, run->output, text);
}

static void exec_with(struct Run *run, const struct Node *node) {
    struct Scope *scope = scope_new(run, run->scope), *outer = run->scope;
    for (const struct Node *pair = node->named; pair && scope; pair = pair->next) {
        Value value = eval(run, pair->b); /* in the scope outside */
        run->scope = scope;
        assign(run, pair->a, value);
        run->scope = outer;
    }
    exec_in(run, node->list, scope);
}

static void exec_scope(struct Run *run, const struct Node *node) {
    exec_in(run, node->list, scope_new(run, run->scope));
}

static void exec_break(struct Run *run, const struct Node *node) {
    run->flow = FLOW_BREAK;
}

static void exec_continue(struct Run *run, const struct Node *node) {
    run->flow = FLOW_CONTINUE;
}

static void (*const EXECUTORS[N_NODE_KINDS])(struct Run *run, const struct Node *node) = {
    [NODE_TEXT] = exec_text,
    [NODE_OUTPUT] = exec_output,
    [NODE_IF] = exec_if,
    [NODE_FOR] = exec_for,
    [NODE_SET] = exec_set,
    [NODE_SET_BLOCK] = exec_set_block,
    [NODE_MACRO] = exec_macro,
    [NODE_CALL_BLOCK] = exec_call_block,
    [NODE_FILTER_BLOCK] = exec_filter_block,
    [NODE_WITH] = exec_with,
    [NODE_SCOPE] = exec_scope,
    [NODE_BREAK] = exec_break,
    [NODE_CONTINUE] = exec_continue,
};

void exec(struct Run *run, const struct Node *first) {
    if (run_stopped(run) || !run_enter(run)) return;
    for (const struct Node *node = first; node && run->flow == FLOW_ON && !run_stopped(run);
         node = node->next) {
        run_work(run, 0);
        run->line = node->line;
        EXECUTORS[node->kind](run, node);
        if (run->output->size > CHAT_MAX_SIZE && !run->error)
            run->error = reason_set(run->why, EFBIG, "the conversation is larger than %u bytes",
                                    CHAT_MAX_SIZE);
    }
    run_leave(run);
}
