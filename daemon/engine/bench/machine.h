/*
 * The machine, as a benchmark's results have to name it. Read once, from /proc and /sys; what
 * cannot be read is 0 or "".
 */
#pragma once

#include <stdint.h>

struct Machine {
    char cpu[128];            /* "AMD Ryzen 9 7950X 16-Core Processor" */
    char kernel[128];         /* release of the operating system */
    unsigned n_cpus, n_cores; /* that this process may run on; hardware threads, physical cores */
    unsigned n_smt;           /* hardware threads of a core */
    unsigned n_l3;            /* L3 caches, each with cores of its own */
    uint64_t l2_bytes;        /* of a core */
    uint64_t l3_bytes;        /* of all domains together */
    uint64_t memory_bytes;
    const char *tier; /* of the kernels */
};

const struct Machine *machine_get(void); /* one thread */
/* What this process can have beside the memory and the files that it has mapped, without that
 * anything is written to swap. */
uint64_t machine_room_bytes(void);
/* So many are too many for the caches of n_threads cores, which hold a quarter of them at most; but
 * no more than a quarter of the room. */
uint64_t machine_uncached_bytes(unsigned n_threads);
uint64_t machine_resident_bytes(int pid); /* of a process, now */
