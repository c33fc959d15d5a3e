#include "engine/pool.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "engine/cores.h"
#include "engine/limits.h"

struct Worker {
    Pool *pool;
    unsigned number;
    pthread_t id;
};

struct Pool {
    unsigned n_threads; /* the caller included */
    unsigned n_started; /* workers that exist: 1 to n_started */
    int first_core;     /* the caller's; -1 where it is alone */
    bool quit;
    PoolJob *job;
    void *userdata;

    /* What both sides write while waiting for each other, a cache line each. */
    _Alignas(64) _Atomic uint32_t epoch;  /* goes up with every run */
    _Alignas(64) _Atomic uint32_t n_busy; /* workers that have not come back */
    _Alignas(64) _Atomic uint32_t n_asleep;
    _Atomic uint32_t caller_asleep;
    struct Worker workers[];
};

/* Where this thread has settled, and the CPUs that it could run on before. */
static _Thread_local struct {
    const Pool *pool; /* NULL: nowhere; never followed */
    cpu_set_t before;
} seat;

static uint64_t now_nsec(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void futex_wait(_Atomic uint32_t *word, uint32_t value) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake_all(_Atomic uint32_t *word) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* Whether *word changed from `value` while spinning. Reading the clock is the pause. */
static bool spin_while(_Atomic uint32_t *word, uint32_t value) {
    uint64_t end = now_nsec() + POOL_SPIN_USEC * 1000u;
    do {
        for (int i = 0; i < 16; i++)
            if (atomic_load_explicit(word, memory_order_acquire) != value) return true;
    } while (now_nsec() < end);
    return false;
}

/* `asleep` goes up before the word is read again, and who changes the word reads `asleep` after:
 * with sequentially consistent operations one of the two sees the other. */
static void wait_while(_Atomic uint32_t *word, uint32_t value, _Atomic uint32_t *asleep) {
    if (spin_while(word, value)) return;
    atomic_fetch_add(asleep, 1);
    while (atomic_load(word) == value) futex_wait(word, value);
    atomic_fetch_sub(asleep, 1);
}

static void wake_workers(Pool *pool) {
    atomic_fetch_add(&pool->epoch, 1);
    if (atomic_load(&pool->n_asleep) > 0) futex_wake_all(&pool->epoch);
}

static void *worker_main(void *userdata) {
    struct Worker *worker = userdata;
    Pool *pool = worker->pool;
    for (uint32_t epoch = 0;; epoch++) {
        wait_while(&pool->epoch, epoch, &pool->n_asleep);
        if (pool->quit) return NULL;
        pool->job(pool->userdata, worker->number, pool->n_threads);
        if (atomic_fetch_sub(&pool->n_busy, 1) == 1 && atomic_load(&pool->caller_asleep) > 0)
            futex_wake_all(&pool->n_busy);
    }
}

static void wait_for_workers(Pool *pool) {
    uint32_t n;
    while ((n = atomic_load_explicit(&pool->n_busy, memory_order_acquire)) > 0)
        wait_while(&pool->n_busy, n, &pool->caller_asleep);
}

void pool_run(Pool *pool, PoolJob *job, void *userdata) {
    if (pool->n_threads > 1) {
        pool->job = job;
        pool->userdata = userdata;
        atomic_store(&pool->n_busy, pool->n_threads - 1);
        wake_workers(pool);
    }
    job(userdata, 0, pool->n_threads);
    wait_for_workers(pool);
}

unsigned pool_n_threads(const Pool *pool) {
    return pool->n_threads;
}

static void leave_seat(void) {
    if (seat.pool) sched_setaffinity(0, sizeof seat.before, &seat.before);
    seat.pool = NULL;
}

void pool_settle(const Pool *pool) {
    cpu_set_t core;
    if (seat.pool == pool || pool->first_core < 0) return;
    leave_seat();
    CPU_ZERO(&core);
    CPU_SET(pool->first_core, &core);
    if (sched_getaffinity(0, sizeof seat.before, &seat.before) < 0) return;
    sched_setaffinity(0, sizeof core, &core); /* a core that was taken away: as well without */
    seat.pool = pool;
}

void pool_leave(const Pool *pool) {
    if (pool && seat.pool == pool) leave_seat();
}

/* Pinned where there is a core left for it, with all signals left to the process' own threads. */
static int start_worker(struct Worker *worker, const int *cores, unsigned n_cores) {
    pthread_attr_t attributes;
    sigset_t all, before;
    int r = pthread_attr_init(&attributes);
    if (r) return -r;
    if (worker->number < n_cores) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(cores[worker->number], &set);
        pthread_attr_setaffinity_np(&attributes, sizeof set, &set);
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&worker->id, &attributes, worker_main, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return -r;
}

int pool_new(unsigned n_threads, Pool **ret) {
    int cores[POOL_MAX_THREADS];
    leave_seat();
    unsigned n_cores = cores_find(cores, POOL_MAX_THREADS);
    if (n_cores > POOL_MAX_THREADS) n_cores = POOL_MAX_THREADS;
    if (n_threads == 0) n_threads = n_cores;
    if (n_threads > POOL_MAX_THREADS) return -EINVAL;

    size_t size = sizeof(Pool) + n_threads * sizeof(struct Worker);
    Pool *pool = aligned_alloc(64, (size + 63) / 64 * 64);
    if (!pool) return -ENOMEM;
    *pool = (Pool){.n_threads = n_threads, .first_core = n_threads > 1 ? cores[0] : -1};
    for (unsigned i = 1; i < n_threads; i++) {
        pool->workers[i] = (struct Worker){.pool = pool, .number = i};
        int r = start_worker(&pool->workers[i], cores, n_cores);
        if (r < 0) {
            pool_free(pool);
            return r;
        }
        pool->n_started = i;
    }
    *ret = pool;
    return 0;
}

Pool *pool_free(Pool *pool) {
    if (!pool) return NULL;
    pool_leave(pool);
    pool->quit = true;
    wake_workers(pool);
    for (unsigned i = 1; i <= pool->n_started; i++) pthread_join(pool->workers[i].id, NULL);
    free(pool);
    return NULL;
}
