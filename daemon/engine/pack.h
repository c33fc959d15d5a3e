/*
 * One tensor of a GGUF file becomes a packed matrix, on all threads. What becomes what is in
 * engine/weights.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/digest.h"
#include "engine/engine.h"
#include "engine/pack-ternary.h"
#include "engine/pool.h"
#include "engine/quant.h"
#include "engine/reason.h"
#include "kernels/kernels.h"

struct PackSource {
    struct QuantMatrix matrix;
    float factor;               /* multiplies all weights */
    bool ternary;               /* floats that are exactly ternary are packed as such */
    enum Requantise requantise; /* what weights that are not become */
};

/* Looks at the whole tensor where its type does not say everything. *ret_scale has `factor` in it
 * where codes are kept, ternary ones or the file's, and is 1 elsewhere; `*ret_requantised` is
 * whether the layout holds less than the file does because it was asked for. */
int pack_choose(Pool *pool, struct TernaryTrials *trials, const struct PackSource *source,
                uint32_t *ret_layout, float *ret_scale, bool *ret_requantised, Reason *why);

/* ---- Pieces: how packed tensors are written and checked ---- */

/* Whole tiles of about this many bytes: large writes, and enough pieces for all threads. Digests of
 * packed files depend on it. */
#define PACKED_PIECE (1u << 20)

struct PackedPieces {
    size_t tile_size;
    uint32_t n_tiles, piece_tiles; /* of all; of a piece but for the last */
    uint32_t n;                    /* pieces */
};

/* `layout`: enum MatrixLayout or, in one piece, WEIGHT_VECTOR. */
struct PackedPieces packed_pieces(uint32_t layout, uint32_t n_rows, uint32_t n_cols);
void packed_piece(const struct PackedPieces *pieces, uint32_t i, uint32_t *ret_tile,
                  uint32_t *ret_n_tiles);
/* Of a tensor, from digest_bulk() of its pieces. */
struct Digest packed_digest(const struct Digest *pieces, uint32_t n);

/* ---- Packing ---- */

/* Where the packed matrix goes: memory, or a file, which needs memory for some pieces only. */
struct PackTarget {
    void *memory; /* NULL: the file */
    int fd;
    uint64_t offset;
    /* The whole file from its start: what is written of it is touched before (huge-pages.h). May be
     * NULL. */
    const uint8_t *pages;
};

/* Makes the matrix that `shape`, chosen above, describes. `ret_digest` may be NULL. `ret_error` is
 * the root mean square of what requantising changed over that of the weights; 0 for matrices that
 * were not. -EBADMSG: numbers that are not finite, or too large for the layout. -ENOMEM. */
int pack_matrix(Pool *pool, const struct PackSource *source, const struct Matrix *shape,
                const struct PackTarget *target, struct Digest *ret_digest, double *ret_error,
                Reason *why);
/* Bytes to the target's file, `at` behind its offset. */
int pack_write(const struct PackTarget *target, uint64_t at, const void *data, size_t size,
               Reason *why);
