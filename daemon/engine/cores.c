#include "engine/cores.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/cpu-quota.h"

struct Core {
    int cpu;
    long first_sibling; /* the lowest CPU number on the same physical core */
    long l3;            /* KiB, -1 when unknown */
    long domain;        /* the lowest CPU number that shares the L3 */
};

/* The number at the start of a file below `devices`, or -1: of a list, its first entry. */
static long read_number(const char *devices, const char *file) {
    char path[512];
    long n = -1;
    snprintf(path, sizeof path, "%s/%s", devices, file);
    FILE *stream = fopen(path, "re");
    if (!stream) return -1;
    if (fscanf(stream, "%ld", &n) != 1) n = -1;
    fclose(stream);
    return n;
}

static long cpu_number(const char *devices, int cpu, const char *name) {
    char file[128];
    snprintf(file, sizeof file, "system/cpu/cpu%d/%s", cpu, name);
    return read_number(devices, file);
}

static struct Core core_of(const char *devices, int cpu) {
    long first = cpu_number(devices, cpu, "topology/thread_siblings_list");
    return (struct Core){
        .cpu = cpu,
        .first_sibling = first < 0 ? cpu : first,
        .l3 = cpu_number(devices, cpu, "cache/index3/size"),
        .domain = cpu_number(devices, cpu, "cache/index3/shared_cpu_list"),
    };
}

static int compare_cores(const void *a, const void *b) {
    const struct Core *x = a, *y = b;
    if (x->l3 != y->l3) return x->l3 > y->l3 ? -1 : 1;
    if (x->domain != y->domain) return x->domain < y->domain ? -1 : 1;
    return x->cpu - y->cpu;
}

/* Takes the CPUs of a list such as "16-23,30" out of the set. */
static void set_remove(cpu_set_t *set, FILE *list) {
    int first, last;
    while (fscanf(list, "%d", &first) == 1) {
        int c = fgetc(list);
        last = first;
        if (c == '-') {
            if (fscanf(list, "%d", &last) != 1) return;
            c = fgetc(list);
        }
        for (int cpu = first; cpu >= 0 && cpu <= last && cpu < CPU_SETSIZE; cpu++)
            CPU_CLR(cpu, set);
        if (c != ',') return;
    }
}

/* The allowed CPUs that are not a hybrid processor's slow ones, or all where these are slow. */
static cpu_set_t fast_cpus(const char *devices, const cpu_set_t *allowed) {
    char path[512];
    cpu_set_t fast = *allowed;
    snprintf(path, sizeof path, "%s/cpu_atom/cpus", devices);
    FILE *stream = fopen(path, "re");
    if (!stream) return *allowed;
    set_remove(&fast, stream);
    fclose(stream);
    return CPU_COUNT(&fast) > 0 ? fast : *allowed;
}

static unsigned find_cores(const char *devices, const cpu_set_t *cpus, struct Core *cores) {
    unsigned n = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, cpus)) continue;
        struct Core core = core_of(devices, cpu);
        bool known = false;
        for (unsigned i = 0; i < n && !known; i++)
            known = cores[i].first_sibling == core.first_sibling;
        if (!known) cores[n++] = core;
    }
    return n;
}

unsigned cores_find_in(const char *devices, const cpu_set_t *allowed, unsigned quota, int *ret,
                       unsigned max) {
    struct Core cores[CPU_SETSIZE];
    const cpu_set_t fast = fast_cpus(devices, allowed);
    unsigned n = find_cores(devices, &fast, cores);
    qsort(cores, n, sizeof *cores, compare_cores);
    if (quota > 0 && quota < n) n = quota;
    for (unsigned i = 0; i < n && i < max; i++) ret[i] = cores[i].cpu;
    if (n == 0 && max > 0) ret[0] = 0;
    return n ? n : 1;
}

unsigned cores_find(int *ret, unsigned max) {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0) CPU_ZERO(&allowed);
    return cores_find_in("/sys/devices", &allowed, cpu_quota("/proc/self/cgroup", "/sys/fs/cgroup"),
                         ret, max);
}
