/*
 * Packing of one tile, sixteen rows, on one thread.
 */
#pragma once

#include "engine/pack.h"

/* What one thread needs for the tiles of one matrix. */
struct TileScratch {
    float *rows;      /* [TILE_ROWS][n_cols] */
    uint8_t *codes;   /* [TILE_ROWS][n_cols rounded up to I8_BLOCK], 2 bytes each */
    uint16_t *scales; /* [TILE_ROWS][n_cols / I8_BLOCK, rounded up] */
    void *memory;     /* all of it */
    double error;     /* sum of squares of what requantising changed, so far */
    double weights;   /* sum of squares of the weights that it changed */
};

int tile_scratch_init(struct TileScratch *scratch, uint32_t n_cols);
void tile_scratch_done(struct TileScratch *scratch);

/* Packs rows [first, first + n) of `source` into the tile at dst. -EBADMSG as in pack_matrix(). */
typedef int PackTile(const struct PackSource *source, uint32_t first, uint32_t n,
                     struct TileScratch *scratch, void *dst, Reason *why);

/* The one for a type and a layout. */
PackTile *pack_tile_for(const struct PackSource *source, enum MatrixLayout layout);
