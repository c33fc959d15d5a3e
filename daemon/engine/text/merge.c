#include "engine/text/merge.h"

#include <errno.h>
#include <stdlib.h>

#define LEAST_ROOM 64 /* most words */

int merger_reserve(struct Merger *merger, uint32_t n_symbols) {
    if (n_symbols <= merger->room) return 0;
    if (n_symbols < 2 * merger->room) n_symbols = 2 * merger->room;
    if (n_symbols < LEAST_ROOM) n_symbols = LEAST_ROOM;
    merger_done(merger);
    *merger = (struct Merger){0};
    merger->symbols = malloc((size_t)n_symbols * sizeof *merger->symbols);
    /* n - 1 pairs at first; each merge takes one off and puts up to two on */
    merger->heap = malloc((size_t)n_symbols * 2 * sizeof *merger->heap);
    if (!merger->symbols || !merger->heap) return -ENOMEM;
    merger->room = n_symbols;
    return 0;
}

void merger_done(struct Merger *merger) {
    free(merger->symbols);
    free(merger->heap);
}

static void heap_push(struct Merger *merger, uint64_t value) {
    size_t i = merger->n_heap++;
    for (; i > 0 && merger->heap[(i - 1) / 2] > value; i = (i - 1) / 2)
        merger->heap[i] = merger->heap[(i - 1) / 2];
    merger->heap[i] = value;
}

static uint64_t heap_pop(struct Merger *merger) {
    uint64_t *heap = merger->heap, top = heap[0], last = heap[--merger->n_heap];
    size_t i = 0, n = merger->n_heap;
    for (size_t child = 1; child < n; child = 2 * i + 1) {
        if (child + 1 < n && heap[child + 1] < heap[child]) child++;
        if (heap[child] >= last) break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = last;
    return top;
}

/* Looks at the pair that starts at symbol i. What the heap still holds of an earlier pair there no
 * longer has the symbol's priority, or is as good as this one. */
static void look_at_pair(struct Merger *merger, uint32_t i, MergePair pair, const void *userdata) {
    struct MergeSymbol *left = &merger->symbols[i];
    left->priority = MERGE_NONE;
    if (left->next == MERGE_NONE) return;
    left->priority = pair(userdata, left, &merger->symbols[left->next], &left->pair);
    if (left->priority != MERGE_NONE) heap_push(merger, (uint64_t)left->priority << 32 | i);
}

static void merge(struct Merger *merger, uint32_t i) {
    struct MergeSymbol *left = &merger->symbols[i], *right = &merger->symbols[left->next];
    left->token = left->pair;
    left->size += right->size;
    left->next = right->next;
    right->size = 0;
    right->priority = MERGE_NONE;
    if (left->next != MERGE_NONE) merger->symbols[left->next].before = i;
}

void merger_run(struct Merger *merger, uint32_t n, MergePair pair, const void *userdata) {
    merger->n_heap = 0;
    for (uint32_t i = 0; i < n; i++) {
        merger->symbols[i].before = i - 1; /* MERGE_NONE for the first */
        merger->symbols[i].next = i + 1 < n ? i + 1 : MERGE_NONE;
    }
    for (uint32_t i = 0; i < n; i++) look_at_pair(merger, i, pair, userdata);
    while (merger->n_heap > 0) {
        uint64_t best = heap_pop(merger);
        uint32_t i = (uint32_t)best;
        if (merger->symbols[i].priority != best >> 32) continue;
        merge(merger, i);
        look_at_pair(merger, i, pair, userdata);
        if (merger->symbols[i].before != MERGE_NONE)
            look_at_pair(merger, merger->symbols[i].before, pair, userdata);
    }
}
