/*
 * Copies a model file, in a thread of its own because disks block. The one place of the daemon
 * where something crosses threads.
 */
#pragma once

#include <stdint.h>

#include "service/problem.h"

typedef struct Copy Copy;

/* Copies `size` bytes of a regular file to the new file `path`. Takes `fd`, also on failure. `done`
 * is called from the main loop: BadModel when it does not begin as a GGUF file or is shorter than
 * expected, NoSpace, Failed. */
int copy_new(int fd, uint64_t size, const char *path,
             void (*done)(const Problem *problem, void *userdata), void *userdata, Copy **ret,
             Problem *why);
/* Without a word if it still runs; the thread ends at its next chunk. */
Copy *copy_free(Copy *copy);
uint64_t copy_n_bytes(const Copy *copy); /* so far */
