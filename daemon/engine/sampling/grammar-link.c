/*
 * From parsed rules to one program: which rules may be empty, which places lead to an end, in which
 * order rules begin with one another, and what can come next where.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/limits.h"
#include "engine/sampling/grammar-private.h"

/* Steps from instruction to instruction for all of `next`, beyond GRAMMAR_MAX_EDGES that they
 * find. */
#define MAX_STEPS (64U << 20)

struct Linker {
    struct ParsedGrammar *parsed;
    Grammar *grammar;
    Reason *why;
    const char *root_name;
    bool *ends;      /* [n_code]: a text can end from here */
    uint32_t *rules; /* [n_code]: the rule that a place belongs to */
    /* Places that jump, and places that call, in the order of where they go: lists[first[i]] to
     * lists[first[i + 1]] go to place or rule i. */
    uint32_t *jumps_first, *jumps, *calls_first, *calls;
    uint32_t *stack; /* [n_code + n_rules]: scratch */
    uint32_t *seen;  /* [n_code]: when a place was visited */
    uint32_t round;
    size_t n_edges, edges_room, n_steps;
};

static int fail_memory(struct Linker *linker) {
    return reason_set(linker->why, ENOMEM, "out of memory");
}

static void *array_new(size_t n, size_t size) {
    return calloc(n + 1, size);
}

/* ---- One program ---- */

static uint32_t target(const Grammar *grammar, uint32_t place) {
    return place + (uint32_t)grammar->code[place].argument;
}

static int join_rules(struct Linker *linker) {
    Grammar *grammar = linker->grammar;
    const struct ParsedGrammar *parsed = linker->parsed;
    size_t n = 0;
    grammar->n_rules = parsed->n_rules;
    for (uint32_t i = 0; i < parsed->n_rules; i++) n += parsed->rules[i].code.n;
    grammar->n_code = (uint32_t)n;
    grammar->code = array_new(n, sizeof *grammar->code);
    grammar->entries = array_new(parsed->n_rules, sizeof *grammar->entries);
    grammar->may_be_empty = array_new(parsed->n_rules, sizeof *grammar->may_be_empty);
    linker->rules = array_new(n, sizeof *linker->rules);
    if (!grammar->code || !grammar->entries || !grammar->may_be_empty || !linker->rules)
        return fail_memory(linker);
    n = 0;
    for (uint32_t i = 0; i < parsed->n_rules; i++) {
        const struct Code *code = &parsed->rules[i].code;
        memcpy(grammar->code + n, code->at, code->n * sizeof *code->at);
        grammar->entries[i] = (uint32_t)n;
        for (size_t j = 0; j < code->n; j++) linker->rules[n++] = i;
    }
    return 0;
}

/* ---- Who goes where ---- */

static bool goes(const Grammar *grammar, uint32_t place, bool calls, uint32_t *ret) {
    uint32_t operation = grammar->code[place].operation;
    *ret = calls ? (uint32_t)grammar->code[place].argument : target(grammar, place);
    return calls ? operation == OP_CALL : operation == OP_JUMP || operation == OP_SPLIT;
}

static int sources_find(struct Linker *linker, bool calls, uint32_t n, uint32_t **ret_first,
                        uint32_t **ret) {
    free(*ret_first);
    free(*ret);
    const Grammar *grammar = linker->grammar;
    uint32_t *first = *ret_first = array_new((size_t)n + 2, sizeof *first);
    uint32_t *list = *ret = array_new(grammar->n_code, sizeof *list), to;
    if (!first || !list) return fail_memory(linker);
    for (uint32_t i = 0; i < grammar->n_code; i++)
        if (goes(grammar, i, calls, &to)) first[to + 2]++;
    for (uint32_t i = 0; i < n; i++) first[i + 2] += first[i + 1];
    for (uint32_t i = 0; i < grammar->n_code; i++)
        if (goes(grammar, i, calls, &to)) list[first[to + 1]++] = i;
    return 0;
}

static int sources_list(struct Linker *linker) {
    const Grammar *grammar = linker->grammar;
    int r = sources_find(linker, false, grammar->n_code, &linker->jumps_first, &linker->jumps);
    return r < 0
               ? r
               : sources_find(linker, true, grammar->n_rules, &linker->calls_first, &linker->calls);
}

/* ---- From where the end of a rule can be reached ---- */

struct Backward {
    const struct Linker *linker;
    bool reads; /* characters may be read on the way */
    bool *ret;
    uint32_t n_stack;
};

static void mark(struct Backward *walk, uint32_t place) {
    if (walk->ret[place]) return;
    walk->ret[place] = true;
    walk->linker->stack[walk->n_stack++] = place;
}

static void mark_before(struct Backward *walk, uint32_t place) {
    const Grammar *grammar = walk->linker->grammar;
    struct Instruction before = grammar->code[place - 1];
    bool passes = before.operation == OP_SPLIT ||
                  (before.operation == OP_CALL && walk->ret[grammar->entries[before.argument]]) ||
                  (walk->reads && (before.operation == OP_CHAR || before.operation == OP_TOKEN));
    if (passes) mark(walk, place - 1);
}

static void mark_callers(struct Backward *walk, uint32_t rule) {
    const struct Linker *linker = walk->linker;
    for (uint32_t i = linker->calls_first[rule]; i < linker->calls_first[rule + 1]; i++)
        if (walk->ret[linker->calls[i] + 1]) mark(walk, linker->calls[i]);
}

static void walk_backward(const struct Linker *linker, bool reads, bool *ret) {
    const Grammar *grammar = linker->grammar;
    struct Backward walk = {.linker = linker, .reads = reads, .ret = ret};
    for (uint32_t i = 0; i < grammar->n_code; i++)
        if (grammar->code[i].operation == OP_RETURN) mark(&walk, i);
    while (walk.n_stack > 0) {
        uint32_t place = linker->stack[--walk.n_stack], rule = linker->rules[place];
        if (place == grammar->entries[rule]) mark_callers(&walk, rule);
        if (place > grammar->entries[rule]) mark_before(&walk, place);
        for (uint32_t i = linker->jumps_first[place]; i < linker->jumps_first[place + 1]; i++)
            mark(&walk, linker->jumps[i]);
    }
}

/* ---- What can come next ---- */

static int edge_add(struct Linker *linker, uint32_t place) {
    Grammar *grammar = linker->grammar;
    if (linker->n_edges == GRAMMAR_MAX_EDGES)
        return reason_set(linker->why, E2BIG,
                          "the grammar leaves too much open: at its places more than %u things "
                          "can come next, together",
                          GRAMMAR_MAX_EDGES);
    if (linker->n_edges == linker->edges_room) {
        size_t room = linker->edges_room ? 2 * linker->edges_room : 1024;
        uint32_t *grown = realloc(grammar->edges, room * sizeof *grown);
        if (!grown) return fail_memory(linker);
        grammar->edges = grown;
        linker->edges_room = room;
    }
    grammar->edges[linker->n_edges++] = place;
    return 0;
}

static void visit(struct Linker *linker, uint32_t place, uint32_t *n_stack) {
    if (linker->seen[place] == linker->round || !linker->ends[place]) return;
    linker->seen[place] = linker->round;
    linker->stack[(*n_stack)++] = place;
}

/* Leaves, or calls, that can come next at `place`, as edges. */
static int edges_find(struct Linker *linker, uint32_t place, bool calls, bool *ret_returns) {
    const Grammar *grammar = linker->grammar;
    uint32_t n_stack = 0;
    int r = 0;
    linker->round++;
    visit(linker, place, &n_stack);
    while (r == 0 && n_stack > 0) {
        uint32_t at = linker->stack[--n_stack];
        struct Instruction instruction = grammar->code[at];
        bool leaf = instruction.operation == OP_CHAR || instruction.operation == OP_TOKEN;
        bool call = instruction.operation == OP_CALL;
        if (calls ? call : leaf) r = edge_add(linker, at);
        if (instruction.operation == OP_RETURN) *ret_returns = true;
        if (instruction.operation == OP_JUMP || instruction.operation == OP_SPLIT)
            visit(linker, target(grammar, at), &n_stack);
        if (instruction.operation == OP_SPLIT ||
            (call && grammar->may_be_empty[instruction.argument]))
            visit(linker, at + 1, &n_stack);
        if (++linker->n_steps > MAX_STEPS)
            r = reason_set(linker->why, E2BIG, "the grammar leaves too much open");
    }
    return r;
}

static int next_fill(struct Linker *linker, uint32_t place, struct Next *next) {
    next->first = (uint32_t)linker->n_edges;
    int r = edges_find(linker, place, false, &next->returns);
    next->n_leaves = (uint32_t)linker->n_edges - next->first;
    if (r == 0) r = edges_find(linker, place, true, &next->returns);
    next->n_calls = (uint32_t)linker->n_edges - next->first - next->n_leaves;
    return r;
}

static bool is_resumed(const struct Linker *linker, uint32_t place, bool only_entries) {
    const Grammar *grammar = linker->grammar;
    if (place == grammar->entries[linker->rules[place]]) return true;
    if (only_entries) return false;
    uint32_t before = grammar->code[place - 1].operation;
    return before == OP_CHAR || before == OP_TOKEN || before == OP_CALL;
}

static int find_next(struct Linker *linker, bool only_entries) {
    Grammar *grammar = linker->grammar;
    uint32_t n = 0;
    for (uint32_t i = 0; i < grammar->n_code; i++) n += is_resumed(linker, i, only_entries);
    free(grammar->next);
    grammar->n_next = 0;
    linker->n_edges = 0;
    grammar->next = array_new(n, sizeof *grammar->next);
    if (!grammar->next) return fail_memory(linker);
    for (uint32_t i = 0; i < grammar->n_code; i++) {
        if (!is_resumed(linker, i, only_entries)) continue;
        grammar->next_of[i] = grammar->n_next;
        int r = next_fill(linker, i, &grammar->next[grammar->n_next++]);
        if (r < 0) return r;
    }
    return 0;
}

/* ---- The order of rules ---- */

struct Order {
    uint32_t *edge;   /* [n_rules]: next edge to follow */
    uint8_t *states;  /* [n_rules] */
    uint32_t *number; /* [n_rules]: new one */
    uint32_t left;    /* numbers not given */
};
enum { RULE_NEW, RULE_OPEN, RULE_DONE };

static const char *rule_name(const struct Linker *linker, uint32_t rule) {
    const char *name = linker->parsed->rules[rule].name;
    return name ? name : "(a group)";
}

/* `rule` begins with `again`, which is open: on the stack. */
static int fail_left_recursion(struct Linker *linker, uint32_t rule, uint32_t again) {
    const struct ParsedRule *first = &linker->parsed->rules[again];
    if (!first->name) first = &linker->parsed->rules[rule];
    const char *other = rule_name(linker, rule == again ? again : rule);
    return reason_set(linker->why, EINVAL,
                      "line %u, column %u: rule %.60s is left-recursive: it can begin with itself, "
                      "by way of %.60s; write it with a repetition, as in a ::= b (\"+\" b)*",
                      first->line, first->column, rule_name(linker, again), other);
}

/* One step from the rule on top of the stack. */
static int order_step(struct Linker *linker, struct Order *order, uint32_t *n_stack) {
    const Grammar *grammar = linker->grammar;
    uint32_t rule = linker->stack[*n_stack - 1];
    const struct Next *next = grammar_next(grammar, grammar->entries[rule]);
    if (order->edge[rule] == next->n_calls) {
        order->states[rule] = RULE_DONE;
        order->number[rule] = --order->left;
        (*n_stack)--;
        return 0;
    }
    uint32_t call = grammar->edges[next->first + next->n_leaves + order->edge[rule]++];
    uint32_t called = (uint32_t)grammar->code[call].argument;
    if (order->states[called] == RULE_OPEN) return fail_left_recursion(linker, rule, called);
    if (order->states[called] == RULE_DONE) return 0;
    order->states[called] = RULE_OPEN;
    linker->stack[(*n_stack)++] = called;
    return 0;
}

static int order_find(struct Linker *linker, struct Order *order) {
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < linker->grammar->n_rules; i++) {
        uint32_t n_stack = 0;
        if (order->states[i] != RULE_NEW) continue;
        order->states[i] = RULE_OPEN;
        linker->stack[n_stack++] = i;
        while (r == 0 && n_stack > 0) r = order_step(linker, order, &n_stack);
    }
    return r;
}

static int renumber(struct Linker *linker, const struct Order *order) {
    Grammar *grammar = linker->grammar;
    uint32_t *entries = array_new(grammar->n_rules, sizeof *entries);
    bool *may_be_empty = array_new(grammar->n_rules, sizeof *may_be_empty);
    if (!entries || !may_be_empty) {
        free(entries);
        free(may_be_empty);
        return fail_memory(linker);
    }
    for (uint32_t i = 0; i < grammar->n_rules; i++) {
        entries[order->number[i]] = grammar->entries[i];
        may_be_empty[order->number[i]] = grammar->may_be_empty[i];
    }
    for (uint32_t i = 0; i < grammar->n_code; i++)
        if (grammar->code[i].operation == OP_CALL)
            grammar->code[i].argument = (int32_t)order->number[grammar->code[i].argument];
    for (uint32_t i = 0; i < grammar->n_code; i++)
        linker->rules[i] = order->number[linker->rules[i]];
    grammar->root = order->number[grammar->root];
    free(grammar->entries);
    free(grammar->may_be_empty);
    grammar->entries = entries;
    grammar->may_be_empty = may_be_empty;
    return 0;
}

static int order_rules(struct Linker *linker) {
    uint32_t n = linker->grammar->n_rules;
    struct Order order = {.edge = array_new(n, sizeof *order.edge),
                          .states = array_new(n, sizeof *order.states),
                          .number = array_new(n, sizeof *order.number),
                          .left = n};
    int r = order.edge && order.states && order.number ? 0 : fail_memory(linker);
    if (r == 0) r = order_find(linker, &order);
    if (r == 0) r = renumber(linker, &order);
    free(order.edge);
    free(order.states);
    free(order.number);
    return r;
}

/* ---- The whole ---- */

static int link_places(struct Linker *linker) {
    Grammar *grammar = linker->grammar;
    int r = join_rules(linker);
    if (r < 0) return r;
    linker->ends = array_new(grammar->n_code, sizeof *linker->ends);
    linker->seen = array_new(grammar->n_code, sizeof *linker->seen);
    grammar->next_of = array_new(grammar->n_code, sizeof *grammar->next_of);
    grammar->edges = array_new(0, sizeof *grammar->edges);
    linker->stack = array_new((size_t)grammar->n_code + grammar->n_rules, sizeof *linker->stack);
    if (!linker->ends || !linker->seen || !grammar->next_of || !grammar->edges || !linker->stack)
        return fail_memory(linker);
    r = sources_list(linker);
    if (r < 0) return r;
    walk_backward(linker, false, linker->ends);
    for (uint32_t i = 0; i < grammar->n_rules; i++)
        grammar->may_be_empty[i] = linker->ends[grammar->entries[i]];

    /* left recursion is found by what rules begin with, whether it ends or not */
    memset(linker->ends, true, grammar->n_code * sizeof *linker->ends);
    r = find_next(linker, true);
    if (r == 0) r = order_rules(linker);
    return r;
}

/* Ways that never end are not taken. */
static int link_ends(struct Linker *linker) {
    Grammar *grammar = linker->grammar;
    int r = sources_list(linker); /* rules have new numbers */
    if (r < 0) return r;
    memset(linker->ends, 0, grammar->n_code * sizeof *linker->ends);
    walk_backward(linker, true, linker->ends);
    if (!linker->ends[grammar->entries[grammar->root]])
        return reason_set(linker->why, EINVAL,
                          "no text matches the grammar: from rule %.60s every way comes back to "
                          "itself without an end",
                          linker->root_name);
    return find_next(linker, false);
}

int grammar_link(struct ParsedGrammar *parsed, Grammar *grammar, Reason *why) {
    struct Linker linker = {.parsed = parsed, .grammar = grammar, .why = why};
    linker.root_name = rule_name(&linker, grammar->root); /* before rules get new numbers */
    int r = link_places(&linker);
    if (r == 0) r = link_ends(&linker);
    free(linker.ends);
    free(linker.rules);
    free(linker.jumps_first);
    free(linker.jumps);
    free(linker.calls_first);
    free(linker.calls);
    free(linker.stack);
    free(linker.seen);
    return r;
}
