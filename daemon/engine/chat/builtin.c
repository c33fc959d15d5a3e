#include "engine/chat/builtin.h"

#include <string.h>

const struct Builtin *builtin_find(const struct Builtin *table, const struct Text *name) {
    for (; table->name; table++)
        if (text_is(name, table->name)) return table;
    return NULL;
}

/* The table in `tables` (NULL-terminated) that has it. */
static const struct Builtin *find_in(const struct Builtin *const *tables, const struct Text *name) {
    const struct Builtin *found = NULL;
    for (; *tables && !found; tables++) found = builtin_find(*tables, name);
    return found;
}

const struct Builtin *filter_find(const struct Text *name) {
    static const struct Builtin *const TABLES[] = {FILTERS_OF_TEXT, FILTERS_OF_NUMBERS,
                                                   FILTERS_OF_LISTS, FILTERS_THAT_CHOOSE, NULL};
    return find_in(TABLES, name);
}

const struct Builtin *test_find(const struct Text *name) {
    return builtin_find(TESTS, name);
}

const struct Builtin *global_find(const struct Text *name) {
    return builtin_find(GLOBALS, name);
}

const struct Builtin *method_find(Value self, const struct Text *name) {
    static const struct Builtin *const OF_TEXT[] = {METHODS_OF_TEXT, METHODS_THAT_SPLIT, NULL};
    if (self.kind == VALUE_STRING) return find_in(OF_TEXT, name);
    if (self.kind == VALUE_DICT) return builtin_find(METHODS_OF_DICTS, name);
    bool has_methods = self.kind == VALUE_LIST && self.list->form < LIST_VIEW;
    return has_methods ? builtin_find(METHODS_OF_LISTS, name) : NULL;
}

/* ---- Binding ---- */

/* The number of the parameter with this name, or of all of them. */
static unsigned parameter_find(const char *parameters, const struct Text *name, bool *found) {
    unsigned n = 0;
    *found = false;
    while (*parameters) {
        size_t size = strcspn(parameters, " ");
        if (name && size == name->size && memcmp(parameters, name->bytes, size) == 0) {
            *found = true;
            return n;
        }
        n++;
        parameters += size;
        parameters += strspn(parameters, " ");
    }
    return n;
}

static void bind_named(struct Run *run, const struct Builtin *builtin,
                       const struct NamedValue *named, Value *a) {
    bool found;
    unsigned at = parameter_find(builtin->parameters, named->name, &found);
    if (!found)
        run_fail(run, "%s() has no argument '%.*s'", builtin->name, TEXT_SHOWN(named->name));
    else if (a[at].kind != VALUE_MISSING)
        run_fail(run, "%s() gets its argument '%.*s' twice", builtin->name,
                 TEXT_SHOWN(named->name));
    else
        a[at] = named->value;
}

static void bind(struct Run *run, const struct Builtin *builtin, const struct Arguments *arguments,
                 Value *a) {
    bool found;
    unsigned n = parameter_find(builtin->parameters, NULL, &found);
    if (arguments->n > n) {
        run_fail(run, "%s() takes %u arguments, not %zu", builtin->name, n, arguments->n);
        return;
    }
    for (size_t i = 0; i < arguments->n; i++) a[i] = arguments->values[i];
    for (size_t i = 0; i < arguments->n_named; i++)
        bind_named(run, builtin, &arguments->named[i], a);
    for (unsigned i = 0; i < builtin->n_required; i++)
        if (a[i].kind == VALUE_MISSING)
            run_fail(run, "%s() needs %u arguments", builtin->name, builtin->n_required);
}

Value builtin_call(struct Run *run, const struct Builtin *builtin, Value self,
                   const struct Arguments *arguments) {
    Value a[BUILTIN_MAX_PARAMETERS] = {{0}};
    if (builtin->parameters) bind(run, builtin, arguments, a);
    if (run_stopped(run)) return value_undefined(NULL);
    return builtin->call(run, self, a, arguments);
}

/* ---- Reading arguments ---- */

Value argument_or(Value argument, Value otherwise) {
    return argument.kind == VALUE_MISSING ? otherwise : argument;
}

bool argument_truth(Value argument, bool otherwise) {
    return argument.kind == VALUE_MISSING ? otherwise : value_truth(argument);
}

int64_t argument_int(struct Run *run, Value argument, int64_t otherwise) {
    if (argument.kind == VALUE_MISSING) return otherwise;
    if (argument.kind == VALUE_INT || argument.kind == VALUE_BOOL) return value_as_int(argument);
    run_fail(run, "an argument must be an integer, not %s", value_kind_name(argument));
    return otherwise;
}

const struct Text *argument_text(struct Run *run, Value argument, const char *otherwise) {
    if (argument.kind == VALUE_STRING) return argument.text;
    if (argument.kind != VALUE_MISSING)
        run_fail(run, "an argument must be a string, not %s", value_kind_name(argument));
    return text_borrow(run->arena, otherwise, strlen(otherwise), true);
}
