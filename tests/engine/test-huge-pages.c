/* Huge pages: what is mapped and what takes its place has the bytes of the file. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/huge-pages.h"
#include "engine/memory-room.h"
#include "engine/settling.h"
#include "test.h"

/* More than one step settles, and part of a page. */
#define SIZE (11 * HUGE_PAGE + 12345)

static uint8_t byte_at(size_t i) {
    return (uint8_t)((i * 2654435761u) >> 23);
}

/* In memory, whose pages Linux may join (MADV_COLLAPSE), or in a file system, whose it may not.
 * Small pages in any case: they are written one by one. */
static int file_new(bool in_memory) {
    FILE *file = in_memory ? NULL : tmpfile();
    int fd = in_memory ? memfd_create("pages", MFD_CLOEXEC) : file ? dup(fileno(file)) : -1;
    uint8_t *bytes = malloc(SIZE);
    if (fd < 0 || !bytes) abort();
    for (size_t i = 0; i < SIZE; i++) bytes[i] = byte_at(i);
    for (size_t at = 0, n; at < SIZE; at += n) {
        n = SIZE - at < 4096 ? SIZE - at : 4096;
        if (pwrite(fd, bytes + at, n, (off_t)at) != (ssize_t)n) abort();
    }
    free(bytes);
    if (file) fclose(file);
    return fd;
}

static bool is_whole(const uint8_t *bytes) {
    size_t i = 0;
    while (i < SIZE && bytes[i] == byte_at(i)) i++;
    return i == SIZE;
}

static void maps(void) {
    for (int in_memory = 0; in_memory < 2; in_memory++) {
        int fd = file_new(in_memory);
        void *mapping;
        REQUIRE(huge_map(fd, SIZE, &mapping) == 0);
        CHECK_INT((uintptr_t)mapping % HUGE_PAGE, 0);
        CHECK_INT(huge_touch(mapping, SIZE), 0);
        CHECK(is_whole(mapping));
        CHECK(huge_bytes(mapping, SIZE) <= SIZE);
        munmap(mapping, SIZE);
        close(fd);
    }
    void *mapping;
    CHECK_INT(huge_map(-1, SIZE, &mapping), -EBADF);
    CHECK_INT(huge_map(STDIN_FILENO, 0, &mapping), -ENOMEM);
}

static void allocates(void) {
    uint8_t *memory = huge_allocate(SIZE);
    REQUIRE(memory);
    CHECK_INT((uintptr_t)memory % HUGE_PAGE, 0);
    size_t n = 0;
    for (size_t i = 0; i < SIZE; i++) n += memory[i] == 0;
    CHECK_INT(n, SIZE);
    memory[SIZE - 1] = 1;
    munmap(memory, SIZE);
    CHECK(!huge_allocate(SIZE_MAX - 5));
}

/* Where there is nothing of the file an error comes back, not a signal. */
static void shorter_than_it_was(void) {
    int fd = file_new(true);
    void *mapping;
    REQUIRE(huge_map(fd, SIZE, &mapping) == 0);
    CHECK_INT(ftruncate(fd, HUGE_PAGE), 0);
    CHECK_INT(huge_touch(mapping, HUGE_PAGE), 0);
    CHECK_INT(huge_touch(mapping, SIZE), -EIO);
    munmap(mapping, SIZE);
    close(fd);
}

static void settle(void *mapping, size_t size, unsigned n_threads) {
    struct Settling settling;
    Pool *pool;
    unsigned n = 0;
    REQUIRE(pool_new(n_threads, &pool) == 0);
    settling_init(&settling, mapping, size);
    while (settling_step(&settling, pool)) n++;
    CHECK(n <= SIZE / SETTLING_PIECE);
    CHECK(!settling_step(&settling, pool));
    settling_done(&settling);
    pool_free(pool);
}

static void settles(void) {
    for (int in_memory = 0; in_memory < 2; in_memory++) {
        for (unsigned n_threads = 1; n_threads <= 3; n_threads++) {
            int fd = file_new(in_memory);
            void *mapping;
            REQUIRE(huge_map(fd, SIZE, &mapping) == 0);
            const size_t before = huge_bytes(mapping, SIZE);
            settle(mapping, SIZE, n_threads);
            printf("# %s: %zu of %zu bytes in huge pages, %zu before\n",
                   in_memory ? "memory" : "a file", huge_bytes(mapping, SIZE), SIZE, before);
            CHECK(huge_bytes(mapping, SIZE) >= before);
            CHECK(is_whole(mapping));
            settle(mapping, SIZE, n_threads); /* what has settled may again */
            CHECK(is_whole(mapping));
            CHECK_INT(munmap(mapping, SIZE), 0);
            close(fd);
        }
    }
}

static void settles_nothing(void) {
    struct Settling settling = {0};
    CHECK(!settling_step(&settling, NULL));
    int fd = file_new(true);
    void *mapping;
    REQUIRE(huge_map(fd, SIZE, &mapping) == 0);
    settle(mapping, HUGE_PAGE - 1, 1);
    CHECK(is_whole(mapping));
    munmap(mapping, SIZE);
    close(fd);
}

/* ---- Room ---- */

static char root[] = "/tmp/test-huge-pages.XXXXXX";

static void write_file(const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *stream = fopen(path, "w");
    if (!stream) abort();
    fputs(text, stream);
    fclose(stream);
}

static void room(void) {
    static const char *const directories[] = {"node0", "node1", "slice"};
    static const struct {
        const char *most, *used;
        uint64_t expected;
    } groups[] = {{"max\n", "77\n", 1110 << 10},
                  {"100000\n", "40000\n", 60000},
                  {"100000\n", "100001\n", 0},
                  {"99999999999\n", "1\n", 1110 << 10}};
    static const char *const files[] = {"node0/meminfo", "node1/meminfo", "slice/memory.max",
                                        "slice/memory.current", "group"};
    char path[128], group[128];
    REQUIRE(mkdtemp(root));
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", root, directories[i]);
        mkdir(path, 0700);
    }
    snprintf(group, sizeof group, "%s/group", root);
    write_file("group", "0::/slice\n");
    write_file("node0/meminfo", "Node 0 MemTotal:  5000 kB\nNode 0 MemFree:    1000 kB\n"
                                "Node 0 Active:    7000 kB\nNode 0 Active(file):    100 kB\n");
    write_file("node1/meminfo", "Node 1 Inactive(file):    10 kB\nNode 1 Active(anon): 3 kB\n");
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        write_file("slice/memory.max", groups[i].most);
        write_file("slice/memory.current", groups[i].used);
        CHECK_INT(memory_room_in(root, group, root), groups[i].expected);
    }
    CHECK(memory_room_in("/nonexistent", "/nonexistent", root) > 0);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", root, files[i]);
        unlink(path);
    }
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", root, directories[i]);
        rmdir(path);
    }
    rmdir(root);
}

int main(void) {
    return TEST_MAIN({"a mapped file", maps}, {"memory", allocates},
                     {"a file that became shorter", shorter_than_it_was},
                     {"what settles has the same bytes", settles},
                     {"nothing to settle", settles_nothing}, {"room", room});
}
