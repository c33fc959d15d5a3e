#include "engine/chat/arithmetic.h"

#include <math.h>

#include "engine/chat/compare.h"
#include "engine/chat/format.h"
#include "engine/chat/print.h"
#include "engine/limits.h"

/* ---- Integers ---- */

static Value overflows(struct Run *run) {
    return run_fail(run, "an integer has more than 64 bits");
}

static int64_t floor_mod(int64_t a, int64_t b) {
    if (b == -1) return 0;
    int64_t rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

static Value int_divide(struct Run *run, enum Operator operator, int64_t a, int64_t b) {
    if (b == 0) return run_fail(run, "a division by zero");
    if (operator== OPERATOR_DIV) return value_float((double)a / (double)b);
    int64_t rest = floor_mod(a, b);
    if (operator== OPERATOR_MOD) return value_int(rest);
    if (b == -1) return a == INT64_MIN ? overflows(run) : value_int(-a);
    int64_t quotient = a / b;
    return value_int(a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient);
}

static Value int_power(struct Run *run, int64_t base, int64_t exponent) {
    int64_t result = 1;
    if (exponent < 0) {
        if (base == 0) return run_fail(run, "0 can't be raised to a negative power");
        return value_float(pow((double)base, (double)exponent));
    }
    if (base == 0 || base == 1 || base == -1)
        return value_int(exponent == 0 ? 1 : base == -1 && exponent % 2 == 0 ? 1 : base);
    for (; exponent > 0; exponent--)
        if (__builtin_mul_overflow(result, base, &result)) return overflows(run);
    return value_int(result);
}

static Value int_arithmetic(struct Run *run, enum Operator operator, int64_t a, int64_t b) {
    int64_t result;
    switch (operator) {
    case OPERATOR_ADD:
        return __builtin_add_overflow(a, b, &result) ? overflows(run) : value_int(result);
    case OPERATOR_SUB:
        return __builtin_sub_overflow(a, b, &result) ? overflows(run) : value_int(result);
    case OPERATOR_MUL:
        return __builtin_mul_overflow(a, b, &result) ? overflows(run) : value_int(result);
    case OPERATOR_POW:
        return int_power(run, a, b);
    default:
        return int_divide(run, operator, a, b);
    }
}

/* ---- Floats ---- */

static double double_mod(double a, double b) {
    double rest = fmod(a, b);
    if (rest == 0) return copysign(0, b);
    return (rest < 0) != (b < 0) ? rest + b : rest;
}

static double double_floordiv(double a, double b) {
    double quotient = (a - double_mod(a, b)) / b, whole = floor(quotient);
    if (quotient == 0) return copysign(0, a / b);
    return quotient - whole > 0.5 ? whole + 1 : whole;
}

static Value double_arithmetic(struct Run *run, enum Operator operator, double a, double b) {
    bool divides = operator== OPERATOR_DIV || operator== OPERATOR_FLOORDIV || operator==
        OPERATOR_MOD;
    if (divides && b == 0) return run_fail(run, "a division by zero");
    switch (operator) {
    case OPERATOR_ADD:
        return value_float(a + b);
    case OPERATOR_SUB:
        return value_float(a - b);
    case OPERATOR_MUL:
        return value_float(a * b);
    case OPERATOR_DIV:
        return value_float(a / b);
    case OPERATOR_FLOORDIV:
        return value_float(double_floordiv(a, b));
    case OPERATOR_MOD:
        return value_float(double_mod(a, b));
    default:
        break;
    }
    if (a == 0 && b < 0) return run_fail(run, "0 can't be raised to a negative power");
    if (a < 0 && b != floor(b)) return run_fail(run, "a power is a complex number");
    double power = pow(a, b);
    if (isinf(power) && isfinite(a) && isfinite(b)) return run_fail(run, "a power is too large");
    return value_float(power);
}

static Value number_arithmetic(struct Run *run, enum Operator operator, Value a, Value b) {
    bool floats = a.kind == VALUE_FLOAT || b.kind == VALUE_FLOAT;
    Value result = floats ? double_arithmetic(run, operator, value_as_double(a), value_as_double(b))
                          : int_arithmetic(run, operator, value_as_int(a), value_as_int(b));
    result.foreign = a.foreign || b.foreign;
    return result;
}

/* ---- Sequences ---- */

static Value add_texts(struct Run *run, const struct Text *a, const struct Text *b) {
    struct TextBuilder builder = {.arena = run->arena};
    run_work(run, a->size + b->size);
    builder_add_text(&builder, a);
    builder_add_text(&builder, b);
    return value_text(builder_finish(&builder));
}

static void append_all(struct Run *run, struct List *list, const struct List *items) {
    for (size_t i = 0; i < items->n && !run_stopped(run); i++) {
        run_work(run, 0);
        list_append(run->arena, list, items->items[i]);
    }
}

static Value add_lists(struct Run *run, const struct List *a, const struct List *b) {
    struct List *list = list_new(run->arena, a->form);
    append_all(run, list, a);
    append_all(run, list, b);
    return value_list(list);
}

static Value repeat(struct Run *run, Value value, int64_t n) {
    struct TextBuilder builder = {.arena = run->arena};
    struct List *list = value.kind == VALUE_LIST ? list_new(run->arena, value.list->form) : NULL;
    bool empty = !value_truth(value);
    for (; n > 0 && !empty && !run_stopped(run); n--) {
        run_work(run, value.kind == VALUE_STRING ? value.text->size : 0);
        if (value.kind == VALUE_STRING)
            builder_add_text(&builder, value.text);
        else
            append_all(run, list, value.list);
    }
    return list ? value_list(list) : value_text(builder_finish(&builder));
}

static bool is_sequence(Value value) {
    return value.kind == VALUE_STRING ||
           (value.kind == VALUE_LIST && value.list->form <= LIST_TUPLE);
}

static bool is_whole(Value value) {
    return value.kind == VALUE_INT || value.kind == VALUE_BOOL;
}

static Value refuse(struct Run *run, enum Operator operator, Value a, Value b) {
    const Value *undefined = a.kind == VALUE_UNDEFINED ? &a : b.kind == VALUE_UNDEFINED ? &b : NULL;
    if (undefined && undefined->text)
        return run_fail(run, "'%.*s' is undefined", TEXT_SHOWN(undefined->text));
    return run_fail(run, "%s %s %s can't be computed", value_kind_name(a), operator_text(operator),
                    value_kind_name(b));
}

Value arithmetic(struct Run *run, enum Operator operator, Value a, Value b) {
    if (value_is_number(a) && value_is_number(b)) return number_arithmetic(run, operator, a, b);
    if (operator== OPERATOR_ADD && a.kind == VALUE_STRING && b.kind == VALUE_STRING)
        return add_texts(run, a.text, b.text);
    if (operator== OPERATOR_ADD && a.kind == VALUE_LIST && b.kind == VALUE_LIST && is_sequence(a) &&
        a.list->form == b.list->form)
        return add_lists(run, a.list, b.list);
    if (operator== OPERATOR_MUL && is_sequence(a) && is_whole(b))
        return repeat(run, a, value_as_int(b));
    if (operator== OPERATOR_MUL && is_whole(a) && is_sequence(b))
        return repeat(run, b, value_as_int(a));
    if (operator== OPERATOR_MOD && a.kind == VALUE_STRING) return format_percent(run, a.text, b);
    return refuse(run, operator, a, b);
}

Value arithmetic_negative(struct Run *run, Value a) {
    if (!value_is_number(a)) return refuse(run, OPERATOR_SUB, value_int(0), a);
    if (a.kind == VALUE_FLOAT) return value_float(-a.number);
    return arithmetic(run, OPERATOR_SUB, value_int(0), a);
}
