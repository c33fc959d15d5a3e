/* eval.h: calls of macros, methods, functions, filters and tests */
#include "engine/chat/compare.h"
#include "engine/chat/eval.h"

/* Arguments grow as they are evaluated: a spread one is any number. */
static void add_value(struct Run *run, struct Arguments *arguments, Value value) {
    size_t size = arguments->n * sizeof value;
    Value *values = arena_grow(run->arena, arguments->values, size, size + sizeof value);
    if (!values) return;
    run_work(run, 0);
    arguments->values = values;
    values[arguments->n++] = value;
}

static void add_named(struct Run *run, struct Arguments *arguments, const struct Text *name,
                      Value value) {
    size_t size = arguments->n_named * sizeof *arguments->named;
    struct NamedValue *named = arena_grow(run->arena, arguments->named, size, size + sizeof *named);
    if (!named) return;
    run_work(run, 0);
    arguments->named = named;
    named[arguments->n_named++] = (struct NamedValue){name, value};
}

static void spread_values(struct Run *run, struct Arguments *arguments, Value value) {
    struct List *list = value_iterate(run, value);
    for (size_t i = 0; list && i < list->n && !run_stopped(run); i++)
        add_value(run, arguments, list->items[i]);
}

static void spread_named(struct Run *run, struct Arguments *arguments, Value value) {
    if (value.kind != VALUE_DICT) {
        run_fail(run, "** needs a dict, not %s", value_kind_name(value));
        return;
    }
    for (size_t i = 0; i < value.dict->n && !run_stopped(run); i++) {
        const struct DictEntry *entry = &value.dict->entries[i];
        if (entry->key.kind != VALUE_STRING)
            run_fail(run, "the name of an argument must be a string");
        else
            add_named(run, arguments, entry->key.text, entry->value);
    }
}

static bool eval_arguments(struct Run *run, const struct Node *node, struct Arguments *ret) {
    *ret = (struct Arguments){0};
    for (const struct Node *item = node->list; item && !run_stopped(run); item = item->next) {
        bool spread = item->kind == NODE_SPREAD;
        Value value = eval(run, spread ? item->a : item);
        if (spread && !run_stopped(run))
            spread_values(run, ret, value);
        else
            add_value(run, ret, value);
    }
    for (const struct Node *item = node->named; item && !run_stopped(run); item = item->next) {
        Value value = eval(run, item->a);
        if (!item->name && !run_stopped(run))
            spread_named(run, ret, value);
        else
            add_named(run, ret, item->name, value);
    }
    run->line = node->line;
    return !run_stopped(run);
}

/* ---- Macros ---- */

Value macro_value(struct Run *run, const struct Node *node) {
    struct Callable *callable = arena_alloc(run->arena, sizeof *callable);
    if (!callable) return value_undefined(NULL);
    *callable = (struct Callable){.macro = node, .scope = run->scope};
    return (Value){.kind = VALUE_CALLABLE, .callable = callable};
}

static const struct NamedValue *named_find(const struct Arguments *arguments,
                                           const struct Text *name) {
    for (size_t i = 0; i < arguments->n_named; i++)
        if (text_equals(arguments->named[i].name, name)) return &arguments->named[i];
    return NULL;
}

static void set_varargs(struct Run *run, const struct Node *macro, struct Scope *scope,
                        const struct Arguments *arguments, size_t n_bound) {
    struct List *rest = list_new(run->arena, LIST_TUPLE);
    if (arguments->n > n_bound && !(macro->uses & MACRO_VARARGS)) {
        run_fail(run, "the macro takes no more than %zu arguments", n_bound);
        return;
    }
    for (size_t i = n_bound; i < arguments->n; i++)
        list_append(run->arena, rest, arguments->values[i]);
    if (macro->uses & MACRO_VARARGS) scope_set_word(run, scope, "varargs", value_list(rest));
}

static bool is_parameter(const struct Node *macro, const struct Text *name) {
    for (const struct Node *parameter = macro->named; parameter; parameter = parameter->next)
        if (text_equals(parameter->name, name)) return true;
    return false;
}

static void set_kwargs(struct Run *run, const struct Node *macro, struct Scope *scope,
                       const struct Arguments *arguments) {
    struct Dict *rest = dict_new(run->arena);
    for (size_t i = 0; i < arguments->n_named; i++) {
        const struct NamedValue *named = &arguments->named[i];
        if (is_parameter(macro, named->name)) continue;
        if ((macro->uses & MACRO_CALLER) && text_is(named->name, "caller"))
            scope_set(run, scope, named->name, named->value);
        else if (macro->uses & MACRO_KWARGS)
            dict_set(run->arena, rest, value_text(named->name), named->value);
        else
            run_fail(run, "the macro has no argument '%.*s'", TEXT_SHOWN(named->name));
    }
    if (macro->uses & MACRO_KWARGS) scope_set_word(run, scope, "kwargs", value_dict(rest));
}

static void bind_parameters(struct Run *run, const struct Node *macro, struct Scope *scope,
                            const struct Arguments *arguments) {
    size_t i = 0;
    for (const struct Node *parameter = macro->named; parameter && !run_stopped(run);
         parameter = parameter->next, i++) {
        const struct NamedValue *named = named_find(arguments, parameter->name);
        Value value = value_undefined(parameter->name);
        if (i < arguments->n && named)
            run_fail(run, "the macro gets its argument '%.*s' twice", TEXT_SHOWN(parameter->name));
        if (i < arguments->n)
            value = arguments->values[i];
        else if (named)
            value = named->value;
        else if (parameter->a)
            value = eval(run, parameter->a);
        scope_set(run, scope, parameter->name, value);
    }
    set_varargs(run, macro, scope, arguments, i);
    set_kwargs(run, macro, scope, arguments);
}

static Value call_macro(struct Run *run, const struct Callable *callable,
                        const struct Arguments *arguments) {
    struct Scope *scope = scope_new(run, callable->scope), *outer = run->scope;
    if (!scope) return value_undefined(NULL);
    run->scope = scope; /* defaults see the parameters before them */
    bind_parameters(run, callable->macro, scope, arguments);
    run->scope = outer;
    return value_text(exec_to_text(run, callable->macro->list, scope));
}

/* ---- Calls ---- */

static Value call(struct Run *run, const struct Node *node, Value function,
                  const struct Arguments *arguments) {
    if (function.kind == VALUE_UNDEFINED && function.text)
        return run_fail(run, "'%.*s' is undefined and can't be called", TEXT_SHOWN(function.text));
    if (function.kind != VALUE_CALLABLE)
        return run_fail(run, "%s can't be called", value_kind_name(function));
    const struct Callable *callable = function.callable;
    if (!callable->builtin) return call_macro(run, callable, arguments);
    return builtin_call(run, callable->builtin, callable->self, arguments);
}

Value eval_call(struct Run *run, const struct Node *node) {
    struct Arguments arguments;
    Value function = eval(run, node->a);
    if (!eval_arguments(run, node, &arguments)) return value_undefined(NULL);
    return call(run, node, function, &arguments);
}

Value eval_call_block(struct Run *run, const struct Node *node) {
    struct Arguments arguments;
    Value function = eval(run, node->a->a);
    if (!eval_arguments(run, node->a, &arguments)) return value_undefined(NULL);
    add_named(run, &arguments, text_borrow(run->arena, "caller", 6, true), macro_value(run, node));
    return call(run, node->a, function, &arguments);
}

static Value call_named(struct Run *run, const struct Node *node, Value input, const char *what) {
    struct Arguments arguments;
    if (!eval_arguments(run, node, &arguments)) return value_undefined(NULL);
    if (!node->builtin) return run_fail(run, "there is no %s '%.*s'", what, TEXT_SHOWN(node->name));
    return builtin_call(run, node->builtin, input, &arguments);
}

Value eval_filter(struct Run *run, const struct Node *node, Value input) {
    return call_named(run, node, input, "filter");
}

Value eval_test(struct Run *run, const struct Node *node) {
    return call_named(run, node, eval(run, node->a), "test");
}
