/*
 * A pool of compute threads for work that is cut up evenly and takes microseconds.
 *
 * pool_run() calls one function on every thread at once, the caller being thread 0, and returns
 * when all have come back. A worker that waits for the next run spins for POOL_SPIN_USEC and then
 * sleeps on a futex, so that a step's many short runs follow each other within about a microsecond
 * and an idle pool costs nothing.
 *
 * Workers are pinned to one physical core each (engine/cores.h). The caller, whose thread is not the
 * pool's, pins itself to the one that is left with pool_settle() where it is going to make many
 * runs: when the scheduler lets it run where a worker is pinned, the two wait for each other's time
 * slices, and a step takes twice as long. A pool belongs to one thread, the only one that may call
 * it.
 */
#pragma once

typedef struct Pool Pool;

#define POOL_SPIN_USEC 50

/* What a thread does in a run; `thread` is 0 to n_threads - 1. May not call the pool. */
typedef void PoolJob(void *userdata, unsigned thread, unsigned n_threads);

/* n_threads 0: one per physical core that this process may run on. -EINVAL: too many. */
int pool_new(unsigned n_threads, Pool **ret);
Pool *pool_free(Pool *pool); /* accepts and returns NULL */

unsigned pool_n_threads(const Pool *pool);

/* Everything written before the call is seen by the job on every thread, and everything written by
 * the job is seen after the call. */
void pool_run(Pool *pool, PoolJob *job, void *userdata);

/* Pins the calling thread to the core that the pool's workers leave to it, until it leaves or frees
 * the pool, makes another one or settles there: threads and processes that it starts before that
 * are pinned, too. Costs nothing where that is so already. */
void pool_settle(const Pool *pool);
/* The calling thread may run anywhere again. Accepts NULL, and a pool that it is not settled in. */
void pool_leave(const Pool *pool);

/* The part of n things in a row that is a thread's: [*ret_begin, *ret_end). */
static inline void pool_share(unsigned thread, unsigned n_threads, unsigned long n,
                              unsigned long *ret_begin, unsigned long *ret_end) {
    *ret_begin = n * thread / n_threads;
    *ret_end = n * (thread + 1) / n_threads;
}
