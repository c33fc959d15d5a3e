#include "engine/sampling/stacks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/text/vocabulary.h"

/* ---- Numbers by hash ---- */

void interned_done(struct Interned *table) {
    free(table->slots);
    free(table->hashes);
    *table = (struct Interned){0};
}

static int interned_grow(struct Interned *table) {
    struct Interned grown = {.n_slots = table->n_slots ? 2 * table->n_slots : 256, .n = table->n};
    grown.slots = calloc(grown.n_slots, sizeof *grown.slots);
    grown.hashes = calloc(grown.n_slots, sizeof *grown.hashes);
    if (!grown.slots || !grown.hashes) {
        interned_done(&grown);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < table->n_slots; i++) {
        if (!table->slots[i]) continue;
        uint32_t slot = (uint32_t)table->hashes[i] & (grown.n_slots - 1);
        while (grown.slots[slot]) slot = (slot + 1) & (grown.n_slots - 1);
        grown.slots[slot] = table->slots[i];
        grown.hashes[slot] = table->hashes[i];
    }
    interned_done(table);
    *table = grown;
    return 0;
}

uint32_t *interned_find(struct Interned *table, uint64_t hash,
                        int (*same)(const void *userdata, uint32_t number), const void *userdata) {
    if (2 * table->n >= table->n_slots && interned_grow(table) < 0) return NULL;
    uint32_t slot = (uint32_t)hash & (table->n_slots - 1);
    while (table->slots[slot] &&
           !(table->hashes[slot] == hash && same(userdata, table->slots[slot] - 1)))
        slot = (slot + 1) & (table->n_slots - 1);
    return &table->slots[slot];
}

void interned_put(struct Interned *table, uint32_t *slot, uint64_t hash, uint32_t number) {
    *slot = number + 1;
    table->hashes[slot - table->slots] = hash;
    table->n++;
}

/* ---- Sets ---- */

int stacks_init(Stacks *stacks) {
    uint32_t bottom;
    *stacks = (Stacks){0};
    return stacks_add(stacks, &(struct Frame){PLACE_END, STACKS_BOTTOM}, 1, &bottom);
}

void stacks_done(Stacks *stacks) {
    free(stacks->sets);
    free(stacks->frames);
    interned_done(&stacks->table);
    *stacks = (Stacks){0};
}

size_t stacks_bytes(const Stacks *stacks) {
    return stacks->n_sets * sizeof *stacks->sets + stacks->n_frames * sizeof *stacks->frames +
           stacks->table.n_slots * (sizeof(uint32_t) + sizeof(uint64_t));
}

static int frame_compare(const void *a, const void *b) {
    const struct Frame *x = a, *y = b;
    if (x->place != y->place) return x->place < y->place ? -1 : 1;
    return (x->set > y->set) - (x->set < y->set);
}

static uint32_t frames_sort(struct Frame *frames, uint32_t n) {
    uint32_t kept = 1;
    if (n > 1) qsort(frames, n, sizeof *frames, frame_compare);
    for (uint32_t i = 1; i < n; i++)
        if (frame_compare(&frames[i], &frames[kept - 1]) != 0) frames[kept++] = frames[i];
    return kept;
}

struct Wanted {
    const Stacks *stacks;
    const struct Frame *frames;
    uint32_t n;
};

static int is_wanted(const void *userdata, uint32_t number) {
    const struct Wanted *wanted = userdata;
    struct StackSet set = wanted->stacks->sets[number];
    return set.n == wanted->n && !memcmp(wanted->stacks->frames + set.first, wanted->frames,
                                         set.n * sizeof(struct Frame));
}

static int reserve(Stacks *stacks, uint32_t n) {
    if (stacks->n_sets == stacks->sets_room) {
        uint32_t room = stacks->sets_room ? 2 * stacks->sets_room : 64;
        struct StackSet *grown = realloc(stacks->sets, room * sizeof *grown);
        if (!grown) return -ENOMEM;
        stacks->sets = grown;
        stacks->sets_room = room;
    }
    if (stacks->frames_room - stacks->n_frames < n) {
        uint32_t room = 2 * stacks->frames_room + n + 64;
        struct Frame *grown = realloc(stacks->frames, room * sizeof *grown);
        if (!grown) return -ENOMEM;
        stacks->frames = grown;
        stacks->frames_room = room;
    }
    return 0;
}

int stacks_add(Stacks *stacks, struct Frame *frames, uint32_t n, uint32_t *ret) {
    struct Wanted wanted = {.stacks = stacks, .frames = frames, .n = frames_sort(frames, n)};
    uint64_t hash = token_hash(frames, wanted.n * sizeof *frames);
    uint32_t *slot = interned_find(&stacks->table, hash, is_wanted, &wanted);
    if (!slot) return -ENOMEM;
    if (!*slot) {
        if (reserve(stacks, wanted.n) < 0) return -ENOMEM;
        memcpy(stacks->frames + stacks->n_frames, frames, wanted.n * sizeof *frames);
        stacks->sets[stacks->n_sets] = (struct StackSet){stacks->n_frames, wanted.n};
        stacks->n_frames += wanted.n;
        interned_put(&stacks->table, slot, hash, stacks->n_sets++);
    }
    *ret = *slot - 1;
    return 0;
}

int stacks_join(Stacks *stacks, uint32_t a, uint32_t b, uint32_t *ret) {
    struct StackSet x = stacks->sets[a], y = stacks->sets[b];
    struct Frame *frames = malloc((x.n + y.n) * sizeof *frames);
    if (!frames) return -ENOMEM;
    memcpy(frames, stacks->frames + x.first, x.n * sizeof *frames);
    memcpy(frames + x.n, stacks->frames + y.first, y.n * sizeof *frames);
    int r = stacks_add(stacks, frames, x.n + y.n, ret);
    free(frames);
    return r;
}

/* One set, whose frames' sets have their new numbers already. */
static int copy_one(const Stacks *stacks, uint32_t number, uint32_t *map, Stacks *ret) {
    struct StackSet set = stacks->sets[number];
    struct Frame *frames = malloc(set.n * sizeof *frames);
    if (!frames) return -ENOMEM;
    for (uint32_t i = 0; i < set.n; i++) {
        struct Frame frame = stacks->frames[set.first + i];
        frames[i] = (struct Frame){frame.place, map[frame.set]};
    }
    int r = stacks_add(ret, frames, set.n, &map[number]);
    free(frames);
    return r;
}

int stacks_copy(const Stacks *stacks, uint8_t *marked, uint32_t *map, Stacks *ret) {
    int r = stacks_init(ret);
    marked[STACKS_BOTTOM] = 0;
    map[STACKS_BOTTOM] = STACKS_BOTTOM;
    for (uint32_t i = stacks->n_sets; i-- > 1;) {
        struct StackSet set = stacks->sets[i];
        for (uint32_t j = 0; marked[i] && j < set.n; j++)
            marked[stacks->frames[set.first + j].set] = 1;
    }
    for (uint32_t i = 1; r == 0 && i < stacks->n_sets; i++)
        if (marked[i]) r = copy_one(stacks, i, map, ret);
    if (r < 0) stacks_done(ret);
    return r;
}
