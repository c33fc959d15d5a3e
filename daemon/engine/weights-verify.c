/* Whether packed data is what was packed: every piece's digest, on all threads. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/weights-private.h"

/* A tensor's pieces among those of all. */
struct Part {
    struct PackedPieces pieces;
    uint64_t first;
};

struct Verification {
    const struct Weights *weights;
    struct Part *parts;     /* one an entry */
    struct Digest *digests; /* of all pieces */
};

static void digest_piece(const struct Verification *v, size_t entry, uint32_t i) {
    const struct Part *part = &v->parts[entry];
    uint32_t tile, n;
    packed_piece(&part->pieces, i, &tile, &n);
    const uint8_t *data = v->weights->data + v->weights->entries[entry].offset;
    v->digests[part->first + i] =
        digest_bulk(data + tile * part->pieces.tile_size, n * part->pieces.tile_size);
}

/* Every thread has its share of each tensor, so that all of them read on in the file together. */
static void verify_job(void *userdata, unsigned thread, unsigned n_threads) {
    const struct Verification *v = userdata;
    for (size_t entry = 0; entry < v->weights->n_entries; entry++)
        for (uint32_t i = 0; i < v->parts[entry].pieces.n; i++)
            if ((v->parts[entry].first + i) % n_threads == thread) digest_piece(v, entry, i);
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
    uint64_t n = v.parts ? find_parts(weights, v.parts) : 0;
    if (v.parts) v.digests = calloc(n + 1, sizeof *v.digests);
    int r = v.digests ? 0 : -ENOMEM;
    if (r == 0) {
        pool_run(pool, verify_job, &v);
        r = compare(&v, why);
    }
    free(v.digests);
    free(v.parts);
    return r;
}
