#include "engine/sampling/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/limits.h"
#include "engine/sampling/stacks.h"
#include "engine/text/vocabulary.h"

/* A way to read the text so far: it waits for the character or token at `place`, of which
 * `progress` (a state of the CharAutomaton) was read, with `stacks` below. */
struct Reading {
    uint32_t place, progress, stacks;
};

struct StateRow {
    uint32_t first, n; /* of readings; sorted, one for each place and progress */
    uint32_t tag;
    bool accepts, has_tokens;
};

struct Pending { /* a frame for the stacks of a rule that begins here */
    struct Frame frame;
    uint32_t next; /* + 1, or 0 */
};

struct Reader {
    struct ReaderTable table; /* first */
    Grammar *grammar;
    Token *tokens; /* [grammar->n_tokens] */
    Stacks stacks;
    struct StateRow *states;
    uint32_t n_states, states_room;
    struct Reading *readings;
    uint32_t n_readings, readings_room;
    struct Interned index;
    uint64_t work;

    /* The step being made: what it has led to, ... */
    struct Reading *found;
    uint32_t n_found, found_room;
    bool accepts;
    /* ... frames that reading goes on in, each once, ... */
    struct Frame *resumed;
    uint32_t n_resumed, resumed_room;
    struct Interned resumed_index;
    /* ... and rules that begin, with what is to follow them. */
    uint32_t *pending_of; /* [n_rules]: + 1, or 0 */
    struct Pending *pending;
    uint32_t n_pending, pending_room;
    uint32_t *heap; /* [n_rules]: those that have any, the smallest first */
    uint32_t n_heap;
    struct Frame *frames; /* scratch */
    uint32_t frames_room;
};

static int fail_memory(Reason *why) {
    return reason_set(why, ENOMEM, "out of memory");
}

/* Room for one more. */
static int grow(void *array, uint32_t n, uint32_t *room, size_t size) {
    if (n < *room) return 0;
    uint32_t wanted = *room ? 2 * *room : 64;
    void *grown = realloc(*(void **)array, wanted * size);
    if (!grown) return -ENOMEM;
    *(void **)array = grown;
    *room = wanted;
    return 0;
}

/* ---- Rules that begin ---- */

static void heap_push(Reader *reader, uint32_t rule) {
    uint32_t i = reader->n_heap++;
    for (; i > 0 && reader->heap[(i - 1) / 2] > rule; i = (i - 1) / 2)
        reader->heap[i] = reader->heap[(i - 1) / 2];
    reader->heap[i] = rule;
}

static uint32_t heap_pop(Reader *reader) {
    uint32_t top = reader->heap[0], moved = reader->heap[--reader->n_heap], i = 0;
    for (uint32_t child = 1; child < reader->n_heap; child = 2 * i + 1) {
        if (child + 1 < reader->n_heap && reader->heap[child + 1] < reader->heap[child]) child++;
        if (reader->heap[child] >= moved) break;
        reader->heap[i] = reader->heap[child];
        i = child;
    }
    reader->heap[i] = moved;
    return top;
}

static int pending_add(Reader *reader, uint32_t rule, struct Frame frame) {
    if (grow(&reader->pending, reader->n_pending, &reader->pending_room, sizeof *reader->pending) <
        0)
        return -ENOMEM;
    if (!reader->pending_of[rule]) heap_push(reader, rule);
    reader->pending[reader->n_pending] = (struct Pending){frame, reader->pending_of[rule]};
    reader->pending_of[rule] = ++reader->n_pending;
    reader->work++;
    return 0;
}

/* A rule whose caller has nothing left to do returns to the caller's callers. */
static int call(Reader *reader, uint32_t place, uint32_t stacks) {
    const Grammar *grammar = reader->grammar;
    uint32_t rule = (uint32_t)grammar->code[place].argument;
    const struct Next *next = grammar_next(grammar, place + 1);
    if (next->n_leaves > 0 || next->n_calls > 0)
        return pending_add(reader, rule, (struct Frame){place + 1, stacks});
    struct StackSet set = reader->stacks.sets[stacks];
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < set.n; i++)
        r = pending_add(reader, rule, reader->stacks.frames[set.first + i]);
    return r;
}

/* ---- From a place to the characters that can come next ---- */

static int found_add(Reader *reader, struct Reading reading) {
    if (grow(&reader->found, reader->n_found, &reader->found_room, sizeof *reader->found) < 0)
        return -ENOMEM;
    reader->found[reader->n_found++] = reading;
    reader->work++;
    return 0;
}

static int go_on(Reader *reader, const struct Next *next, uint32_t stacks) {
    const Grammar *grammar = reader->grammar;
    const uint32_t *edges = grammar->edges + next->first;
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < next->n_leaves; i++) {
        struct Instruction leaf = grammar->code[edges[i]];
        uint32_t progress = leaf.operation == OP_CHAR ? (uint32_t)leaf.argument : CHAR_DONE;
        r = found_add(reader, (struct Reading){edges[i], progress, stacks});
    }
    for (uint32_t i = 0; r == 0 && i < next->n_calls; i++)
        r = call(reader, edges[next->n_leaves + i], stacks);
    return r;
}

struct WantedFrame {
    const struct Frame *frames;
    struct Frame frame;
};

static int is_frame(const void *userdata, uint32_t number) {
    const struct WantedFrame *wanted = userdata;
    return !memcmp(&wanted->frames[number], &wanted->frame, sizeof wanted->frame);
}

static int resume(Reader *reader, struct Frame frame) {
    reader->work++;
    if (frame.place == PLACE_END) {
        reader->accepts = true;
        return 0;
    }
    struct WantedFrame wanted = {reader->resumed, frame};
    uint64_t hash = token_hash(&frame, sizeof frame);
    uint32_t *slot = interned_find(&reader->resumed_index, hash, is_frame, &wanted);
    if (!slot || grow(&reader->resumed, reader->n_resumed, &reader->resumed_room,
                      sizeof *reader->resumed) < 0)
        return -ENOMEM;
    if (*slot) return 0;
    interned_put(&reader->resumed_index, slot, hash, reader->n_resumed);
    reader->resumed[reader->n_resumed++] = frame;
    return 0;
}

static int resumed_follow(Reader *reader) {
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < reader->n_resumed; i++) {
        struct Frame frame = reader->resumed[i];
        const struct Next *next = grammar_next(reader->grammar, frame.place);
        r = go_on(reader, next, frame.set);
        struct StackSet set = reader->stacks.sets[frame.set];
        for (uint32_t j = 0; next->returns && r == 0 && j < set.n; j++)
            r = resume(reader, reader->stacks.frames[set.first + j]);
    }
    return r;
}

/* Everything that calls it here has done so: callers have smaller numbers. That it may be empty is
 * in its callers' Next. */
static int rule_begin(Reader *reader, uint32_t rule) {
    uint32_t n = 0, stacks;
    for (uint32_t i = reader->pending_of[rule]; i > 0; i = reader->pending[i - 1].next) {
        if (grow(&reader->frames, n, &reader->frames_room, sizeof *reader->frames) < 0)
            return -ENOMEM;
        reader->frames[n++] = reader->pending[i - 1].frame;
    }
    reader->pending_of[rule] = 0;
    int r = stacks_add(&reader->stacks, reader->frames, n, &stacks);
    if (r < 0) return r;
    return go_on(reader, grammar_next(reader->grammar, reader->grammar->entries[rule]), stacks);
}

/* ---- States ---- */

static int reading_compare(const void *a, const void *b) {
    const struct Reading *x = a, *y = b;
    if (x->place != y->place) return x->place < y->place ? -1 : 1;
    if (x->progress != y->progress) return x->progress < y->progress ? -1 : 1;
    return (x->stacks > y->stacks) - (x->stacks < y->stacks);
}

/* Sorts, and joins the stacks of readings that are at the same place. */
static int found_join(Reader *reader) {
    struct Reading *found = reader->found;
    uint32_t n = reader->n_found > 0 ? 1 : 0;
    int r = 0;
    if (reader->n_found > 1) qsort(found, reader->n_found, sizeof *found, reading_compare);
    for (uint32_t i = 1; r == 0 && i < reader->n_found; i++) {
        struct Reading *last = &found[n - 1];
        bool same = found[i].place == last->place && found[i].progress == last->progress;
        if (!same)
            found[n++] = found[i];
        else if (found[i].stacks != last->stacks)
            r = stacks_join(&reader->stacks, last->stacks, found[i].stacks, &last->stacks);
    }
    reader->n_found = n;
    return r;
}

static int is_found(const void *userdata, uint32_t number) {
    const Reader *reader = userdata;
    const struct StateRow *state = &reader->states[number];
    return state->accepts == reader->accepts && state->n == reader->n_found &&
           (state->n == 0 || !memcmp(reader->readings + state->first, reader->found,
                                     state->n * sizeof *reader->found));
}

static int state_reserve(Reader *reader) {
    uint32_t room = reader->states_room, n_kinds = reader->table.n_kinds;
    if (grow(&reader->states, reader->n_states, &room, sizeof *reader->states) < 0) return -ENOMEM;
    if (room != reader->states_room) {
        ReaderState *next =
            realloc(reader->table.next, (size_t)room * n_kinds * sizeof *reader->table.next);
        if (!next) return -ENOMEM;
        reader->table.next = next;
        reader->states_room = room;
    }
    while (reader->readings_room - reader->n_readings < reader->n_found)
        if (grow(&reader->readings, reader->readings_room, &reader->readings_room,
                 sizeof *reader->readings) < 0)
            return -ENOMEM;
    return 0;
}

static int state_add(Reader *reader, uint32_t *slot, uint64_t hash) {
    struct StateRow state = {
        .first = reader->n_readings, .n = reader->n_found, .accepts = reader->accepts};
    if (state_reserve(reader) < 0) return -ENOMEM;
    for (uint32_t i = 0; i < reader->n_found; i++) {
        uint32_t place = reader->found[i].place;
        state.has_tokens |= reader->grammar->code[place].operation == OP_TOKEN;
        reader->readings[reader->n_readings++] = reader->found[i];
    }
    ReaderState *next = reader->table.next + (size_t)reader->n_states * reader->table.n_kinds;
    for (uint32_t i = 0; i < reader->table.n_kinds; i++)
        next[i] = reader->n_states == READER_DEAD ? READER_DEAD : READER_UNKNOWN;
    reader->states[reader->n_states] = state;
    interned_put(&reader->index, slot, hash, reader->n_states++);
    return 0;
}

/* The number of the state that was found. */
static int found_intern(Reader *reader, ReaderState *ret) {
    int r = found_join(reader);
    if (r < 0) return r;
    uint64_t hash =
        token_hash(reader->found, reader->n_found * sizeof *reader->found) ^ reader->accepts;
    uint32_t *slot = interned_find(&reader->index, hash, is_found, reader);
    if (!slot) return -ENOMEM;
    if (!*slot) r = state_add(reader, slot, hash);
    if (r == 0) *ret = *slot - 1;
    return r;
}

/* ---- Steps ---- */

static void step_begin(Reader *reader) {
    reader->n_found = reader->n_resumed = reader->n_pending = reader->n_heap = 0;
    reader->accepts = false;
    if (reader->resumed_index.n == 0) return;
    memset(reader->resumed_index.slots, 0,
           reader->resumed_index.n_slots * sizeof *reader->resumed_index.slots);
    reader->resumed_index.n = 0;
}

static int step_end(Reader *reader, int r, ReaderState *ret, Reason *why) {
    if (r == 0) r = resumed_follow(reader);
    while (r == 0 && reader->n_heap > 0) r = rule_begin(reader, heap_pop(reader));
    if (r == 0) r = found_intern(reader, ret);
    if (r < 0) { /* not to be found by the next step */
        memset(reader->pending_of, 0, reader->grammar->n_rules * sizeof *reader->pending_of);
        return fail_memory(why);
    }
    if (reader->n_found > CONSTRAINT_MAX_READINGS)
        return reason_set(why, E2BIG,
                          "the grammar is too ambiguous: the text so far can be read in more than "
                          "%u ways",
                          CONSTRAINT_MAX_READINGS);
    if (reader->work > CONSTRAINT_MAX_WORK)
        return reason_set(why, E2BIG,
                          "the grammar is too ambiguous: finding the next token takes too long");
    return 0;
}

int reader_start(Reader *reader, ReaderState *ret, Reason *why) {
    const Grammar *grammar = reader->grammar;
    step_begin(reader);
    reader->accepts = grammar->may_be_empty[grammar->root];
    int r = pending_add(reader, grammar->root, (struct Frame){PLACE_END, STACKS_BOTTOM});
    return step_end(reader, r, ret, why);
}

int reader_step_slow(Reader *reader, ReaderState state, uint8_t byte, ReaderState *ret,
                     Reason *why) {
    const Grammar *grammar = reader->grammar;
    uint8_t kind = reader->table.byte_kinds[byte];
    struct StateRow row = reader->states[state];
    int r = 0;
    step_begin(reader);
    for (uint32_t i = 0; r == 0 && i < row.n; i++) {
        struct Reading reading = reader->readings[row.first + i];
        if (grammar->code[reading.place].operation != OP_CHAR) continue;
        uint16_t progress = char_automaton_next(&grammar->chars, (uint16_t)reading.progress, kind);
        if (progress == CHAR_DEAD) continue;
        r = progress == CHAR_DONE
                ? resume(reader, (struct Frame){reading.place + 1, reading.stacks})
                : found_add(reader, (struct Reading){reading.place, progress, reading.stacks});
    }
    r = step_end(reader, r, ret, why);
    if (r == 0) reader->table.next[(size_t)state * reader->table.n_kinds + kind] = *ret;
    return r;
}

static bool names_token(const Reader *reader, struct Reading reading, Token token) {
    struct Instruction leaf = reader->grammar->code[reading.place];
    if (leaf.operation != OP_TOKEN) return false;
    return (reader->tokens[leaf.argument] == token) !=
           reader->grammar->tokens[leaf.argument].negated;
}

int reader_step_token(Reader *reader, ReaderState state, Token token, ReaderState bytes,
                      ReaderState *ret, Reason *why) {
    struct StateRow row = reader->states[state], other = reader->states[bytes];
    int r = 0;
    step_begin(reader);
    for (uint32_t i = 0; r == 0 && i < row.n; i++) {
        struct Reading reading = reader->readings[row.first + i];
        if (names_token(reader, reading, token))
            r = resume(reader, (struct Frame){reading.place + 1, reading.stacks});
    }
    for (uint32_t i = 0; r == 0 && i < other.n; i++)
        r = found_add(reader, reader->readings[other.first + i]);
    reader->accepts |= other.accepts;
    return step_end(reader, r, ret, why);
}

void reader_rest(Reader *reader) {
    reader->work = 0;
}

/* ---- What a state is ---- */

bool reader_accepts(const Reader *reader, ReaderState state) {
    return reader->states[state].accepts;
}

bool reader_is_final(const Reader *reader, ReaderState state) {
    return reader->states[state].n == 0;
}

bool reader_has_tokens(const Reader *reader, ReaderState state) {
    return reader->states[state].has_tokens;
}

void reader_each_token(const Reader *reader, ReaderState state,
                       void (*visit)(void *userdata, Token token, bool negated), void *userdata) {
    struct StateRow row = reader->states[state];
    for (uint32_t i = 0; i < row.n; i++) {
        struct Instruction leaf = reader->grammar->code[reader->readings[row.first + i].place];
        if (leaf.operation == OP_TOKEN)
            visit(userdata, reader->tokens[leaf.argument],
                  reader->grammar->tokens[leaf.argument].negated);
    }
}

uint32_t *reader_tag(Reader *reader, ReaderState state) {
    return &reader->states[state].tag;
}

size_t reader_bytes(const Reader *reader) {
    return reader->n_states *
               (sizeof *reader->states + reader->table.n_kinds * sizeof *reader->table.next) +
           reader->n_readings * sizeof *reader->readings +
           reader->index.n_slots * (sizeof(uint32_t) + sizeof(uint64_t)) +
           stacks_bytes(&reader->stacks);
}

/* ---- Forgetting ---- */

/* States are added again under the stacks' new numbers. */
static int collect_state(Reader *reader, const struct StateRow *row, const struct Reading *readings,
                         const uint32_t *map, ReaderState *ret) {
    step_begin(reader);
    reader->accepts = row->accepts;
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < row->n; i++) {
        struct Reading reading = readings[row->first + i];
        reading.stacks = map[reading.stacks];
        r = found_add(reader, reading);
    }
    return r == 0 ? found_intern(reader, ret) : r;
}

static void states_forget(Reader *reader) {
    reader->states = NULL;
    reader->readings = NULL;
    reader->n_states = reader->states_room = reader->n_readings = reader->readings_room = 0;
    interned_done(&reader->index);
    free(reader->table.next);
    reader->table.next = NULL;
}

/* READER_DEAD: nothing found, and no end. */
static int dead_add(Reader *reader) {
    ReaderState dead;
    step_begin(reader);
    return found_intern(reader, &dead);
}

int reader_collect(Reader *reader, ReaderState *const *roots, size_t n_roots) {
    struct StateRow *states = reader->states;
    struct Reading *readings = reader->readings;
    Stacks stacks;
    uint8_t *marked = calloc(reader->stacks.n_sets, sizeof *marked);
    uint32_t *map = calloc(reader->stacks.n_sets, sizeof *map);
    int r = marked && map ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < n_roots; i++) {
        const struct StateRow *row = &states[*roots[i]];
        for (uint32_t j = 0; j < row->n; j++) marked[readings[row->first + j].stacks] = 1;
    }
    if (r == 0) r = stacks_copy(&reader->stacks, marked, map, &stacks);
    if (r == 0) {
        stacks_done(&reader->stacks);
        reader->stacks = stacks;
        states_forget(reader);
        r = dead_add(reader);
        for (size_t i = 0; r == 0 && i < n_roots; i++)
            r = collect_state(reader, &states[*roots[i]], readings, map, roots[i]);
        free(states);
        free(readings);
    }
    free(marked);
    free(map);
    return r;
}

/* ---- Making and freeing ---- */

static int reader_init(Reader *reader, Grammar *grammar, const Token *tokens) {
    reader->grammar = grammar_ref(grammar);
    reader->table.byte_kinds = grammar->chars.byte_kinds;
    reader->table.n_kinds = grammar->chars.n_kinds;
    reader->tokens = calloc(grammar->n_tokens + 1, sizeof *reader->tokens);
    reader->pending_of = calloc(grammar->n_rules, sizeof *reader->pending_of);
    reader->heap = calloc(grammar->n_rules, sizeof *reader->heap);
    if (!reader->tokens || !reader->pending_of || !reader->heap) return -ENOMEM;
    if (grammar->n_tokens > 0) memcpy(reader->tokens, tokens, grammar->n_tokens * sizeof *tokens);
    int r = stacks_init(&reader->stacks);
    return r < 0 ? r : dead_add(reader);
}

int reader_new(Grammar *grammar, const Token *tokens, Reader **ret) {
    Reader *reader = calloc(1, sizeof *reader);
    if (!reader) return -ENOMEM;
    int r = reader_init(reader, grammar, tokens);
    if (r < 0)
        reader_free(reader);
    else
        *ret = reader;
    return r;
}

Reader *reader_free(Reader *reader) {
    if (!reader) return NULL;
    free(reader->states);
    free(reader->readings);
    states_forget(reader);
    stacks_done(&reader->stacks);
    interned_done(&reader->resumed_index);
    free(reader->found);
    free(reader->resumed);
    free(reader->pending_of);
    free(reader->pending);
    free(reader->heap);
    free(reader->frames);
    free(reader->tokens);
    grammar_unref(reader->grammar);
    free(reader);
    return NULL;
}
