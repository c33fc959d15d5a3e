#include "engine/huge-pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

static uintptr_t round_up(uintptr_t n, size_t multiple) {
    return (n + multiple - 1) / multiple * multiple;
}

/* Room in the address space, of which `size` bytes from a multiple of 2 MiB are left. */
static void *reserve(size_t size) {
    if (size == 0 || size > SIZE_MAX / 2) return NULL;
    size = round_up(size, (size_t)sysconf(_SC_PAGESIZE));
    uint8_t *room =
        mmap(NULL, size + HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) return NULL;
    uint8_t *start = (uint8_t *)round_up((uintptr_t)room, HUGE_PAGE);
    const size_t before = (size_t)(start - room), behind = HUGE_PAGE - before;
    if (before > 0) munmap(room, before);
    if (behind > 0) munmap(start + size, behind);
    return start;
}

/* Huge pages are asked for; nothing is lost where there are none. */
static int map_at(void *place, size_t size, int protection, int flags, int fd) {
    if (mmap(place, size, protection, flags | MAP_FIXED, fd, 0) == MAP_FAILED) {
        const int error = errno;
        munmap(place, size);
        return -error;
    }
    madvise(place, size, MADV_HUGEPAGE);
    return 0;
}

int huge_map(int fd, size_t size, void **ret) {
    void *place = reserve(size);
    if (!place) return -ENOMEM;
    int r = map_at(place, size, PROT_READ, MAP_SHARED, fd);
    if (r == 0) *ret = place;
    return r;
}

void *huge_allocate(size_t size) {
    void *place = reserve(size);
    if (!place) return NULL;
    int r = map_at(place, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    return r == 0 ? place : NULL;
}

int huge_touch(const void *data, size_t size) {
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)data / page * page;
    const uintptr_t end = round_up((uintptr_t)data + size, page);
    while (madvise((void *)start, end - start, MADV_POPULATE_READ) < 0) {
        if (errno == EFAULT || errno == EHWPOISON) return -EIO;
        if (errno != EINTR && errno != EAGAIN) return 0; /* an older kernel: by and by, then */
    }
    return 0;
}

/* What <linux/fs.h> has since Linux 6.7: which pages of a range are of a kind. */
struct Region {
    uint64_t start, end, categories;
};

struct Scan {
    uint64_t size, flags, start, end, walk_end, regions, n_regions, max_pages;
    uint64_t inverted, all_of, any_of, returned;
};

#define IS_HUGE ((uint64_t)1 << 6)
#define SCAN_PAGES _IOWR('f', 16, struct Scan)

size_t huge_bytes(const void *data, size_t size) {
    struct Region regions[64];
    struct Scan scan = {
        .size = sizeof scan,
        .start = (uintptr_t)data,
        .end = round_up((uintptr_t)data + size, (size_t)sysconf(_SC_PAGESIZE)),
        .regions = (uintptr_t)regions,
        .n_regions = sizeof regions / sizeof *regions,
        .all_of = IS_HUGE,
        .returned = IS_HUGE,
    };
    size_t n = 0;
    const int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    for (int found = 1; fd >= 0 && found > 0 && scan.start < scan.end; scan.start = scan.walk_end) {
        found = ioctl(fd, SCAN_PAGES, &scan);
        for (int i = 0; i < found; i++) n += regions[i].end - regions[i].start;
    }
    if (fd >= 0) close(fd);
    return n;
}
