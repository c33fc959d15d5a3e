#include "engine/cores.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* The number at the start of a file of a CPU below /sys, or -1. */
static long cpu_number(int cpu, const char *file) {
    char path[128];
    long n = -1;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/%s", cpu, file);
    FILE *stream = fopen(path, "re");
    if (!stream) return -1;
    if (fscanf(stream, "%ld", &n) != 1) n = -1;
    fclose(stream);
    return n;
}

struct Core {
    int cpu;
    long first_sibling; /* the lowest CPU number on the same physical core */
    long l3;            /* KiB, -1 when unknown */
};

static int compare_cores(const void *a, const void *b) {
    const struct Core *x = a, *y = b;
    if (x->l3 != y->l3) return x->l3 > y->l3 ? -1 : 1;
    return x->cpu - y->cpu;
}

static struct Core core_of(int cpu) {
    long first = cpu_number(cpu, "topology/thread_siblings_list"); /* lowest first */
    return (struct Core){
        .cpu = cpu,
        .first_sibling = first < 0 ? cpu : first,
        .l3 = cpu_number(cpu, "cache/index3/size"),
    };
}

static unsigned find_cores(const cpu_set_t *allowed, struct Core *cores) {
    unsigned n = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, allowed)) continue;
        struct Core core = core_of(cpu);
        bool known = false;
        for (unsigned i = 0; i < n && !known; i++)
            known = cores[i].first_sibling == core.first_sibling;
        if (!known) cores[n++] = core;
    }
    return n;
}

unsigned cores_find(int *ret, unsigned max) {
    cpu_set_t allowed;
    struct Core cores[CPU_SETSIZE];
    unsigned n = 0;
    if (sched_getaffinity(0, sizeof allowed, &allowed) >= 0) n = find_cores(&allowed, cores);
    qsort(cores, n, sizeof *cores, compare_cores);
    for (unsigned i = 0; i < n && i < max; i++) ret[i] = cores[i].cpu;
    if (n == 0 && max > 0) ret[0] = 0;
    return n ? n : 1;
}
