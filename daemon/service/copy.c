#include "service/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* Large enough for the disk, small enough to notice quickly that it was cancelled. */
#define CHUNK_SIZE (1u << 20)

struct Copy {
    int from, to;
    uint64_t size;
    void (*done)(const Problem *problem, void *userdata); /* NULL: nobody cares; main thread's */
    void *userdata;
    Problem problem;          /* the thread's, then the main thread's */
    _Atomic uint64_t n_bytes; /* written by the thread */
    atomic_bool cancelled;    /* written by the main thread */
    atomic_uint n_refs;       /* the owner and the thread */
};

static void copy_unref(Copy *copy) {
    if (atomic_fetch_sub(&copy->n_refs, 1) > 1) return;
    close(copy->from);
    close(copy->to);
    g_free(copy);
}

static int errno_problem(Copy *copy, const char *what, int error) {
    if (error == ENOSPC || error == EDQUOT)
        return problem_set(&copy->problem, PROBLEM_NO_SPACE, "The disk is full.");
    return problem_set(&copy->problem, PROBLEM_FAILED, "Can't %s the file: %s.", what,
                       g_strerror(error));
}

static int chunk_write(Copy *copy, const char *buffer, size_t size) {
    while (size) {
        ssize_t n = write(copy->to, buffer, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno_problem(copy, "write", errno);
        buffer += n;
        size -= (size_t)n;
    }
    return 0;
}

static int chunk_copy(Copy *copy, char *buffer, uint64_t at) {
    size_t size = MIN(copy->size - at, CHUNK_SIZE);
    ssize_t n;
    do n = pread(copy->from, buffer, size, (off_t)at);
    while (n < 0 && errno == EINTR);
    if (n < 0) return errno_problem(copy, "read", errno);
    if (n == 0) return problem_set(&copy->problem, PROBLEM_BAD_MODEL, "The file became shorter.");
    if (at == 0 && (n < 4 || memcmp(buffer, "GGUF", 4)))
        return problem_set(&copy->problem, PROBLEM_BAD_MODEL,
                           "This is not a GGUF file: it does not begin with \"GGUF\".");
    if (chunk_write(copy, buffer, (size_t)n) < 0) return -1;
    atomic_store(&copy->n_bytes, at + (uint64_t)n);
    return 0;
}

static gboolean in_main_loop(void *userdata) {
    Copy *copy = userdata;
    if (copy->done) copy->done(&copy->problem, copy->userdata);
    copy_unref(copy);
    return G_SOURCE_REMOVE;
}

static void *thread(void *userdata) {
    Copy *copy = userdata;
    g_autofree char *buffer = g_malloc(CHUNK_SIZE);
    while (copy->n_bytes < copy->size && !copy->cancelled && !copy->problem.kind)
        chunk_copy(copy, buffer, copy->n_bytes);
    if (!copy->cancelled && !copy->problem.kind && fsync(copy->to) < 0)
        errno_problem(copy, "write", errno);
    g_idle_add(in_main_loop, copy);
    return NULL;
}

int copy_new(int fd, uint64_t size, const char *path,
             void (*done)(const Problem *problem, void *userdata), void *userdata, Copy **ret,
             Problem *why) {
    int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (to < 0) {
        problem_set(why, PROBLEM_FAILED, "Can't make %s: %s.", path, g_strerror(errno));
        close(fd);
        return -1;
    }
    Copy *copy = g_new0(Copy, 1);
    copy->from = fd;
    copy->to = to;
    copy->size = size;
    copy->done = done;
    copy->userdata = userdata;
    atomic_init(&copy->n_refs, 2);
    GThread *started = g_thread_try_new("copy", thread, copy, NULL);
    if (!started) {
        copy->n_refs = 1;
        copy_unref(copy);
        return problem_set(why, PROBLEM_FAILED, "Can't start a thread.");
    }
    g_thread_unref(started);
    *ret = copy;
    return 0;
}

Copy *copy_free(Copy *copy) {
    if (!copy) return NULL;
    copy->done = NULL;
    copy->cancelled = true;
    copy_unref(copy);
    return NULL;
}

uint64_t copy_n_bytes(const Copy *copy) {
    return copy->n_bytes;
}
