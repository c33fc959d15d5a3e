#include "engine/chat/loop.h"

#include "engine/chat/builtin.h"
#include "engine/chat/eval.h"

static bool passes(struct Run *run, struct Loop *loop, Value item) {
    if (!loop->node->c) return true;
    struct Scope *outer = run->scope;
    run->scope = scope_new(run, loop->scope);
    if (!run->scope) {
        run->scope = outer;
        return false;
    }
    assign(run, loop->node->a, item);
    bool truth = value_truth(eval(run, loop->node->c));
    run->scope = outer;
    return truth;
}

static bool look_ahead(struct Run *run, struct Loop *loop) {
    while (!loop->has_following && loop->next < loop->source->n && !run_stopped(run)) {
        Value item = loop->source->items[loop->next++];
        run_work(run, 0);
        if (!passes(run, loop, item)) continue;
        loop->following = item;
        loop->has_following = true;
    }
    return loop->has_following && !run_stopped(run);
}

bool loop_advance(struct Run *run, struct Loop *loop) {
    if (!look_ahead(run, loop)) return false;
    loop->previous = loop->n_taken > 0 ? loop->current : value_undefined(NULL);
    loop->current = loop->following;
    loop->has_following = false;
    loop->n_taken++;
    return true;
}

/* ---- What the body can ask ---- */

/* With a condition, all that is left is asked for it at once, as jinja2 makes a list then. */
static size_t count(struct Run *run, struct Loop *loop) {
    if (loop->node->c) {
        struct List *rest = list_new(run->arena, LIST_PLAIN);
        while (look_ahead(run, loop)) {
            list_append(run->arena, rest, loop->following);
            loop->has_following = false;
        }
        static const struct List NOTHING = {0};
        static const struct Node UNCONDITIONAL = {.kind = NODE_FOR};
        loop->source = rest ? rest : &NOTHING;
        loop->node = &UNCONDITIONAL;
        loop->next = 0;
    }
    return loop->n_taken + loop->has_following + loop->source->n - loop->next;
}

static Value get_index(struct Run *run, struct Loop *loop) {
    return value_int((int64_t)loop->n_taken);
}

static Value get_index0(struct Run *run, struct Loop *loop) {
    return value_int((int64_t)loop->n_taken - 1);
}

static Value get_length(struct Run *run, struct Loop *loop) {
    return value_int((int64_t)count(run, loop));
}

static Value get_revindex(struct Run *run, struct Loop *loop) {
    return value_int((int64_t)(count(run, loop) - loop->n_taken + 1));
}

static Value get_revindex0(struct Run *run, struct Loop *loop) {
    return value_int((int64_t)(count(run, loop) - loop->n_taken));
}

static Value get_first(struct Run *run, struct Loop *loop) {
    return value_bool(loop->n_taken == 1);
}

static Value get_last(struct Run *run, struct Loop *loop) {
    return value_bool(!look_ahead(run, loop));
}

static Value get_previous(struct Run *run, struct Loop *loop) {
    return loop->n_taken > 1 ? loop->previous : value_undefined(NULL);
}

static Value get_next(struct Run *run, struct Loop *loop) {
    return look_ahead(run, loop) ? loop->following : value_undefined(NULL);
}

static Value get_depth(struct Run *run, struct Loop *loop) {
    return value_int(1);
}

static Value get_depth0(struct Run *run, struct Loop *loop) {
    return value_int(0);
}

static Value call_cycle(struct Run *run, Value self, const Value *a, const struct Arguments *all) {
    if (all->n == 0) return run_fail(run, "loop.cycle() needs something to cycle through");
    return all->values[(self.loop->n_taken - 1) % all->n];
}

static Value get_cycle(struct Run *run, struct Loop *loop) {
    static const struct Builtin CYCLE = {"loop.cycle", call_cycle, NULL, 0};
    struct Callable *callable = arena_alloc(run->arena, sizeof *callable);
    if (!callable) return value_undefined(NULL);
    *callable = (struct Callable){.builtin = &CYCLE, .self = {.kind = VALUE_LOOP, .loop = loop}};
    return (Value){.kind = VALUE_CALLABLE, .callable = callable};
}

Value loop_attribute(struct Run *run, struct Loop *loop, const struct Text *name) {
    static const struct {
        const char *name;
        Value (*get)(struct Run *run, struct Loop *loop);
    } ATTRIBUTES[] = {
        {"index", get_index},   {"index0", get_index0},     {"first", get_first},
        {"last", get_last},     {"length", get_length},     {"previtem", get_previous},
        {"nextitem", get_next}, {"revindex", get_revindex}, {"revindex0", get_revindex0},
        {"depth", get_depth},   {"depth0", get_depth0},     {"cycle", get_cycle},
    };
    for (size_t i = 0; i < sizeof ATTRIBUTES / sizeof ATTRIBUTES[0]; i++)
        if (text_is(name, ATTRIBUTES[i].name)) return ATTRIBUTES[i].get(run, loop);
    return value_undefined(name);
}
