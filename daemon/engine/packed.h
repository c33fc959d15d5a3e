/*
 * Packed model files: a GGUF file's metadata and its weights in the layout that the kernels read.
 *
 * Opening one is a mapping and a check of its header and index. It is untrusted input like any
 * other: sizes, offsets, layouts and names are checked before use. The weights themselves can be
 * anything, kernels do not mind, but what a disk has damaged is found out at loading: the index has
 * a digest of each tensor, and checking them on all threads takes no longer than reading the memory
 * does, which a step needs mapped anyway. File and mapping are made for huge pages (huge-pages.h,
 * settling.h). The layout is that of one kernel tier, in the variant that this CPU has, and of one
 * version of the code that packed it; a file of another one is PACKED_STALE, to be made again from
 * its GGUF file.
 *
 *     header    struct PackedHeader, padded to PACKED_PAGE
 *     metadata  a GGUF file with all keys of the source and no tensors
 *     index     struct WeightEntry, in the order in which the family asks
 *     data      starts at a multiple of PACKED_PAGE; matrices too
 *
 * Little-endian, as everything here.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "engine/digest.h"
#include "engine/gguf.h"
#include "engine/reason.h"
#include "engine/weights.h"

#define PACKED_MAGIC "RLLMPAK" /* and its NUL: 8 bytes */
#define PACKED_VERSION 2u      /* of the container */
#define PACKED_LAYOUT 5u       /* of packed matrices in kernels.h, and of what families ask for */
#define PACKED_PAGE 4096u

struct PackedHeader {
    char magic[8];
    uint32_t version, layout;
    char tier[16];             /* kernels_variant(), NUL-padded */
    struct Digest fingerprint; /* of the source: ModelInfo.fingerprint */
    char weights[16];          /* ModelInfo.weights, NUL-padded */
    uint64_t n_parameters;
    uint64_t metadata_offset, metadata_size;
    uint64_t index_offset, n_entries;
    uint64_t data_offset, data_size;
    struct Digest checksum; /* of the header up to here, the metadata and the index */
};

struct Packed {
    void *mapping;
    size_t size;
    const struct PackedHeader *header;
    const struct WeightEntry *entries; /* header->n_entries */
    const void *data;                  /* header->data_size */
};

enum { PACKED_STALE = 1 };

/* Whether the file starts like a packed one. -errno when it cannot be read. */
int packed_detect(int fd);

/* 0; PACKED_STALE with a reason, *ret unset; -EBADMSG: damaged. `fd` stays the caller's. */
int packed_open(int fd, const char *tier, struct Packed **ret, Reason *why);
struct Packed *packed_free(struct Packed *packed); /* accepts and returns NULL */

/* The metadata, parsed. The Gguf must be freed before the Packed. */
int packed_metadata(const struct Packed *packed, struct Gguf **ret, Reason *why);

/* Writes `weights`, all asked for and not filled yet, to fd. The header comes last and after the
 * data has reached the disk, so that a file cut short is not taken for a whole one. Of `header` the
 * caller sets tier, fingerprint, weights and n_parameters. */
int packed_write(int fd, const struct PackedHeader *header, const struct Gguf *source,
                 struct Weights *weights, WeightsProgress *progress, void *userdata, Reason *why);
