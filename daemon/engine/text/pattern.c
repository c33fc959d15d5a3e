#include "engine/text/pattern.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/text/unicode.h"

/* ---- Characters ---- */

#define CODE_BITS 21
#define CLASS_BITS 3
#define CODE_MASK ((1U << CODE_BITS) - 1)
#define CLASS_MASK ((1U << CLASS_BITS) - 1)
#define ASCII_END 0x80
#define VERTICAL_TAB 0x0b
#define REPLACEMENT 0xfffd

static PatternChar make_char(uint32_t code, enum UnicodeClass class, unsigned size) {
    if (class == UNICODE_SPACE && code >= ASCII_END) code = VERTICAL_TAB;
    return code | (uint32_t) class << CODE_BITS | (uint32_t)size << (CODE_BITS + CLASS_BITS);
}

PatternChar pattern_char(const char *text, size_t size) {
    uint32_t code;
    unsigned n = utf8_decode(text, size, &code);
    if (code == UTF8_INVALID) code = REPLACEMENT;
    return make_char(code, unicode_class(code), n);
}

unsigned pattern_char_size(PatternChar character) {
    return character >> (CODE_BITS + CLASS_BITS);
}

/* ---- The program ---- */

struct Class {
    uint64_t ascii[2];  /* whether it has the character */
    uint8_t categories; /* 1 << enum UnicodeClass; of characters outside of ASCII, before `not` */
    bool not ;
    uint16_t from, to; /* ranges, outside of ASCII as well */
};

enum NodeKind {
    NODE_ACCEPT,
    NODE_CLASS,     /* min to max characters of the class */
    NODE_FORK,      /* next, or else other */
    NODE_AHEAD,     /* other matches here */
    NODE_NOT_AHEAD, /* it doesn't */
    NODE_END,
};

struct Node {
    uint8_t kind; /* enum NodeKind */
    uint8_t class;
    uint16_t next, other;
    uint32_t min, max;
};

/* More than the longest pattern of the table needs. */
#define MAX_NODES 160
#define MAX_CLASSES 128
#define MAX_RANGES 224

struct Pattern {
    struct Node nodes[MAX_NODES];
    struct Class classes[MAX_CLASSES];
    struct {
        uint32_t first, last;
    } ranges[MAX_RANGES];
    uint16_t n_nodes, n_classes, n_ranges;
    uint16_t start;
};

/* ---- Compiling classes ---- */

static bool is_category(const char *at) {
    return at[0] == '\\' && strchr("pPsS", at[1]);
}

/* The categories that \p{L}, \P{L}, \s or \S names; moves behind it. */
static uint8_t take_categories(const char **at) {
    static const char LETTERS[] = {
        [UNICODE_LETTER] = 'L', [UNICODE_NUMBER] = 'N', [UNICODE_PUNCTUATION] = 'P',
        [UNICODE_SYMBOL] = 'S', [UNICODE_MARK] = 'M',
    };
    char kind = (*at)[1];
    unsigned class = UNICODE_SPACE;
    if (kind == 'p' || kind == 'P') {
        const char *letter = memchr(LETTERS, (*at)[3], sizeof LETTERS);
        assert((*at)[2] == '{' && letter && (*at)[4] == '}');
        class = (unsigned)(letter - LETTERS);
    }
    *at += kind == 'p' || kind == 'P' ? 5 : 2;
    uint8_t bit = (uint8_t)(1U << class);
    return kind == 'P' || kind == 'S' ? (uint8_t)~bit : bit;
}

/* One character, escaped or not; moves behind it. */
static uint32_t take_code(const char **at) {
    static const char NAMES[] = "rnt", CODES[] = "\r\n\t";
    uint32_t code;
    if (**at == '\\') {
        const char *name = strchr(NAMES, (*at)[1]);
        code = name ? (uint32_t)CODES[name - NAMES] : (uint32_t)(*at)[1];
        assert(code < ASCII_END && code != 0);
        *at += 2;
        return code;
    }
    *at += utf8_decode(*at, strlen(*at), &code);
    assert(code != UTF8_INVALID);
    return code;
}

static void add_categories(struct Class *class, uint8_t categories) {
    class->categories |= categories;
    for (uint32_t c = 0; c < ASCII_END; c++)
        if (categories >> (make_char(c, unicode_class(c), 1) >> CODE_BITS & CLASS_MASK) & 1)
            class->ascii[c / 64] |= 1ULL << c % 64;
}

static void add_range(struct Pattern *pattern, struct Class *class, uint32_t first, uint32_t last) {
    assert(first <= last && pattern->n_ranges < MAX_RANGES);
    for (uint32_t c = first; c <= last && c < ASCII_END; c++)
        class->ascii[c / 64] |= 1ULL << c % 64;
    if (last < ASCII_END) return;
    pattern->ranges[pattern->n_ranges].first = first;
    pattern->ranges[pattern->n_ranges++].last = last;
}

/* One of [^a-z\p{L}], \p{L} or a, from `at` to `end`. */
static uint8_t compile_class(struct Pattern *pattern, const char *at, const char *end) {
    assert(pattern->n_classes < MAX_CLASSES);
    struct Class *class = &pattern->classes[pattern->n_classes];
    class->from = pattern->n_ranges;
    if (*at == '[') {
        at++;
        end--;
        if (*at == '^') {
            class->not = true;
            at++;
        }
    }
    while (at < end) {
        if (is_category(at)) {
            add_categories(class, take_categories(&at));
            continue;
        }
        uint32_t first = take_code(&at), last = first;
        if (end - at >= 2 && *at == '-') {
            at++;
            last = take_code(&at);
        }
        add_range(pattern, class, first, last);
    }
    class->to = pattern->n_ranges;
    for (unsigned i = 0; class->not &&i < 2; i++) class->ascii[i] = ~class->ascii[i];
    return (uint8_t)pattern->n_classes++;
}

/* ---- Compiling sequences ---- */

static const char *skip_class(const char *at) {
    while (*at != ']') {
        assert(*at);
        at += *at == '\\' ? 2 : 1;
    }
    return at + 1;
}

static const char *skip_item(const char *at, const char *end) {
    unsigned depth = 0;
    do {
        assert(at < end);
        if (*at == '[') {
            at = skip_class(at);
        } else if (is_category(at)) {
            take_categories(&at);
        } else {
            depth += *at == '(';
            depth -= *at == ')';
            take_code(&at);
        }
    } while (depth > 0);
    return at;
}

/* How often the item before `at` stands there; moves behind what says so. */
static void take_count(const char **at, const char *end, uint32_t *ret_min, uint32_t *ret_max) {
    char kind = *at < end ? **at : '\0';
    char *after;
    *ret_min = kind == '?' || kind == '*' ? 0 : 1;
    *ret_max = kind == '*' || kind == '+' ? UINT32_MAX : 1;
    if (kind == '?' || kind == '*' || kind == '+') ++*at;
    if (kind != '{') return;
    *ret_min = *ret_max = (uint32_t)strtoul(*at + 1, &after, 10);
    if (*after == ',') *ret_max = (uint32_t)strtoul(after + 1, &after, 10);
    assert(*after == '}');
    *at = after + 1;
}

static uint16_t add_node(struct Pattern *pattern, struct Node node) {
    assert(pattern->n_nodes < MAX_NODES);
    pattern->nodes[pattern->n_nodes] = node;
    return pattern->n_nodes++;
}

static uint16_t compile_choice(struct Pattern *pattern, const char *at, const char *end,
                               uint16_t next);

/* "(?...)" from `at` to `end` */
static uint16_t compile_group(struct Pattern *pattern, const char *at, const char *end,
                              bool optional, uint16_t next) {
    struct Node node = {.next = next};
    assert(at[1] == '?');
    node.kind = at[2] == '=' ? NODE_AHEAD : at[2] == '!' ? NODE_NOT_AHEAD : NODE_FORK;
    if (node.kind != NODE_FORK) {
        node.other = compile_choice(pattern, at + 3, end - 1, 0);
        return add_node(pattern, node);
    }
    assert(at[2] == ':');
    node.next = compile_choice(pattern, at + 3, end - 1, next);
    node.other = next;
    return optional ? add_node(pattern, node) : node.next;
}

static uint16_t compile_sequence(struct Pattern *pattern, const char *at, const char *end,
                                 uint16_t next) {
    if (at == end) return next;
    struct Node node = {.kind = NODE_CLASS};
    const char *item_end = skip_item(at, end), *after = item_end;
    take_count(&after, end, &node.min, &node.max);
    node.next = compile_sequence(pattern, after, end, next);
    if (*at == '(') {
        assert(node.max == 1);
        return compile_group(pattern, at, item_end, node.min == 0, node.next);
    }
    if (*at == '$')
        node.kind = NODE_END;
    else
        node.class = compile_class(pattern, at, item_end);
    return add_node(pattern, node);
}

static uint16_t compile_choice(struct Pattern *pattern, const char *at, const char *end,
                               uint16_t next) {
    const char *bar = at;
    while (bar < end && *bar != '|') bar = skip_item(bar, end);
    uint16_t first = compile_sequence(pattern, at, bar, next);
    if (bar == end) return first;
    struct Node node = {.kind = NODE_FORK, .next = first};
    node.other = compile_choice(pattern, bar + 1, end, next);
    return add_node(pattern, node);
}

struct Pattern *pattern_new(const char *source) {
    struct Pattern *pattern = calloc(1, sizeof *pattern);
    if (!pattern) return NULL;
    add_node(pattern, (struct Node){.kind = NODE_ACCEPT}); /* is node 0 */
    pattern->start = compile_choice(pattern, source, source + strlen(source), 0);
    return pattern;
}

struct Pattern *pattern_free(struct Pattern *pattern) {
    free(pattern);
    return NULL;
}

/* ---- Matching ---- */

#define NO_MATCH UINT32_MAX

struct Search {
    const struct Pattern *pattern;
    const PatternChar *chars;
    uint32_t to;
    struct PatternMemo *memo;
};

#define MEMORABLE 32 /* shorter runs are looked at again sooner than looked up */

static bool class_has(const struct Pattern *pattern, const struct Class *class, PatternChar c) {
    uint32_t code = c & CODE_MASK;
    if (code < ASCII_END) return class->ascii[code / 64] >> code % 64 & 1;
    bool in = class->categories >> (c >> CODE_BITS & CLASS_MASK) & 1;
    for (unsigned i = class->from; !in && i < class->to; i++)
        in = code >= pattern->ranges[i].first && code <= pattern->ranges[i].last;
    return in != class->not ;
}

static uint32_t match(const struct Search *search, uint16_t start, uint32_t at);

/* Where what follows the loop doesn't match behind any part of a run, it doesn't behind any part of
 * the run's rest, either. */
static void remember(const struct Search *search, const struct Node *node, uint32_t at,
                     uint32_t n) {
    if (n < MEMORABLE || node->max != UINT32_MAX) return;
    *search->memo = (struct PatternMemo){
        .node = (uint32_t)(node - search->pattern->nodes),
        .from = at,
        .to = at + n,
    };
}

static bool is_remembered(const struct Search *search, const struct Node *node, uint32_t at) {
    const struct PatternMemo *memo = search->memo;
    return node - search->pattern->nodes == memo->node && at >= memo->from && at <= memo->to;
}

/* The longest run first, then shorter ones. */
static uint32_t match_run(const struct Search *search, const struct Node *node, uint32_t at) {
    const struct Pattern *pattern = search->pattern;
    const struct Class *class = &pattern->classes[node->class];
    uint32_t most = search->to - at < node->max ? search->to - at : node->max, n = 0;
    if (is_remembered(search, node, at)) return NO_MATCH;
    while (n < most && class_has(pattern, class, search->chars[at + n])) n++;
    for (uint32_t i = n + 1; i-- > node->min;) {
        uint32_t end = match(search, node->next, at + i);
        if (end != NO_MATCH) return end;
    }
    remember(search, node, at, n);
    return NO_MATCH;
}

/* Where the match ends that begins at `at`. */
static uint32_t match(const struct Search *search, uint16_t start, uint32_t at) {
    const struct Pattern *pattern = search->pattern;
    for (const struct Node *node = &pattern->nodes[start];; node = &pattern->nodes[node->next]) {
        const struct Class *class = &pattern->classes[node->class];
        uint32_t end;
        switch ((enum NodeKind)node->kind) {
        case NODE_ACCEPT:
            return at;
        case NODE_CLASS:
            if (node->min != 1 || node->max != 1) return match_run(search, node, at);
            if (at == search->to || !class_has(pattern, class, search->chars[at])) return NO_MATCH;
            at++;
            break;
        case NODE_FORK:
            end = match(search, node->next, at);
            return end != NO_MATCH ? end : match(search, node->other, at);
        case NODE_AHEAD:
        case NODE_NOT_AHEAD:
            end = match(search, node->other, at);
            if ((end != NO_MATCH) != (node->kind == NODE_AHEAD)) return NO_MATCH;
            break;
        case NODE_END:
            if (at != search->to) return NO_MATCH;
            break;
        }
    }
}

bool pattern_find(const struct Pattern *pattern, const PatternChar *chars, uint32_t from,
                  uint32_t to, struct PatternMemo *memo, uint32_t *ret_start, uint32_t *ret_end) {
    const struct Search search = {pattern, chars, to, memo};
    for (uint32_t at = from; at < to; at++) {
        uint32_t end = match(&search, pattern->start, at);
        if (end == NO_MATCH) continue;
        assert(end > at);
        *ret_start = at;
        *ret_end = end;
        return true;
    }
    return false;
}
