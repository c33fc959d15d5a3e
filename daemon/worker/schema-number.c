/* Numbers of a JSON schema. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "worker/limits.h"
#include "worker/schema-private.h"

/* The largest number of 19 digits, past every integer of 64 bits. */
#define DIGITS_MAX 19u
#define MULTIPLE_DIGITS_MAX 15u
#define MAGNITUDE_MAX G_GUINT64_CONSTANT(9999999999999999999)

/* ---- Ranges of digits ---- */

static void digit_class(GString *out, unsigned base, guint64 first, guint64 last) {
    g_string_append_c(out, '[');
    for (guint64 d = first; d <= last && d < 10; d++) g_string_append_c(out, (char)('0' + d));
    for (guint64 d = MAX(first, 10); base > 10 && d <= last; d++)
        g_string_append_printf(out, "%c%c", (char)('a' + d - 10), (char)('A' + d - 10));
    g_string_append_c(out, ']');
}

static void any_digits(GString *out, unsigned base, unsigned n) {
    if (n == 0) return;
    digit_class(out, base, 0, base - 1);
    g_string_append_printf(out, "{%u}", n);
}

static void alternative(GString *out, bool *any) {
    if (*any) g_string_append(out, " | ");
    *any = true;
}

void schema_digits(GString *out, unsigned base, unsigned n, guint64 low, guint64 high) {
    guint64 unit = 1;
    for (unsigned i = 1; i < n; i++) unit *= base;
    guint64 first = low / unit, last = high / unit;
    bool any = false, open_low = n > 1 && low % unit != 0,
         open_high = n > 1 && high % unit != unit - 1;
    g_string_append(out, "(");
    if (first == last && (open_low || open_high)) {
        digit_class(out, base, first, first);
        schema_digits(out, base, n - 1, low % unit, high % unit);
    } else {
        if (open_low) {
            alternative(out, &any);
            digit_class(out, base, first, first);
            schema_digits(out, base, n - 1, low % unit, unit - 1);
            first++;
        }
        if (open_high) last--;
        if (first <= last && last != G_MAXUINT64) {
            alternative(out, &any);
            digit_class(out, base, first, last);
            any_digits(out, base, n - 1);
        }
        if (open_high) {
            alternative(out, &any);
            digit_class(out, base, last + 1, last + 1);
            schema_digits(out, base, n - 1, 0, high % unit);
        }
    }
    g_string_append(out, ")");
}

/* Without leading zeros. */
static void magnitudes(GString *out, guint64 low, guint64 high) {
    guint64 least = 0, most = 9;
    bool any = false;
    g_string_append(out, "(");
    for (unsigned n = 1; n <= DIGITS_MAX; n++) {
        guint64 from = MAX(low, least), to = MIN(high, most);
        if (from <= to) {
            alternative(out, &any);
            schema_digits(out, 10, n, from, to);
        }
        least = most + 1;
        most = n + 1 < DIGITS_MAX ? 10 * most + 9 : MAGNITUDE_MAX;
    }
    g_string_append(out, ")");
}

/* ---- Bounds ---- */

/* Whole numbers: those from -(MAGNITUDE_MAX) to MAGNITUDE_MAX need a sign of their own. */
struct Bound {
    bool negative, exclusive, given;
    guint64 magnitude;
};

static int fail_value(SchemaWriter *writer, const char *path, const char *name) {
    return schema_fail(writer, EINVAL, path, ".%s must be a number", name);
}

/* The whole number at or beyond a bound: up for a lower one, down for an upper one. */
static int bound_value(SchemaWriter *writer, JsonNode *node, const char *name, const char *path,
                       int round, struct Bound *ret) {
    GType type = JSON_NODE_HOLDS_VALUE(node) ? json_node_get_value_type(node) : G_TYPE_INVALID;
    if (type == G_TYPE_INT64) {
        gint64 value = json_node_get_int(node);
        ret->negative = value < 0;
        ret->magnitude = value < 0 ? -(guint64)value : (guint64)value;
        return 0;
    }
    if (type != G_TYPE_DOUBLE) return fail_value(writer, path, name);
    double value = json_node_get_double(node), whole = round > 0 ? ceil(value) : floor(value);
    if (round == 0 && whole != value)
        return schema_fail(writer, ENOTSUP, path, ".%s is not supported: it must be whole", name);
    if (whole != value) ret->exclusive = false; /* the next whole number is inside */
    ret->negative = whole < 0;
    ret->magnitude = fabs(whole) < (double)MAGNITUDE_MAX ? (guint64)fabs(whole) : MAGNITUDE_MAX;
    return 0;
}

static int compare_bounds(const struct Bound *a, const struct Bound *b) {
    if (a->magnitude == 0 && b->magnitude == 0) return 0;
    if (a->negative != b->negative) return a->negative ? -1 : 1;
    int order = (a->magnitude > b->magnitude) - (a->magnitude < b->magnitude);
    return a->negative ? -order : order;
}

/* The stricter of minimum and exclusiveMinimum (direction 1), or of their counterparts (-1). */
static int bound_read(SchemaWriter *writer, JsonObject *schema, const char *path, int direction,
                      bool whole, struct Bound *ret) {
    const char *const names[] = {direction > 0 ? "minimum" : "maximum",
                                 direction > 0 ? "exclusiveMinimum" : "exclusiveMaximum"};
    *ret = (struct Bound){.negative = direction > 0, .magnitude = MAGNITUDE_MAX};
    for (unsigned i = 0; i < 2; i++) {
        JsonNode *node = schema_get(schema, names[i]);
        struct Bound bound = {.given = true, .exclusive = i == 1};
        if (!node) continue;
        int r = bound_value(writer, node, names[i], path, whole ? direction : 0, &bound);
        if (r < 0) return r;
        int order = direction * compare_bounds(&bound, ret);
        if (!ret->given || order > 0 || (order == 0 && bound.exclusive)) *ret = bound;
    }
    return 0;
}

/* Past an exclusive bound, by one. */
static void bound_step(struct Bound *bound, int direction) {
    if (!bound->exclusive) return;
    bound->exclusive = false;
    if (bound->magnitude == 0) bound->negative = direction < 0;
    bool away = bound->negative == (direction < 0);
    bound->magnitude += away ? (bound->magnitude < MAGNITUDE_MAX) : (guint64)-1;
}

static int fail_range(SchemaWriter *writer, const char *path) {
    return schema_fail(writer, EINVAL, path, " allows no number: its bounds exclude each other");
}

/* ---- Integers ---- */

static void integer_range(GString *out, const struct Bound *low, const struct Bound *high) {
    bool any = false;
    g_string_append(out, "(");
    if (low->negative && low->magnitude > 0) {
        guint64 least = high->negative && high->magnitude > 0 ? high->magnitude : 1;
        alternative(out, &any);
        g_string_append(out, "\"-\" ");
        magnitudes(out, least, low->magnitude);
    }
    if (!high->negative || high->magnitude == 0) {
        alternative(out, &any);
        magnitudes(out, low->negative ? 0 : low->magnitude, high->magnitude);
    }
    g_string_append(out, ")");
}

/* What follows digits with the remainder `from`, where `left` more may come. Nothing that fits is a
 * rule that never ends, which the grammar does not take. */
static void remainder_write(GString *gbnf, unsigned rule, unsigned step, unsigned left,
                            unsigned from) {
    g_string_append_printf(gbnf, "s%u-%u-%u ::= ", rule, left, from);
    if (from == 0) g_string_append(gbnf, left > 0 ? "\"\" | " : "\"\"");
    if (from > 0 && left == 0) g_string_append_printf(gbnf, "\"0\" s%u-%u-%u", rule, left, from);
    for (unsigned digit = 0; left > 0 && digit < 10; digit++)
        g_string_append_printf(gbnf, "%s\"%u\" s%u-%u-%u", digit ? " | " : "", digit, rule,
                               left - 1, (10 * from + digit) % step);
    g_string_append_c(gbnf, '\n');
}

/* All multiples of `step` that a double holds exactly: some validators count in doubles. */
static void remainders(SchemaWriter *writer, GString *out, unsigned step, bool negative) {
    unsigned rule = schema_next_rule(writer);
    for (unsigned left = 0; left < MULTIPLE_DIGITS_MAX; left++)
        for (unsigned from = 0; from < step; from++)
            remainder_write(writer->gbnf, rule, step, left, from);
    g_string_append_printf(out, "(\"0\" | %s(", negative ? "\"-\"? " : "");
    for (unsigned digit = 1; digit < 10; digit++)
        g_string_append_printf(out, "%s\"%u\" s%u-%u-%u", digit > 1 ? " | " : "", digit, rule,
                               MULTIPLE_DIGITS_MAX - 1, digit % step);
    g_string_append(out, "))");
}

static gint64 signed_value(const struct Bound *bound) {
    if (bound->magnitude > (guint64)G_MAXINT64) return bound->negative ? G_MININT64 : G_MAXINT64;
    return bound->negative ? -(gint64)bound->magnitude : (gint64)bound->magnitude;
}

static int multiples(SchemaWriter *writer, GString *out, const char *path, guint64 step,
                     const struct Bound *low, const struct Bound *high) {
    bool from_zero = low->magnitude == 0;
    if (!high->given && (!low->given || from_zero) && step <= SCHEMA_REMAINDERS_MAX) {
        remainders(writer, out, (unsigned)step, !from_zero);
        return 0;
    }
    gint64 first = signed_value(low), last = signed_value(high), m = (gint64)step;
    guint64 n = 0;
    if (!low->given || !high->given ||
        ((guint64)last - (guint64)first) / step > SCHEMA_MULTIPLES_MAX)
        return schema_fail(writer, ENOTSUP, path,
                           ".multipleOf is not supported with these bounds: it needs none, "
                           "minimum 0, or both with at most %u multiples between",
                           SCHEMA_MULTIPLES_MAX);
    gint64 value = first / m * m;
    if (value < first) value += m;
    g_string_append(out, "(");
    for (; value <= last; value += m) {
        g_string_append_printf(out, "%s\"%" G_GINT64_FORMAT "\"", n++ ? " | " : "", value);
        if (value > G_MAXINT64 - m) break;
    }
    g_string_append(out, ")");
    return n > 0 ? 0 : fail_range(writer, path);
}

static int step_read(SchemaWriter *writer, JsonObject *schema, const char *path, guint64 *ret) {
    JsonNode *node = schema_get(schema, "multipleOf");
    *ret = 1;
    if (!node) return 0;
    double value = JSON_NODE_HOLDS_VALUE(node) ? json_node_get_double(node) : 0;
    if (json_node_get_value_type(node) == G_TYPE_INT64) value = (double)json_node_get_int(node);
    if (!(value > 0)) return schema_fail(writer, EINVAL, path, ".multipleOf must be above 0");
    if (value != floor(value) || value > 1e15)
        return schema_fail(writer, ENOTSUP, path,
                           ".multipleOf is supported for whole numbers only");
    *ret = (guint64)value;
    return 0;
}

int schema_integer(SchemaWriter *writer, JsonObject *schema, const char *path, GString *out) {
    struct Bound low, high;
    guint64 step;
    int r = bound_read(writer, schema, path, 1, true, &low);
    if (r == 0) r = bound_read(writer, schema, path, -1, true, &high);
    if (r == 0) r = step_read(writer, schema, path, &step);
    if (r < 0) return r;
    bound_step(&low, 1);
    bound_step(&high, -1);
    if (compare_bounds(&low, &high) > 0) return fail_range(writer, path);
    if (step > 1) return multiples(writer, out, path, step, &low, &high);
    if (!low.given && !high.given)
        g_string_append(out, "integer");
    else
        integer_range(out, &low, &high);
    return 0;
}

/* ---- Numbers with a point, between whole bounds ---- */

#define FRACTION "(\".\" [0-9]{1,20})?"
#define FRACTION_ZERO "(\".\" \"0\"{1,20})?"
#define FRACTION_ABOVE_ZERO "\".\" \"0\"{0,19} [1-9] [0-9]{0,19}"

struct Edge {
    guint64 magnitude;
    bool exclusive;
};

/* From `low` to `high`, without a sign. */
static void decimals(GString *out, struct Edge low, struct Edge high, bool *any) {
    guint64 first = low.magnitude;
    if (low.exclusive && low.magnitude < high.magnitude) {
        alternative(out, any);
        g_string_append_printf(out, "\"%" G_GUINT64_FORMAT "\" " FRACTION_ABOVE_ZERO, first);
        first++;
    }
    if (first < high.magnitude) {
        alternative(out, any);
        magnitudes(out, first, high.magnitude - 1);
        g_string_append(out, " " FRACTION);
    }
    if (!high.exclusive && !(low.exclusive && low.magnitude == high.magnitude)) {
        alternative(out, any);
        g_string_append_printf(out, "\"%" G_GUINT64_FORMAT "\" " FRACTION_ZERO, high.magnitude);
    }
}

int schema_number(SchemaWriter *writer, JsonObject *schema, const char *path, GString *out) {
    struct Bound low, high;
    bool any = false;
    if (schema_get(schema, "multipleOf"))
        return schema_fail(writer, ENOTSUP, path,
                           ".multipleOf is not supported for type number, only for integer");
    int r = bound_read(writer, schema, path, 1, false, &low);
    if (r == 0) r = bound_read(writer, schema, path, -1, false, &high);
    if (r < 0) return r;
    if (!low.given && !high.given) {
        g_string_append(out, "number");
        return 0;
    }
    int order = compare_bounds(&low, &high);
    if (order > 0 || (order == 0 && (low.exclusive || high.exclusive)))
        return fail_range(writer, path);
    g_string_append(out, "(");
    if (low.negative && low.magnitude > 0) {
        bool below = high.negative && high.magnitude > 0;
        struct Edge near = {below ? high.magnitude : 0,
                            below ? high.exclusive : high.magnitude == 0 && high.exclusive};
        GString *part = g_string_new(NULL);
        bool some = false;
        decimals(part, near, (struct Edge){low.magnitude, low.exclusive}, &some);
        alternative(out, &any);
        g_string_append_printf(out, "\"-\" (%s)", part->str);
        g_string_free(part, TRUE);
    }
    if (!high.negative || high.magnitude == 0) {
        bool above = !low.negative || low.magnitude == 0;
        struct Edge near = {above ? low.magnitude : 0, above && low.exclusive};
        if (high.magnitude > 0 || !high.exclusive)
            decimals(out, near, (struct Edge){high.magnitude, high.exclusive}, &any);
    }
    g_string_append(out, ")");
    return 0;
}
