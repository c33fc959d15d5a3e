/*
 * What is open in a text that is being read: for each way to read it a stack of places where rules
 * are to be continued. All stacks of one reader, as sets: a set has frames, a frame is a place and
 * the set below it. Equal sets have one number. Set STACKS_BOTTOM has one frame, where the text may
 * end.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct Frame {
    uint32_t place;
    uint32_t set; /* a smaller number than that of the set which has the frame */
};

#define STACKS_BOTTOM 0U
#define PLACE_END UINT32_MAX /* of the one frame of STACKS_BOTTOM */

/* A table of numbers by hash; the numbers stand for what its owner keeps. */
struct Interned {
    uint32_t *slots; /* number + 1, or 0 */
    uint64_t *hashes;
    uint32_t n_slots, n;
};
void interned_done(struct Interned *table);
/* The slot of the first number with this hash for which `same` says so, or where it belongs;
 * NULL: no memory. */
uint32_t *interned_find(struct Interned *table, uint64_t hash,
                        int (*same)(const void *userdata, uint32_t number), const void *userdata);
/* A slot that interned_find() gave, and that holds 0. */
void interned_put(struct Interned *table, uint32_t *slot, uint64_t hash, uint32_t number);

struct StackSet {
    uint32_t first, n; /* of frames */
};

typedef struct Stacks {
    struct StackSet *sets;
    uint32_t n_sets, sets_room;
    struct Frame *frames;
    uint32_t n_frames, frames_room;
    struct Interned table;
} Stacks;

int stacks_init(Stacks *stacks); /* with STACKS_BOTTOM */
void stacks_done(Stacks *stacks);
size_t stacks_bytes(const Stacks *stacks);
/* The set of these frames, which are sorted here and may be there twice. n >= 1. */
int stacks_add(Stacks *stacks, struct Frame *frames, uint32_t n, uint32_t *ret);
/* All of two sets. */
int stacks_join(Stacks *stacks, uint32_t a, uint32_t b, uint32_t *ret);
/* Sets that are marked, and those below them, into `ret`; `map` gets their new numbers. */
int stacks_copy(const Stacks *stacks, uint8_t *marked, uint32_t *map, Stacks *ret);
