/* Whether packed data is what was packed: every piece's digest, on all threads. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "engine/huge-pages.h"
#include "engine/weights-private.h"

/* A tensor's pieces among those of all. */
struct Part {
    struct PackedPieces pieces;
    uint64_t first;
};

/* Pieces that a thread brings into memory together, before it looks at them: enough for a disk. */
#define TURN 16u

struct Verification {
    const struct Weights *weights;
    struct Part *parts;     /* one an entry */
    struct Digest *digests; /* of all pieces, n of them */
    uint64_t n;
    atomic_ullong next; /* the turn that is nobody's yet: so a file is read in its order */
    atomic_int result;
};

/* What is done with piece i of an entry. */
typedef int PieceJob(struct Verification *v, size_t entry, uint32_t i, const void *data,
                     size_t size);

static int touch_piece(struct Verification *v, size_t entry, uint32_t i, const void *data,
                       size_t size) {
    (void)v, (void)entry, (void)i;
    return huge_touch(data, size);
}

static int digest_piece(struct Verification *v, size_t entry, uint32_t i, const void *data,
                        size_t size) {
    v->digests[v->parts[entry].first + i] = digest_bulk(data, size);
    return 0;
}

/* Of the pieces [begin, end) those of one entry. */
static int entry_pieces(struct Verification *v, size_t entry, uint64_t begin, uint64_t end,
                        PieceJob *job) {
    const struct Part *part = &v->parts[entry];
    const uint8_t *data = v->weights->data + v->weights->entries[entry].offset;
    int r = 0;
    for (uint32_t i = begin > part->first ? (uint32_t)(begin - part->first) : 0;
         r == 0 && i < part->pieces.n && part->first + i < end; i++) {
        uint32_t tile, n;
        packed_piece(&part->pieces, i, &tile, &n);
        r = job(v, entry, i, data + tile * part->pieces.tile_size, n * part->pieces.tile_size);
    }
    return r;
}

/* *entry is where the last turn began; turns of a thread go on in the file. */
static int take_turn(struct Verification *v, uint64_t begin, size_t *entry, PieceJob *job) {
    const uint64_t end = begin + TURN < v->n ? begin + TURN : v->n;
    int r = 0;
    while (v->parts[*entry].first + v->parts[*entry].pieces.n <= begin) ++*entry;
    for (size_t i = *entry; r == 0 && i < v->weights->n_entries && v->parts[i].first < end; i++)
        r = entry_pieces(v, i, begin, end, job);
    return r;
}

static void verify_job(void *userdata, unsigned thread, unsigned n_threads) {
    struct Verification *v = userdata;
    size_t entry = 0;
    (void)thread, (void)n_threads;
    for (;;) {
        const uint64_t begin = atomic_fetch_add(&v->next, TURN);
        if (begin >= v->n || atomic_load(&v->result) < 0) return;
        int r = take_turn(v, begin, &entry, touch_piece);
        if (r == 0) r = take_turn(v, begin, &entry, digest_piece);
        if (r < 0) atomic_store(&v->result, r);
    }
}

static uint64_t find_parts(const struct Weights *weights, struct Part *ret) {
    uint64_t n = 0;
    for (size_t i = 0; i < weights->n_entries; i++) {
        const struct WeightEntry *entry = &weights->entries[i];
        ret[i].pieces = packed_pieces(entry->layout, entry->n_rows, entry->n_cols);
        ret[i].first = n;
        n += ret[i].pieces.n;
    }
    return n;
}

static int compare(const struct Verification *v, Reason *why) {
    for (size_t i = 0; i < v->weights->n_entries; i++) {
        const struct WeightEntry *entry = &v->weights->entries[i];
        const struct Part *part = &v->parts[i];
        struct Digest digest = packed_digest(v->digests + part->first, part->pieces.n);
        if (memcmp(&digest, &entry->digest, sizeof digest) != 0)
            return reason_set(why, EBADMSG,
                              "the packed tensor %s is damaged: install the model again",
                              entry->name);
    }
    return 0;
}

int weights_verify(const struct Weights *weights, Pool *pool, Reason *why) {
    struct Verification v = {.weights = weights};
    v.parts = calloc(weights->n_entries + 1, sizeof *v.parts);
    if (v.parts) v.n = find_parts(weights, v.parts);
    if (v.parts) v.digests = calloc(v.n + 1, sizeof *v.digests);
    int r = v.digests ? 0 : -ENOMEM;
    if (r == 0) {
        pool_run(pool, verify_job, &v);
        r = atomic_load(&v.result);
        if (r < 0) reason_set(why, EBADMSG, "the packed file cannot be read: install it again");
        if (r < 0) r = -EBADMSG;
    }
    if (r == 0) r = compare(&v, why);
    free(v.digests);
    free(v.parts);
    return r;
}
