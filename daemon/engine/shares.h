/*
 * What threads do of a run's work: each has an equal share, in pieces. A thread goes through its
 * own first, so that from step to step it reads the same weights, and then takes pieces of others'
 * that these have not come to. A core that is slow, because something else runs on it or on its
 * second thread, then holds up the others for a piece and not for half a run.
 *
 * Of the thread that calls pool_run(), while its run lasts; shares_take() may be called from any.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "engine/limits.h"

/* Not initialised but for the threads that there are. */
struct Shares {
    unsigned long n; /* things in a row: those of a share, and of a piece, are neighbours */
    unsigned n_pieces;
    struct {
        _Alignas(64) atomic_uint n_taken;
    } threads[POOL_MAX_THREADS];
};

/* More would be smaller than what threads wait for each other anyhow. */
#define SHARES_MAX_PIECES 16u

/* n_pieces: of a share; it is brought between 1 and SHARES_MAX_PIECES. */
void shares_init(struct Shares *shares, unsigned n_threads, unsigned long n,
                 unsigned long n_pieces);

/* A thread's way through the shares: {thread, n_threads}. */
struct SharesWalk {
    unsigned thread, n_threads, n_done;
};

/* The thread's next piece, things [*ret_begin, *ret_end). False: all are taken. */
bool shares_take(struct Shares *shares, struct SharesWalk *walk, unsigned long *ret_begin,
                 unsigned long *ret_end);
