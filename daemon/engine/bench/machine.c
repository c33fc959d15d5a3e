#include "engine/bench/machine.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "engine/cores.h"
#include "engine/memory-room.h"
#include "kernels/kernels.h"

#define MAX_DOMAINS 256u

/* What follows `key` and its colon in a file of such lines, without the newline; "" where there is
 * none. */
static void line_value(const char *path, const char *key, char *ret, size_t size) {
    char line[512];
    FILE *file = fopen(path, "re");
    *ret = '\0';
    while (file && !*ret && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, key, strlen(key)) != 0 || !colon) continue;
        colon += 1 + strspn(colon + 1, " \t");
        snprintf(ret, size, "%.*s", (int)strcspn(colon, "\n"), colon);
    }
    if (file) fclose(file);
}

static uint64_t line_kib(const char *path, const char *key) {
    char value[64];
    unsigned long long kib = 0;
    line_value(path, key, value, sizeof value);
    return sscanf(value, "%llu", &kib) == 1 ? kib * 1024 : 0;
}

static bool read_word(int cpu, const char *file, char *ret, size_t size) {
    char path[128];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/%s", cpu, file);
    FILE *stream = fopen(path, "re");
    const bool is_read = stream && fgets(ret, (int)size, stream);
    if (stream) fclose(stream);
    if (is_read) ret[strcspn(ret, "\n")] = '\0';
    return is_read;
}

/* CPUs in a list like "0-3,8". */
static unsigned count_list(const char *list) {
    unsigned n = 0, first, last;
    int length;
    while (sscanf(list, "%u%n", &first, &length) == 1) {
        list += length;
        last = first;
        if (*list == '-' && sscanf(list, "-%u%n", &last, &length) == 1) list += length;
        n += last >= first ? last - first + 1 : 0;
        if (*list++ != ',') break;
    }
    return n;
}

/* Caches are known by who shares them. */
struct Domains {
    char shared[MAX_DOMAINS][64];
    unsigned n;
};

static bool domain_is_new(struct Domains *domains, const char *shared) {
    for (unsigned i = 0; i < domains->n; i++)
        if (strcmp(domains->shared[i], shared) == 0) return false;
    if (domains->n == MAX_DOMAINS) return false;
    snprintf(domains->shared[domains->n++], sizeof *domains->shared, "%s", shared);
    return true;
}

static uint64_t cache_size(int cpu, unsigned index) {
    char file[64], word[64];
    unsigned long long size = 0;
    char unit = ' ';
    snprintf(file, sizeof file, "cache/index%u/size", index);
    if (!read_word(cpu, file, word, sizeof word)) return 0;
    sscanf(word, "%llu%c", &size, &unit);
    return size << (unit == 'K' ? 10 : unit == 'M' ? 20 : 0);
}

static void add_caches(struct Machine *machine, struct Domains *l3, int cpu) {
    char shared[64];
    const uint64_t l2 = cache_size(cpu, 2);
    if (l2 > machine->l2_bytes) machine->l2_bytes = l2;
    if (!read_word(cpu, "cache/index3/shared_cpu_list", shared, sizeof shared)) return;
    if (domain_is_new(l3, shared)) machine->l3_bytes += cache_size(cpu, 3);
}

static void find_cpus(struct Machine *machine) {
    static struct Domains l3;
    char siblings[64];
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0) CPU_ZERO(&allowed);
    machine->n_smt = 1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed)) continue;
        machine->n_cpus++;
        add_caches(machine, &l3, cpu);
        if (!read_word(cpu, "topology/thread_siblings_list", siblings, sizeof siblings)) continue;
        const unsigned n = count_list(siblings);
        if (n > machine->n_smt) machine->n_smt = n;
    }
    machine->n_l3 = l3.n;
    machine->n_cores = cores_find(NULL, 0);
}

const struct Machine *machine_get(void) {
    static struct Machine machine;
    struct utsname name;
    if (machine.tier) return &machine;
    line_value("/proc/cpuinfo", "model name", machine.cpu, sizeof machine.cpu);
    if (uname(&name) == 0) snprintf(machine.kernel, sizeof machine.kernel, "%s", name.release);
    machine.memory_bytes = line_kib("/proc/meminfo", "MemTotal:");
    find_cpus(&machine);
    machine.tier = kernels_best()->tier;
    return &machine;
}

/* A model that is mapped is in the page cache, which counts as room otherwise. */
uint64_t machine_room_bytes(void) {
    const uint64_t room = memory_room(), mapped = line_kib("/proc/self/status", "RssFile:");
    return room > mapped ? room - mapped : 0;
}

uint64_t machine_uncached_bytes(unsigned n_threads) {
    const struct Machine *machine = machine_get();
    const uint64_t size = 4 * (machine->l3_bytes + machine->l2_bytes * n_threads);
    const uint64_t least = (uint64_t)128 << 20, most = machine_room_bytes() / 4;
    const uint64_t wanted = size > least ? size : least;
    return wanted < most ? wanted : most;
}

uint64_t machine_resident_bytes(int pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    return line_kib(path, "VmRSS:");
}
