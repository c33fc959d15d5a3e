/* Methods of strings that give a string, a number or a boolean. */
#include <string.h>

#include "engine/chat/builtin.h"
#include "engine/chat/case.h"
#include "engine/chat/compare.h"
#include "engine/chat/format.h"
#include "engine/chat/methods.h"
#include "engine/text/unicode.h"

/* ---- Stripping ---- */

static bool is_one_of(const struct Text *characters, const char *bytes, unsigned n, uint32_t c) {
    if (!characters) return character_is_space(c);
    struct Text needle = {.bytes = bytes, .size = n};
    return text_find(characters, &needle, 0) != TEXT_NOT_FOUND;
}

/* The size of the character that ends at `end`. */
static unsigned last_size(const struct Text *text, size_t end, uint32_t *ret) {
    for (unsigned n = UTF8_MAX_SIZE; n > 1; n--)
        if (n <= end && utf8_decode(text->bytes + end - n, n, ret) == n) return n;
    return utf8_decode(text->bytes + end - 1, 1, ret);
}

const struct Text *text_strip(struct Run *run, const struct Text *text,
                              const struct Text *characters, enum Side side) {
    size_t from = 0, end = text->size;
    uint32_t c;
    while ((side & SIDE_LEFT) && from < end) {
        unsigned n = utf8_decode(text->bytes + from, end - from, &c);
        if (!is_one_of(characters, text->bytes + from, n, c)) break;
        from += n;
    }
    while ((side & SIDE_RIGHT) && end > from) {
        unsigned n = last_size(text, end, &c);
        if (!is_one_of(characters, text->bytes + end - n, n, c)) break;
        end -= n;
    }
    run_work(run, text->size - (end - from));
    return text_part(run->arena, text, from, end - from);
}

static Value strip(struct Run *run, Value self, Value characters, enum Side side) {
    if (characters.kind != VALUE_MISSING && characters.kind != VALUE_NONE &&
        characters.kind != VALUE_STRING)
        return run_fail(run, "strip() takes a string, not %s", value_kind_name(characters));
    const struct Text *set = characters.kind == VALUE_STRING ? characters.text : NULL;
    return value_text(text_strip(run, self.text, set, side));
}

static Value method_strip(struct Run *run, Value self, const Value *a,
                          const struct Arguments *all) {
    return strip(run, self, a[0], SIDE_BOTH);
}

static Value method_lstrip(struct Run *run, Value self, const Value *a,
                           const struct Arguments *all) {
    return strip(run, self, a[0], SIDE_LEFT);
}

static Value method_rstrip(struct Run *run, Value self, const Value *a,
                           const struct Arguments *all) {
    return strip(run, self, a[0], SIDE_RIGHT);
}

/* ---- Beginnings and ends ---- */

static bool has_affix(struct Run *run, Value self, Value affix, bool at_start) {
    if (affix.kind == VALUE_LIST && affix.list->form == LIST_TUPLE) {
        for (size_t i = 0; i < affix.list->n; i++)
            if (has_affix(run, self, affix.list->items[i], at_start)) return true;
        return false;
    }
    const struct Text *text = argument_text(run, affix, "");
    return at_start ? text_starts(self.text, text) : text_ends(self.text, text);
}

static Value method_startswith(struct Run *run, Value self, const Value *a,
                               const struct Arguments *all) {
    return value_bool(has_affix(run, self, a[0], true));
}

static Value method_endswith(struct Run *run, Value self, const Value *a,
                             const struct Arguments *all) {
    return value_bool(has_affix(run, self, a[0], false));
}

static Value method_removeprefix(struct Run *run, Value self, const Value *a,
                                 const struct Arguments *all) {
    const struct Text *text = self.text, *prefix = argument_text(run, a[0], "");
    if (!text_starts(text, prefix)) return self;
    return value_text(text_part(run->arena, text, prefix->size, text->size - prefix->size));
}

static Value method_removesuffix(struct Run *run, Value self, const Value *a,
                                 const struct Arguments *all) {
    const struct Text *text = self.text, *suffix = argument_text(run, a[0], "");
    if (!text_ends(text, suffix)) return self;
    return value_text(text_part(run->arena, text, 0, text->size - suffix->size));
}

/* ---- Case ---- */

const struct Text *text_cased(struct Run *run, const struct Text *text, bool upper) {
    struct TextBuilder builder = {.arena = run->arena};
    run_work(run, text->size);
    builder_add_cased(&builder, text, 0, text->size, upper ? CASE_UPPER : CASE_LOWER);
    return builder_finish(&builder);
}

const struct Text *text_capitalized(struct Run *run, const struct Text *text) {
    struct TextBuilder builder = {.arena = run->arena};
    size_t first = text_offset(text, 1);
    run_work(run, text->size);
    builder_add_cased(&builder, text, 0, first, CASE_UPPER);
    builder_add_cased(&builder, text, first, text->size - first, CASE_LOWER);
    return builder_finish(&builder);
}

static Value method_upper(struct Run *run, Value self, const Value *a,
                          const struct Arguments *all) {
    return value_text(text_cased(run, self.text, true));
}

static Value method_lower(struct Run *run, Value self, const Value *a,
                          const struct Arguments *all) {
    return value_text(text_cased(run, self.text, false));
}

static Value method_capitalize(struct Run *run, Value self, const Value *a,
                               const struct Arguments *all) {
    return value_text(text_capitalized(run, self.text));
}

/* A word begins after whatever has no case. */
static Value method_title(struct Run *run, Value self, const Value *a,
                          const struct Arguments *all) {
    struct TextBuilder builder = {.arena = run->arena};
    bool inside = false;
    uint32_t c;
    run_work(run, self.text->size);
    for (size_t at = 0; at < self.text->size;) {
        unsigned n = utf8_decode(self.text->bytes + at, self.text->size - at, &c);
        builder_add_cased(&builder, self.text, at, n, inside ? CASE_LOWER : CASE_UPPER);
        inside = character_is(c, CASE_UPPER) || character_is(c, CASE_LOWER);
        at += n;
    }
    return value_text(builder_finish(&builder));
}

/* ---- Kinds of characters ---- */

static bool is_letter(uint32_t c) {
    return c != UTF8_INVALID && unicode_class(c) == UNICODE_LETTER;
}

static bool is_digit(uint32_t c) {
    return c - '0' < 10;
}

static bool is_alphanumeric(uint32_t c) {
    return is_letter(c) || (c != UTF8_INVALID && unicode_class(c) == UNICODE_NUMBER);
}

static bool all_are(struct Run *run, const struct Text *text, bool (*is)(uint32_t c)) {
    uint32_t c;
    run_work(run, text->size);
    for (size_t at = 0; at < text->size;) {
        at += utf8_decode(text->bytes + at, text->size - at, &c);
        if (!is(c)) return false;
    }
    return text->size > 0;
}

static Value method_isalpha(struct Run *run, Value self, const Value *a,
                            const struct Arguments *all) {
    return value_bool(all_are(run, self.text, is_letter));
}

static Value method_isdigit(struct Run *run, Value self, const Value *a,
                            const struct Arguments *all) {
    return value_bool(all_are(run, self.text, is_digit));
}

static Value method_isalnum(struct Run *run, Value self, const Value *a,
                            const struct Arguments *all) {
    return value_bool(all_are(run, self.text, is_alphanumeric));
}

static Value method_isspace(struct Run *run, Value self, const Value *a,
                            const struct Arguments *all) {
    return value_bool(all_are(run, self.text, character_is_space));
}

/* Some letters have this case, and none the other. */
static Value has_case(struct Run *run, const struct Text *text, enum Case which) {
    bool some = false;
    uint32_t c;
    run_work(run, text->size);
    for (size_t at = 0; at < text->size;) {
        at += utf8_decode(text->bytes + at, text->size - at, &c);
        if (character_is(c, !which)) return value_bool(false);
        some |= character_is(c, which);
    }
    return value_bool(some);
}

static Value method_isupper(struct Run *run, Value self, const Value *a,
                            const struct Arguments *all) {
    return has_case(run, self.text, CASE_UPPER);
}

static Value method_islower(struct Run *run, Value self, const Value *a,
                            const struct Arguments *all) {
    return has_case(run, self.text, CASE_LOWER);
}

/* ---- Searching and replacing ---- */

const struct Text *text_replace(struct Run *run, const struct Text *text, const struct Text *old,
                                const struct Text *new, int64_t n_max) {
    struct TextBuilder builder = {.arena = run->arena};
    size_t from = 0, at;
    run_work(run, text->size);
    for (; n_max != 0 && !run_stopped(run); n_max--) {
        at = text_find(text, old, from);
        if (at == TEXT_NOT_FOUND) break;
        builder_add_part(&builder, text, from, at - from);
        builder_add_text(&builder, new);
        run_work(run, new->size);
        from = at + old->size;
        if (old->size > 0) continue;
        /* between all characters, and at both ends */
        if (at == text->size) break;
        uint32_t c;
        unsigned n = utf8_decode(text->bytes + at, text->size - at, &c);
        builder_add_part(&builder, text, at, n);
        from = at + n;
    }
    if (from == 0) return text->size == 0 && builder.size > 0 ? builder_finish(&builder) : text;
    builder_add_part(&builder, text, from, text->size - from);
    return builder_finish(&builder);
}

static Value method_replace(struct Run *run, Value self, const Value *a,
                            const struct Arguments *all) {
    return value_text(text_replace(run, self.text, argument_text(run, a[0], ""),
                                   argument_text(run, a[1], ""), argument_int(run, a[2], -1)));
}

static int64_t characters_before(const struct Text *text, size_t at) {
    if (at == TEXT_NOT_FOUND) return -1;
    struct Text before = {.bytes = text->bytes, .size = at};
    return (int64_t)text_length(&before);
}

static int64_t find(struct Run *run, Value self, const Value *a, bool last) {
    int64_t from = argument_int(run, a[1], 0), n = (int64_t)text_length(self.text);
    if (from < 0) from = from + n < 0 ? 0 : from + n;
    const struct Text *needle = argument_text(run, a[0], "");
    size_t start = from > n ? TEXT_NOT_FOUND : text_offset(self.text, (size_t)from);
    run_work(run, self.text->size);
    if (start == TEXT_NOT_FOUND) return -1;
    size_t at = last ? text_rfind(self.text, needle, TEXT_NOT_FOUND - 1)
                     : text_find(self.text, needle, start);
    return at != TEXT_NOT_FOUND && at < start ? -1 : characters_before(self.text, at);
}

static Value method_search(struct Run *run, Value self, const Value *a,
                           const struct Arguments *all) {
    return value_int(find(run, self, a, false));
}

static Value method_rfind(struct Run *run, Value self, const Value *a,
                          const struct Arguments *all) {
    return value_int(find(run, self, a, true));
}

static Value method_index(struct Run *run, Value self, const Value *a,
                          const struct Arguments *all) {
    int64_t at = find(run, self, a, false);
    return at < 0 ? run_fail(run, "index(): the string is not there") : value_int(at);
}

static Value method_count(struct Run *run, Value self, const Value *a,
                          const struct Arguments *all) {
    const struct Text *needle = argument_text(run, a[0], "");
    int64_t n = 0;
    run_work(run, self.text->size);
    if (needle->size == 0) return value_int((int64_t)text_length(self.text) + 1);
    for (size_t at = 0; (at = text_find(self.text, needle, at)) != TEXT_NOT_FOUND; n++)
        at += needle->size;
    return value_int(n);
}

static Value method_format(struct Run *run, Value self, const Value *a,
                           const struct Arguments *all) {
    return format_braces(run, self.text, all);
}

const struct Builtin METHODS_OF_TEXT[] = {
    {"strip", method_strip, "chars", 0},
    {"lstrip", method_lstrip, "chars", 0},
    {"rstrip", method_rstrip, "chars", 0},
    {"startswith", method_startswith, "prefix", 1},
    {"endswith", method_endswith, "suffix", 1},
    {"removeprefix", method_removeprefix, "prefix", 1},
    {"removesuffix", method_removesuffix, "suffix", 1},
    {"upper", method_upper, "", 0},
    {"lower", method_lower, "", 0},
    {"casefold", method_lower, "", 0},
    {"capitalize", method_capitalize, "", 0},
    {"title", method_title, "", 0},
    {"isalpha", method_isalpha, "", 0},
    {"isdigit", method_isdigit, "", 0},
    {"isnumeric", method_isdigit, "", 0},
    {"isdecimal", method_isdigit, "", 0},
    {"isalnum", method_isalnum, "", 0},
    {"isspace", method_isspace, "", 0},
    {"isupper", method_isupper, "", 0},
    {"islower", method_islower, "", 0},
    {"replace", method_replace, "old new count", 2},
    {"find", method_search, "sub start", 1},
    {"rfind", method_rfind, "sub start", 1},
    {"index", method_index, "sub start", 1},
    {"count", method_count, "sub", 1},
    {"format", method_format, NULL, 0},
    {NULL},
};
