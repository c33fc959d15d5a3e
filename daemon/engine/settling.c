#include "engine/settling.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/huge-pages.h"
#include "engine/memory-room.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

/* An eighth in small pages is not worth a copy. */
static bool is_settled(void *mapping, size_t size) {
    return huge_bytes(mapping, size) >= size - size / 8;
}

void settling_init(struct Settling *settling, void *mapping, size_t size) {
    *settling = (struct Settling){.mapping = mapping, .can_collapse = true};
    size = size / HUGE_PAGE * HUGE_PAGE; /* the rest of the last page stays where it is */
    if (size == 0 || is_settled(mapping, size)) return;
    settling->size = size;
}

void settling_done(struct Settling *settling) {
    if (settling->staging) munmap(settling->staging, settling->size);
    *settling = (struct Settling){0};
}

/* Room in the address space for copies, each as far from its start as the original is. */
static bool make_staging(struct Settling *settling) {
    if (memory_room() / 2 < settling->size) return false;
    settling->staging = huge_allocate(settling->size);
    return settling->staging;
}

/* In place of the file's. What fails leaves it as it was, unless the kernel lacked memory for its
 * own tables after it had begun: then there is a hole, and no model any more. */
static void replace(unsigned char *at, unsigned char *copy, size_t size) {
    if (mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, at) != MAP_FAILED) return;
    if (msync(at, size, MS_ASYNC) < 0) abort();
    madvise(copy, size, MADV_DONTNEED);
}

static void copy_page(const struct Settling *settling, size_t at) {
    unsigned char *copy = settling->staging + at, *original = settling->mapping + at;
    memcpy(copy, original, HUGE_PAGE);
    mprotect(copy, HUGE_PAGE, PROT_READ);
    replace(original, copy, HUGE_PAGE);
}

static void settle_page(const struct Settling *settling, size_t at) {
    unsigned char *page = settling->mapping + at;
    if (huge_bytes(page, HUGE_PAGE) == HUGE_PAGE) return;
    if (settling->can_collapse)
        madvise(page, HUGE_PAGE, MADV_COLLAPSE);
    else
        copy_page(settling, at);
}

static void settle_job(void *userdata, unsigned thread, unsigned n_threads) {
    const struct Settling *settling = userdata;
    (void)n_threads;
    size_t at = settling->done + thread * SETTLING_PIECE;
    for (size_t end = at + SETTLING_PIECE; at < end && at < settling->size; at += HUGE_PAGE)
        settle_page(settling, at);
}

bool settling_step(struct Settling *settling, Pool *pool) {
    if (settling->done >= settling->size) return false;
    if (settling->can_collapse && settling->done == 0)
        settling->can_collapse = madvise(settling->mapping, HUGE_PAGE, MADV_COLLAPSE) == 0;
    if (!settling->can_collapse && !settling->staging && !make_staging(settling)) {
        settling->size = 0;
        return false;
    }
    pool_run(pool, settle_job, settling);
    settling->done += pool_n_threads(pool) * SETTLING_PIECE;
    return settling->done < settling->size;
}
