/* Filters whose result is a number, or that choose by size. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/chat/arithmetic.h"
#include "engine/chat/builtin.h"
#include "engine/chat/compare.h"
#include "engine/chat/literal.h"
#include "engine/chat/methods.h"

static bool is_foreign(Value value) {
    return value.kind == VALUE_STRING ? !text_all_trusted(value.text) : value.foreign;
}

static bool to_double(Value value, double *ret) {
    if (value.kind == VALUE_STRING) return literal_parse_float(value.text, ret);
    if (!value_is_number(value)) return false;
    *ret = value_as_double(value);
    return true;
}

static Value filter_int(struct Run *run, Value self, const Value *a, const struct Arguments *all) {
    int64_t base = argument_int(run, a[1], 10);
    Value result = value_int(0);
    double number;
    if (self.kind == VALUE_UNDEFINED)
        return run_fail(run, "int needs a value, and this is undefined");
    if ((base != 0 && base < 2) || base > 36)
        return run_fail(run, "int needs a base of 0 or of 2 to 36");
    if (self.kind == VALUE_INT || self.kind == VALUE_BOOL)
        result = value_int(value_as_int(self));
    else if (self.kind == VALUE_STRING &&
             literal_parse_int(self.text, (unsigned)base, &result.integer))
        ;
    else if (to_double(self, &number) && number > -0x1p63 && number < 0x1p63)
        result.integer = (int64_t)number;
    else
        return argument_or(a[0], value_int(0));
    result.foreign = is_foreign(self);
    return result;
}

static Value filter_float(struct Run *run, Value self, const Value *a,
                          const struct Arguments *all) {
    Value result = value_float(0);
    if (self.kind == VALUE_UNDEFINED)
        return run_fail(run, "float needs a value, and this is undefined");
    if (!to_double(self, &result.number)) return argument_or(a[0], value_float(0));
    result.foreign = is_foreign(self);
    return result;
}

static Value filter_abs(struct Run *run, Value self, const Value *a, const struct Arguments *all) {
    if (!value_is_number(self))
        return run_fail(run, "abs needs a number, not %s", value_kind_name(self));
    if (self.kind == VALUE_FLOAT) return value_float(fabs(self.number));
    return value_as_int(self) < 0 ? arithmetic_negative(run, self) : value_int(value_as_int(self));
}

/* As Python's round(): of the number as it is, not as it is written. */
static double round_to(double number, int64_t precision) {
    char text[400];
    if (!isfinite(number) || precision > 300) return number;
    if (precision >= 0) {
        snprintf(text, sizeof text, "%.*f", (int)precision, number);
        return strtod(text, NULL);
    }
    double scale = pow(10, (double)(precision < -310 ? 310 : -precision));
    return isfinite(scale) ? rint(number / scale) * scale : 0;
}

static Value filter_round(struct Run *run, Value self, const Value *a,
                          const struct Arguments *all) {
    int64_t precision = argument_int(run, a[0], 0);
    const struct Text *method = argument_text(run, a[1], "common");
    if (!value_is_number(self))
        return run_fail(run, "round needs a number, not %s", value_kind_name(self));
    if (text_is(method, "common")) {
        if (self.kind != VALUE_FLOAT && precision >= 0) return value_int(value_as_int(self));
        double number = round_to(value_as_double(self), precision);
        return self.kind == VALUE_FLOAT ? value_float(number) : value_int((int64_t)number);
    }
    if (!text_is(method, "ceil") && !text_is(method, "floor"))
        return run_fail(run, "round knows the methods common, ceil and floor");
    double scale = pow(10, (double)precision), scaled = value_as_double(self) * scale;
    return value_float((text_is(method, "ceil") ? ceil(scaled) : floor(scaled)) / scale);
}

static Value filter_length(struct Run *run, Value self, const Value *a,
                           const struct Arguments *all) {
    return value_int((int64_t)value_length(run, self));
}

static Value filter_sum(struct Run *run, Value self, const Value *a, const struct Arguments *all) {
    struct List *list = value_iterate(run, self);
    Value sum = argument_or(a[1], value_int(0));
    bool by = a[0].kind != VALUE_MISSING && a[0].kind != VALUE_NONE;
    for (size_t i = 0; list && i < list->n && !run_stopped(run); i++) {
        Value item = list->items[i];
        if (by) item = value_path(run, item, a[0]);
        if (!run_stopped(run)) sum = arithmetic(run, OPERATOR_ADD, sum, item);
    }
    return sum;
}

/* Strings without regard to case, unless it is asked for. */
static Value key_of(struct Run *run, Value item, Value attribute, bool case_sensitive) {
    if (attribute.kind != VALUE_MISSING && attribute.kind != VALUE_NONE)
        item = value_path(run, item, attribute);
    if (item.kind == VALUE_STRING && !case_sensitive)
        return value_text(text_cased(run, item.text, false));
    return item;
}

static Value extreme(struct Run *run, Value self, const Value *a, int sign) {
    struct List *list = value_iterate(run, self);
    bool case_sensitive = argument_truth(a[0], false);
    if (!list || list->n == 0) return value_undefined(NULL);
    Value best = list->items[0], best_key = key_of(run, best, a[1], case_sensitive);
    for (size_t i = 1; i < list->n && !run_stopped(run); i++) {
        Value key = key_of(run, list->items[i], a[1], case_sensitive);
        if (run_stopped(run) || compare_values(run, key, best_key) * sign <= 0) continue;
        best = list->items[i];
        best_key = key;
    }
    return best;
}

static Value filter_max(struct Run *run, Value self, const Value *a, const struct Arguments *all) {
    return extreme(run, self, a, 1);
}

static Value filter_min(struct Run *run, Value self, const Value *a, const struct Arguments *all) {
    return extreme(run, self, a, -1);
}

const struct Builtin FILTERS_OF_NUMBERS[] = {
    {"int", filter_int, "default base", 0},
    {"float", filter_float, "default", 0},
    {"abs", filter_abs, "", 0},
    {"round", filter_round, "precision method", 0},
    {"length", filter_length, "", 0},
    {"count", filter_length, "", 0},
    {"sum", filter_sum, "attribute start", 0},
    {"max", filter_max, "case_sensitive attribute", 0},
    {"min", filter_min, "case_sensitive attribute", 0},
    {NULL},
};
