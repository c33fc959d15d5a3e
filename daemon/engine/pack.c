#include "engine/pack.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/huge-pages.h"
#include "engine/limits.h"
#include "engine/pack-tile.h"

/* ---- Pieces ---- */

struct PackedPieces packed_pieces(uint32_t layout, uint32_t n_rows, uint32_t n_cols) {
    struct PackedPieces ret = {.n_tiles = 1, .tile_size = n_cols * sizeof(float)};
    if (layout < N_MATRIX_LAYOUTS) {
        ret.n_tiles = matrix_n_tiles(n_rows);
        ret.tile_size = matrix_tile_size((enum MatrixLayout)layout, n_cols);
    }
    size_t n = ret.tile_size > 0 ? PACKED_PIECE / ret.tile_size : 1;
    if (n == 0) n = 1;
    ret.piece_tiles = n < ret.n_tiles ? (uint32_t)n : ret.n_tiles;
    ret.n = ret.piece_tiles ? (ret.n_tiles + ret.piece_tiles - 1) / ret.piece_tiles : 0;
    return ret;
}

void packed_piece(const struct PackedPieces *pieces, uint32_t i, uint32_t *ret_tile,
                  uint32_t *ret_n_tiles) {
    uint32_t first = i * pieces->piece_tiles, left = pieces->n_tiles - first;
    *ret_tile = first;
    *ret_n_tiles = left < pieces->piece_tiles ? left : pieces->piece_tiles;
}

struct Digest packed_digest(const struct Digest *pieces, uint32_t n) {
    return digest_bulk(pieces, n * sizeof *pieces);
}

/* ---- Packing ---- */

struct Packing {
    const struct PackSource *source;
    const struct Matrix *shape;
    const struct PackTarget *target;
    PackTile *tile;
    struct PackedPieces pieces;
    struct Digest *digests; /* of the pieces; NULL: not asked for */
    atomic_uint next;       /* the piece that is nobody's yet: so a file is read in its order */
    struct TileScratch scratch[POOL_MAX_THREADS];
    Reason *why; /* of the first thread that fails */
    atomic_int result;
};

static void fail(struct Packing *packing, int r, const Reason *why) {
    int expected = 0;
    if (atomic_compare_exchange_strong(&packing->result, &expected, r) && packing->why)
        *packing->why = *why;
}

/* Ternary matrices were looked at when their layout was chosen. */
static int pack_one(struct Packing *packing, uint32_t tile, struct TileScratch *scratch, void *dst,
                    Reason *why) {
    const struct Matrix *shape = packing->shape;
    const uint32_t first = tile * TILE_ROWS;
    const uint32_t n = shape->n_rows - first < TILE_ROWS ? shape->n_rows - first : TILE_ROWS;
    if (matrix_activation_form(shape->layout) != ACTIVATION_I8_TOKEN) {
        int r = quant_check(&packing->source->matrix, first, n, why);
        if (r < 0) return r;
    }
    return packing->tile(packing->source, first, n, scratch, dst, why);
}

static int pack_piece(struct Packing *packing, uint32_t i, struct TileScratch *scratch,
                      uint8_t *buffer, Reason *why) {
    const struct PackTarget *target = packing->target;
    const size_t tile_size = packing->pieces.tile_size;
    uint32_t tile, n;
    packed_piece(&packing->pieces, i, &tile, &n);
    uint8_t *dst = target->memory ? (uint8_t *)target->memory + tile * tile_size : buffer;
    for (uint32_t k = 0; k < n; k++) {
        int r = pack_one(packing, tile + k, scratch, dst + k * tile_size, why);
        if (r < 0) return r;
    }
    if (packing->digests) packing->digests[i] = digest_bulk(dst, n * tile_size);
    return target->memory ? 0 : pack_write(target, tile * tile_size, dst, n * tile_size, why);
}

static int pack_pieces(struct Packing *packing, struct TileScratch *scratch, uint8_t *buffer,
                       Reason *why) {
    for (;;) {
        uint32_t i = atomic_fetch_add(&packing->next, 1);
        if (i >= packing->pieces.n || atomic_load(&packing->result) != 0) return 0;
        int r = pack_piece(packing, i, scratch, buffer, why);
        if (r < 0) return r;
    }
}

static void pack_job(void *userdata, unsigned thread, unsigned n_threads) {
    struct Packing *packing = userdata;
    struct TileScratch *scratch = &packing->scratch[thread];
    const struct PackedPieces *pieces = &packing->pieces;
    uint8_t *buffer = NULL;
    Reason why = {""};
    int r = tile_scratch_init(scratch, packing->shape->n_cols);
    if (r == 0 && !packing->target->memory) {
        buffer = aligned_alloc(64, (pieces->piece_tiles * pieces->tile_size + 63) / 64 * 64);
        if (!buffer) r = -ENOMEM;
    }
    if (r == 0) r = pack_pieces(packing, scratch, buffer, &why);
    free(buffer);
    tile_scratch_done(scratch);
    if (r < 0) fail(packing, r, &why);
}

/* Sums over the threads. */
static double relative_error(const struct Packing *packing, unsigned n_threads) {
    double error = 0, weights = 0;
    for (unsigned i = 0; i < n_threads; i++) {
        error += packing->scratch[i].error;
        weights += packing->scratch[i].weights;
    }
    return weights > 0 ? sqrt(error / weights) : 0;
}

int pack_matrix(Pool *pool, const struct PackSource *source, const struct Matrix *shape,
                const struct PackTarget *target, struct Digest *ret_digest, double *ret_error,
                Reason *why) {
    struct Packing *packing = calloc(1, sizeof *packing);
    if (!packing) return -ENOMEM;
    packing->source = source;
    packing->shape = shape;
    packing->target = target;
    packing->tile = pack_tile_for(source, shape->layout);
    packing->pieces = packed_pieces(shape->layout, shape->n_rows, shape->n_cols);
    packing->why = why;
    int r = 0;
    if (ret_digest) {
        packing->digests = calloc(packing->pieces.n + 1, sizeof *packing->digests);
        if (!packing->digests) r = -ENOMEM;
    }
    if (r == 0) {
        pool_run(pool, pack_job, packing);
        r = atomic_load(&packing->result);
    }
    *ret_error = relative_error(packing, pool_n_threads(pool));
    if (r == 0 && ret_digest) *ret_digest = packed_digest(packing->digests, packing->pieces.n);
    free(packing->digests);
    free(packing);
    return r;
}

int pack_write(const struct PackTarget *target, uint64_t at, const void *data, size_t size,
               Reason *why) {
    const uint8_t *bytes = data;
    if (target->pages) huge_touch(target->pages + target->offset + at, size);
    for (size_t done = 0; done < size;) {
        ssize_t n =
            pwrite(target->fd, bytes + done, size - done, (off_t)(target->offset + at + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            int error = n < 0 ? errno : ENOSPC;
            return reason_set(why, error, "the packed file cannot be written: %s", strerror(error));
        }
        done += (size_t)n;
    }
    return 0;
}
