#include "engine/shares.h"

#include "engine/pool.h"

void shares_init(struct Shares *shares, unsigned n_threads, unsigned long n,
                 unsigned long n_pieces) {
    const unsigned long most = n_pieces < SHARES_MAX_PIECES ? n_pieces : SHARES_MAX_PIECES;
    shares->n = n;
    shares->n_pieces = most > 0 ? (unsigned)most : 1;
    for (unsigned i = 0; i < n_threads; i++) atomic_init(&shares->threads[i].n_taken, 0);
}

/* Whether a piece of a thread's share is left, which is then taken. What is computed before and
 * after a run is ordered by the pool. */
static bool take(struct Shares *shares, unsigned thread, unsigned *ret_piece) {
    atomic_uint *n_taken = &shares->threads[thread].n_taken;
    if (atomic_load_explicit(n_taken, memory_order_relaxed) >= shares->n_pieces) return false;
    *ret_piece = atomic_fetch_add_explicit(n_taken, 1, memory_order_relaxed);
    return *ret_piece < shares->n_pieces;
}

bool shares_take(struct Shares *shares, struct SharesWalk *walk, unsigned long *ret_begin,
                 unsigned long *ret_end) {
    for (; walk->n_done < walk->n_threads; walk->n_done++) {
        const unsigned thread = (walk->thread + walk->n_done) % walk->n_threads;
        unsigned long begin, end;
        unsigned piece;
        if (!take(shares, thread, &piece)) continue;
        pool_share(thread, walk->n_threads, shares->n, &begin, &end);
        pool_share(piece, shares->n_pieces, end - begin, ret_begin, ret_end);
        *ret_begin += begin;
        *ret_end += begin;
        return true;
    }
    return false;
}
