/*
 * Settling: weights that are mapped from a file in small pages move to huge ones while the model
 * serves. Opening a model is a mapping, so that the first token comes at once; many file systems
 * hold files in small pages only, through which a step is slower (huge-pages.h). Between the steps
 * that follow, piece by piece, the kernel is asked to make huge pages of the file's (Linux 6.1 and
 * some file systems), or else the bytes are copied to anonymous huge pages, which then take the
 * place of the file in the mapping: same address, same bytes.
 *
 * A copy is memory that the kernel cannot take back. It is made only where it fits twice, so that
 * the file also stays in the page cache for the next start; in the process it takes the place of
 * what was mapped, so that what is resident does not grow. Threads copy in turns: where memory has
 * nodes, each node gets its threads' part of all weights, and a step reads from all nodes at once.
 *
 * Belongs to the thread whose pool it is given, and nobody else reads the mapping during a step.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "engine/huge-pages.h"
#include "engine/pool.h"

struct Settling {
    unsigned char *mapping, *staging; /* of huge_map(), and where copies are made; NULL: nowhere */
    size_t size, done;
    bool can_collapse;
};

/* Bytes for each thread in a step, some milliseconds. */
#define SETTLING_PIECE (2 * HUGE_PAGE)

/* Of a mapping by huge_map(). What is in huge pages for the most part is left as it is. */
void settling_init(struct Settling *settling, void *mapping, size_t size);
void settling_done(struct Settling *settling);
/* Whether there is more to do. */
bool settling_step(struct Settling *settling, Pool *pool);
