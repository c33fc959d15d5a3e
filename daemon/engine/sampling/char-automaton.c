#include "engine/sampling/char-automaton.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/limits.h"

#define BYTES 256
#define CONTINUATION_FIRST 0x80
#define CONTINUATIONS 64

struct CharClass {
    CharSet set;
    uint64_t hash;
    uint16_t state;
};

/* First bytes of characters of two, three and four bytes, and the code points they spell. */
static const struct Length {
    uint8_t first, last, bits; /* of the first byte, which it gives to the code point */
    unsigned n_continuations;
    uint32_t least, most;
} LENGTHS[] = {
    {0xc2, 0xdf, 0x1f, 1, 0x80, 0x7ff},
    {0xe0, 0xef, 0x0f, 2, 0x800, 0xffff},
    {0xf0, 0xf4, 0x07, 3, 0x10000, CODE_POINT_MAX},
};
#define SURROGATE_FIRST 0xd800U
#define SURROGATE_LAST 0xdfffU

/* ---- States while it is built: rows of 256 ---- */

static int state_add(CharAutomaton *automaton, uint16_t *ret, Reason *why) {
    if (automaton->n_states == automaton->room) {
        uint32_t room = automaton->room ? 2 * automaton->room : 64;
        uint16_t *grown = realloc(automaton->next, (size_t)room * BYTES * sizeof *grown);
        if (!grown) return reason_set(why, ENOMEM, "out of memory");
        automaton->next = grown;
        automaton->room = room;
    }
    if (automaton->n_states >= GRAMMAR_MAX_CHAR_STATES)
        return reason_set(why, E2BIG, "the character classes of the grammar are too many");
    memset(automaton->next + (size_t)automaton->n_states * BYTES, CHAR_DEAD,
           BYTES * sizeof *automaton->next);
    *ret = (uint16_t)automaton->n_states++;
    return 0;
}

static uint16_t *row(CharAutomaton *automaton, uint16_t state) {
    return automaton->next + (size_t)state * BYTES;
}

/* The state that takes any `n` continuation bytes: states of their own from CHAR_FIRST_STATE on. */
static uint16_t any_state(unsigned n) {
    return n == 0 ? CHAR_DONE : (uint16_t)(CHAR_FIRST_STATE + n - 1);
}

int char_automaton_init(CharAutomaton *automaton) {
    *automaton = (CharAutomaton){0};
    uint16_t state;
    int r = 0;
    for (unsigned i = 0; r == 0 && i < CHAR_FIRST_STATE + 3; i++) {
        r = state_add(automaton, &state, NULL);
        for (unsigned byte = 0; r == 0 && i >= CHAR_FIRST_STATE && byte < CONTINUATIONS; byte++)
            row(automaton, state)[CONTINUATION_FIRST + byte] = any_state(i - CHAR_FIRST_STATE);
    }
    if (r < 0) char_automaton_done(automaton);
    return r;
}

static void classes_free(CharAutomaton *automaton) {
    for (uint32_t i = 0; i < automaton->n_classes; i++) charset_done(&automaton->classes[i].set);
    free(automaton->classes);
    automaton->classes = NULL;
    automaton->n_classes = automaton->classes_room = 0;
}

void char_automaton_done(CharAutomaton *automaton) {
    classes_free(automaton);
    free(automaton->next);
    automaton->next = NULL;
}

/* ---- Classes ---- */

/* The state for the characters of `set` from `base` on that `n` continuation bytes tell apart. */
static int subset_add(CharAutomaton *automaton, const CharSet *set, uint32_t base, unsigned n,
                      uint16_t *ret, Reason *why) {
    uint32_t size = 1U << (6 * n);
    enum CharsetCover cover = charset_cover(set, base, base + size - 1);
    uint16_t state, target;
    if (cover != CHARSET_SOME) {
        *ret = cover == CHARSET_ALL ? any_state(n) : CHAR_DEAD;
        return 0;
    }
    int r = state_add(automaton, &state, why);
    for (unsigned i = 0; r == 0 && i < CONTINUATIONS; i++) {
        r = subset_add(automaton, set, base + i * (size / CONTINUATIONS), n - 1, &target, why);
        if (r == 0) row(automaton, state)[CONTINUATION_FIRST + i] = target;
    }
    if (r == 0) *ret = state;
    return r;
}

/* The characters of one length. */
static int length_add(CharAutomaton *automaton, const CharSet *set, const struct Length *length,
                      uint16_t state, Reason *why) {
    CharSet part = {0};
    uint16_t target;
    int r = charset_copy(set, &part);
    if (r < 0) return reason_set(why, -r, "out of memory");
    charset_clip(&part, length->least, length->most);
    for (unsigned byte = length->first; r == 0 && byte <= length->last; byte++) {
        uint32_t base = (byte & length->bits) << (6 * length->n_continuations);
        r = subset_add(automaton, &part, base, length->n_continuations, &target, why);
        if (r == 0) row(automaton, state)[byte] = target;
    }
    charset_done(&part);
    return r;
}

static int without_surrogates(const CharSet *set, CharSet *ret) {
    CharSet low = {0}, high = {0};
    int r = charset_copy(set, &low);
    if (r == 0) r = charset_copy(set, &high);
    charset_clip(&low, 0, SURROGATE_FIRST - 1);
    charset_clip(&high, SURROGATE_LAST + 1, CODE_POINT_MAX);
    if (r == 0) r = charset_add_set(&low, &high);
    charset_done(&high);
    if (r < 0)
        charset_done(&low);
    else
        *ret = low;
    return r;
}

static int class_build(CharAutomaton *automaton, const CharSet *set, uint16_t *ret, Reason *why) {
    CharSet characters = {0};
    uint16_t state = 0;
    int r = without_surrogates(set, &characters);
    if (r < 0) return reason_set(why, -r, "out of memory");
    r = state_add(automaton, &state, why);
    for (unsigned byte = 0; r == 0 && byte < 0x80; byte++)
        if (charset_has(&characters, byte)) row(automaton, state)[byte] = CHAR_DONE;
    for (size_t i = 0; r == 0 && i < sizeof LENGTHS / sizeof *LENGTHS; i++)
        r = length_add(automaton, &characters, &LENGTHS[i], state, why);
    charset_done(&characters);
    if (r == 0) *ret = state;
    return r;
}

static uint64_t set_hash(const CharSet *set) {
    uint64_t hash = set->n;
    for (size_t i = 0; i < set->n; i++) {
        hash = (hash ^ set->ranges[i].first) * 0xbf58476d1ce4e5b9;
        hash = (hash ^ hash >> 29 ^ set->ranges[i].last) * 0x94d049bb133111eb;
    }
    return hash;
}

static const struct CharClass *class_find(const CharAutomaton *automaton, const CharSet *set,
                                          uint64_t hash) {
    for (uint32_t i = 0; i < automaton->n_classes; i++) {
        const struct CharClass *class = &automaton->classes[i];
        if (class->hash == hash && class->set.n == set->n &&
            (set->n == 0 || !memcmp(class->set.ranges, set->ranges, set->n * sizeof *set->ranges)))
            return class;
    }
    return NULL;
}

static int class_remember(CharAutomaton *automaton, struct CharClass class) {
    if (automaton->n_classes == automaton->classes_room) {
        uint32_t room = automaton->classes_room ? 2 * automaton->classes_room : 16;
        struct CharClass *grown = realloc(automaton->classes, room * sizeof *grown);
        if (!grown) return -ENOMEM;
        automaton->classes = grown;
        automaton->classes_room = room;
    }
    automaton->classes[automaton->n_classes++] = class;
    return 0;
}

int char_automaton_add(CharAutomaton *automaton, const CharSet *set, uint16_t *ret, Reason *why) {
    struct CharClass new = {.hash = set_hash(set)};
    const struct CharClass *class = class_find(automaton, set, new.hash);
    if (class) {
        *ret = class->state;
        return 0;
    }
    int r = class_build(automaton, set, &new.state, why);
    if (r < 0) return r;
    r = charset_copy(set, &new.set);
    if (r == 0) r = class_remember(automaton, new);
    if (r < 0) {
        charset_done(&new.set);
        return reason_set(why, -r, "out of memory");
    }
    *ret = new.state;
    return 0;
}

int char_automaton_add_byte(CharAutomaton *automaton, uint8_t byte, uint16_t *ret, Reason *why) {
    if (automaton->bytes[byte] == 0) {
        int r = state_add(automaton, &automaton->bytes[byte], why);
        if (r < 0) return r;
        row(automaton, automaton->bytes[byte])[byte] = CHAR_DONE;
    }
    *ret = automaton->bytes[byte];
    return 0;
}

/* ---- Kinds of bytes ---- */

/* Splits the kinds by what one state does with them. Returns how many there are then. */
static unsigned kinds_refine(uint8_t kinds[BYTES], unsigned n_kinds, const uint16_t *next) {
    struct {
        uint8_t kind;
        uint16_t target;
    } seen[BYTES];
    unsigned n = 0;
    bool same = true;
    uint16_t first[BYTES];
    bool known[BYTES] = {false};
    for (unsigned byte = 0; same && byte < BYTES; byte++) {
        if (!known[kinds[byte]]) first[kinds[byte]] = next[byte];
        known[kinds[byte]] = true;
        same = first[kinds[byte]] == next[byte];
    }
    if (same) return n_kinds; /* the rule once there are a few classes */
    for (unsigned byte = 0; byte < BYTES; byte++) {
        unsigned i = 0;
        while (i < n && (seen[i].kind != kinds[byte] || seen[i].target != next[byte])) i++;
        if (i == n) {
            seen[n].kind = kinds[byte];
            seen[n++].target = next[byte];
        }
        kinds[byte] = (uint8_t)i; /* seen[] holds the old kinds */
    }
    return n;
}

int char_automaton_seal(CharAutomaton *automaton) {
    unsigned n_kinds = 1;
    uint8_t example[BYTES];
    memset(automaton->byte_kinds, 0, sizeof automaton->byte_kinds);
    for (uint32_t i = 0; i < automaton->n_states; i++)
        n_kinds = kinds_refine(automaton->byte_kinds, n_kinds, row(automaton, (uint16_t)i));
    for (unsigned byte = 0; byte < BYTES; byte++)
        example[automaton->byte_kinds[byte]] = (uint8_t)byte;

    size_t size = (size_t)automaton->n_states * n_kinds;
    uint16_t *next = malloc(size * sizeof *next);
    if (!next) return -ENOMEM;
    for (uint32_t i = 0; i < automaton->n_states; i++)
        for (unsigned kind = 0; kind < n_kinds; kind++)
            next[i * n_kinds + kind] = row(automaton, (uint16_t)i)[example[kind]];
    free(automaton->next);
    automaton->next = next;
    automaton->n_kinds = n_kinds;
    classes_free(automaton);
    return 0;
}
