/* Tests: what stands behind `is`, and in select() and its like. */
#include "engine/chat/arithmetic.h"
#include "engine/chat/builtin.h"
#include "engine/chat/compare.h"
#include "engine/chat/methods.h"

/* A test that looks at the value alone. */
#define TEST_OF(name, expression)                                                                  \
    static Value name(struct Run *run, Value self, const Value *a, const struct Arguments *all) {  \
        return value_bool(expression);                                                             \
    }

TEST_OF(is_defined, self.kind != VALUE_UNDEFINED)
TEST_OF(is_undefined, self.kind == VALUE_UNDEFINED)
TEST_OF(is_none, self.kind == VALUE_NONE)
TEST_OF(is_string, self.kind == VALUE_STRING)
TEST_OF(is_number, value_is_number(self))
TEST_OF(is_integer, self.kind == VALUE_INT)
TEST_OF(is_float, self.kind == VALUE_FLOAT)
TEST_OF(is_boolean, self.kind == VALUE_BOOL)
TEST_OF(is_true, self.kind == VALUE_BOOL && self.truth)
TEST_OF(is_false, self.kind == VALUE_BOOL && !self.truth)
TEST_OF(is_mapping, self.kind == VALUE_DICT)
TEST_OF(is_callable, self.kind == VALUE_CALLABLE)
TEST_OF(is_iterable, self.kind == VALUE_STRING || self.kind == VALUE_LIST ||
                         self.kind == VALUE_DICT || self.kind == VALUE_UNDEFINED ||
                         self.kind == VALUE_LOOP)
TEST_OF(is_sequence, self.kind == VALUE_STRING || self.kind == VALUE_DICT ||
                         self.kind == VALUE_UNDEFINED ||
                         (self.kind == VALUE_LIST && self.list->form <= LIST_RANGE))
TEST_OF(is_equal, value_equals(self, a[0]))
TEST_OF(is_unequal, !value_equals(self, a[0]))
TEST_OF(is_greater, compare_values(run, self, a[0]) > 0)
TEST_OF(is_greater_or_equal, compare_values(run, self, a[0]) >= 0)
TEST_OF(is_less, compare_values(run, self, a[0]) < 0)
TEST_OF(is_less_or_equal, compare_values(run, self, a[0]) <= 0)
TEST_OF(is_in, value_contains(run, a[0], self))
TEST_OF(is_filter, self.kind == VALUE_STRING && filter_find(self.text))
TEST_OF(is_test, self.kind == VALUE_STRING && test_find(self.text))

static Value is_same(struct Run *run, Value self, const Value *a, const struct Arguments *all) {
    bool same_kind = self.kind == a[0].kind;
    bool by_identity = self.kind == VALUE_LIST || self.kind == VALUE_DICT;
    return value_bool(same_kind &&
                      (by_identity ? self.list == a[0].list : value_equals(self, a[0])));
}

static Value has_rest(struct Run *run, Value self, int64_t divisor, int64_t rest) {
    Value left = arithmetic(run, OPERATOR_MOD, self, value_int(divisor));
    return value_bool(!run_stopped(run) && value_equals(left, value_int(rest)));
}

static Value is_odd(struct Run *run, Value self, const Value *a, const struct Arguments *all) {
    return has_rest(run, self, 2, 1);
}

static Value is_even(struct Run *run, Value self, const Value *a, const struct Arguments *all) {
    return has_rest(run, self, 2, 0);
}

static Value is_divisible(struct Run *run, Value self, const Value *a,
                          const struct Arguments *all) {
    return has_rest(run, self, argument_int(run, a[0], 1), 0);
}

static Value is_cased(struct Run *run, Value self, const char *name) {
    static const struct Arguments NONE = {0};
    if (self.kind != VALUE_STRING) return value_bool(false);
    struct Text text = {.bytes = name, .size = 7};
    return builtin_call(run, method_find(self, &text), self, &NONE);
}

static Value is_upper(struct Run *run, Value self, const Value *a, const struct Arguments *all) {
    return is_cased(run, self, "isupper");
}

static Value is_lower(struct Run *run, Value self, const Value *a, const struct Arguments *all) {
    return is_cased(run, self, "islower");
}

const struct Builtin TESTS[] = {
    {"defined", is_defined, "", 0},
    {"undefined", is_undefined, "", 0},
    {"none", is_none, "", 0},
    {"string", is_string, "", 0},
    {"number", is_number, "", 0},
    {"integer", is_integer, "", 0},
    {"float", is_float, "", 0},
    {"boolean", is_boolean, "", 0},
    {"true", is_true, "", 0},
    {"false", is_false, "", 0},
    {"mapping", is_mapping, "", 0},
    {"callable", is_callable, "", 0},
    {"iterable", is_iterable, "", 0},
    {"sequence", is_sequence, "", 0},
    {"==", is_equal, "other", 1},
    {"eq", is_equal, "other", 1},
    {"equalto", is_equal, "other", 1},
    {"!=", is_unequal, "other", 1},
    {"ne", is_unequal, "other", 1},
    {">", is_greater, "other", 1},
    {"gt", is_greater, "other", 1},
    {"greaterthan", is_greater, "other", 1},
    {">=", is_greater_or_equal, "other", 1},
    {"ge", is_greater_or_equal, "other", 1},
    {"<", is_less, "other", 1},
    {"lt", is_less, "other", 1},
    {"lessthan", is_less, "other", 1},
    {"<=", is_less_or_equal, "other", 1},
    {"le", is_less_or_equal, "other", 1},
    {"in", is_in, "seq", 1},
    {"sameas", is_same, "other", 1},
    {"odd", is_odd, "", 0},
    {"even", is_even, "", 0},
    {"divisibleby", is_divisible, "num", 1},
    {"upper", is_upper, "", 0},
    {"lower", is_lower, "", 0},
    {"filter", is_filter, "", 0},
    {"test", is_test, "", 0},
    {NULL},
};
