/*
 * What a template can call: filters, tests, methods and global functions, each kind a table of
 * rows. A row names its parameters, and whoever calls it binds arguments to them, as Python does.
 */
#pragma once

#include "engine/chat/run.h"

#define BUILTIN_MAX_PARAMETERS 6

/* As written: values in order, and named ones. */
struct Arguments {
    Value *values;
    size_t n;
    struct NamedValue {
        const struct Text *name;
        Value value;
    } * named;
    size_t n_named;
};

struct Builtin {
    const char *name;
    /* `self`: what is filtered, tested, or has the method. `a`: one value a parameter,
     * VALUE_MISSING for those not given. `all`: the arguments as written. */
    Value (*call)(struct Run *run, Value self, const Value *a, const struct Arguments *all);
    const char *parameters; /* "old new count"; NULL: takes any, and looks at `all` */
    unsigned n_required;
};

/* A table ends with a row without a name. */
const struct Builtin *builtin_find(const struct Builtin *table, const struct Text *name);
Value builtin_call(struct Run *run, const struct Builtin *builtin, Value self,
                   const struct Arguments *arguments);

/* NULL: there is none. */
const struct Builtin *filter_find(const struct Text *name);
const struct Builtin *test_find(const struct Text *name);
const struct Builtin *global_find(const struct Text *name);
const struct Builtin *method_find(Value self, const struct Text *name);

/* The tables behind them, one a file. */
extern const struct Builtin FILTERS_OF_TEXT[], FILTERS_OF_NUMBERS[], FILTERS_OF_LISTS[],
    FILTERS_THAT_CHOOSE[], TESTS[], GLOBALS[], METHODS_OF_TEXT[], METHODS_THAT_SPLIT[],
    METHODS_OF_LISTS[], METHODS_OF_DICTS[];

/* ---- Reading arguments: a parameter's value, or what it is when not given ---- */

Value argument_or(Value argument, Value otherwise);
bool argument_truth(Value argument, bool otherwise);
/* -- fails when it is no integer */
int64_t argument_int(struct Run *run, Value argument, int64_t otherwise);
/* -- fails when it is no string */
const struct Text *argument_text(struct Run *run, Value argument, const char *otherwise);
