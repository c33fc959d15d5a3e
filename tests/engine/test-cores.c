/* Which cores are computed on, on machines that are not here: trees of /sys/devices as Linux shows
 * them, made from what is known of the processors. */
#include "engine/cores.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/cpu-quota.h"
#include "test.h"

#define MAX_CPUS 64

/* CPUs [first, first + n) whose SMT siblings are `sibling` further, in L3 domains. */
struct Domain {
    int first, n;
    int sibling; /* 0: no SMT; 1: siblings are neighbours, and n counts both */
    int l3;      /* MiB; 0: not told */
};

struct Machine {
    const char *name;
    struct Domain domains[4];
    const char *slow; /* list of a hybrid's slow CPUs, or NULL */
    int l3_of_all;    /* MiB shared by all domains; 0: each has its own */
};

static const struct Machine machines[] = {
    {"Ryzen 9 7950X", {{0, 8, 16, 32}, {8, 8, 16, 32}}},
    {"Ryzen 9 7950X3D", {{0, 8, 16, 96}, {8, 8, 16, 32}}},
    {"Ryzen 7 5800X3D", {{0, 8, 8, 96}}},
    {"Ryzen 7 7700X", {{0, 8, 8, 32}}},
    {"Threadripper PRO 7975WX", {{0, 8, 32, 32}, {8, 8, 32, 32}, {16, 8, 32, 32}, {24, 8, 32, 32}}},
    {"Core i9-13900K", {{0, 16, 1, 0}, {16, 16, 0, 0}}, "16-31\n", 36},
    {"a virtual machine", {{0, 4, 0, 0}}},
    /* with the large cache on the second die, which a firmware may do */
    {"7950X3D, the other way", {{0, 8, 16, 32}, {8, 8, 16, 96}}},
};

static const struct Machine *machine(const char *name) {
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++)
        if (strcmp(machines[i].name, name) == 0) return &machines[i];
    return NULL;
}

/* ---- The tree ---- */

static char root[] = "/tmp/test-cores.XXXXXX";

static void write_file(const char *file, const char *text) {
    char path[512], *slash;
    snprintf(path, sizeof path, "%s/%s", root, file);
    for (slash = strchr(path + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
    FILE *stream = fopen(path, "w");
    if (!stream) abort();
    fputs(text, stream);
    fclose(stream);
}

static void write_cpu(const struct Machine *m, const struct Domain *domain, int cpu) {
    char file[128], text[64];
    int first = cpu, second = cpu;
    if (domain->sibling == 1) {
        first = cpu & ~1;
        second = first + 1;
    } else if (domain->sibling > 1) {
        first = cpu % domain->sibling;
        second = first + domain->sibling;
    }
    snprintf(file, sizeof file, "system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    snprintf(text, sizeof text,
             first == second        ? "%d\n"
             : domain->sibling == 1 ? "%d-%d\n"
                                    : "%d,%d\n",
             first, second);
    write_file(file, text);
    const int l3 = m->l3_of_all ? m->l3_of_all : domain->l3;
    if (l3 == 0) return;
    snprintf(file, sizeof file, "system/cpu/cpu%d/cache/index3/size", cpu);
    snprintf(text, sizeof text, "%dK\n", l3 * 1024);
    write_file(file, text);
    snprintf(file, sizeof file, "system/cpu/cpu%d/cache/index3/shared_cpu_list", cpu);
    snprintf(text, sizeof text, "%d-%d\n", m->l3_of_all ? 0 : domain->first,
             domain->first + domain->n - 1);
    write_file(file, text);
}

static void remove_tree(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s/*", root);
    if (system(command) != 0) abort();
}

/* All CPUs of the machine are in `ret_all`. */
static void write_machine(const struct Machine *m, cpu_set_t *ret_all) {
    remove_tree();
    CPU_ZERO(ret_all);
    for (size_t i = 0; i < 4 && m->domains[i].n > 0; i++) {
        const struct Domain *domain = &m->domains[i];
        for (int j = 0; j < domain->n; j++) {
            write_cpu(m, domain, domain->first + j);
            CPU_SET(domain->first + j, ret_all);
            if (domain->sibling <= 1) continue;
            write_cpu(m, domain, domain->first + j + domain->sibling);
            CPU_SET(domain->first + j + domain->sibling, ret_all);
        }
    }
    if (m->slow) write_file("cpu_atom/cpus", m->slow);
}

/* ---- Cases ---- */

static void check_cores(const char *name, const cpu_set_t *allowed, unsigned quota,
                        const int *expected, unsigned n) {
    int got[MAX_CPUS];
    CHECK_INT(cores_find_in(root, allowed, quota, got, MAX_CPUS), n);
    for (unsigned i = 0; i < n; i++)
        if (got[i] != expected[i])
            test_fail(__FILE__, __LINE__, "%s: core %u is CPU %d, not %d", name, i, got[i],
                      expected[i]);
}

/* One thread a core; CPUs in the order of their dies. */
static void whole_machines(void) {
    static const struct {
        const char *name;
        unsigned n;
        int step; /* from one CPU to the next */
    } cases[] = {
        {"Ryzen 9 7950X", 16, 1},    {"Ryzen 9 7950X3D", 16, 1},         {"Ryzen 7 5800X3D", 8, 1},
        {"Ryzen 7 7700X", 8, 1},     {"Threadripper PRO 7975WX", 32, 1}, {"Core i9-13900K", 8, 2},
        {"a virtual machine", 4, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cpu_set_t all;
        int expected[MAX_CPUS];
        write_machine(machine(cases[i].name), &all);
        for (int j = 0; j < MAX_CPUS; j++) expected[j] = j * cases[i].step;
        check_cores(cases[i].name, &all, 0, expected, cases[i].n);
    }
}

static void large_cache_first(void) {
    cpu_set_t all;
    int expected[16];
    write_machine(machine("7950X3D, the other way"), &all);
    for (int i = 0; i < 16; i++) expected[i] = (i + 8) % 16;
    check_cores("7950X3D", &all, 0, expected, 16);
}

/* A cpuset may leave one sibling of a core, either one, and parts of dies. */
static void containers(void) {
    cpu_set_t all, allowed;
    write_machine(machine("Ryzen 9 7950X3D"), &all);
    CPU_ZERO(&allowed);
    static const int cpus[] = {3, 18, 19, 2, 24, 9};
    for (size_t i = 0; i < sizeof cpus / sizeof *cpus; i++) CPU_SET(cpus[i], &allowed);
    check_cores("a cpuset", &allowed, 0, (const int[]){2, 3, 9, 24}, 4);
    check_cores("a quota", &all, 3, (const int[]){0, 1, 2}, 3);
    check_cores("a large quota", &allowed, 60, (const int[]){2, 3, 9, 24}, 4);

    write_machine(machine("Core i9-13900K"), &all);
    CPU_ZERO(&allowed);
    CPU_SET(20, &allowed);
    CPU_SET(21, &allowed);
    check_cores("slow cores only", &allowed, 0, (const int[]){20, 21}, 2);
    CPU_SET(5, &allowed);
    check_cores("one fast core", &allowed, 0, (const int[]){5}, 1);
}

static void nothing_known(void) {
    cpu_set_t allowed;
    int got[2];
    remove_tree();
    CPU_ZERO(&allowed);
    CHECK_INT(cores_find_in(root, &allowed, 0, got, 2), 1);
    CHECK_INT(got[0], 0);
    CPU_SET(1, &allowed);
    CPU_SET(3, &allowed);
    CPU_SET(4, &allowed);
    CHECK_INT(cores_find_in(root, &allowed, 0, got, 2), 3); /* all, though two were written */
    CHECK(got[0] == 1 && got[1] == 3);
    write_file("cpu_atom/cpus", "0-99999999,x");
    CHECK_INT(cores_find_in(root, &allowed, 0, got, 2), 3);
}

static void quotas(void) {
    static const struct {
        const char *group, *outer, *inner; /* "" is no file */
        unsigned expected;
    } cases[] = {
        {"0::/a.slice/b.service\n", "max 100000\n", "max 100000\n", 0},
        {"0::/a.slice/b.service\n", "400000 100000\n", "150000 100000\n", 2},
        {"0::/a.slice/b.service\n", "100000 100000\n", "800000 100000\n", 1},
        {"0::/a.slice/b.service\n", "", "50000 100000\n", 1},
        {"1:cpu:/x\n0::/a.slice/b.service\n", "300000 100000\n", "", 3},
        {"0::/\n", "300000 100000\n", "", 0},
        {"4:cpu:/a.slice\n", "300000 100000\n", "", 0},
        {"0::/a.slice/b.service\n", "0 0\n", "garbage\n", 0},
    };
    char group[128];
    snprintf(group, sizeof group, "%s/group", root);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        remove_tree();
        write_file("group", cases[i].group);
        if (*cases[i].outer) write_file("a.slice/cpu.max", cases[i].outer);
        if (*cases[i].inner) write_file("a.slice/b.service/cpu.max", cases[i].inner);
        unsigned n = cpu_quota(group, root);
        if (n != cases[i].expected)
            test_fail(__FILE__, __LINE__, "case %zu: %u, not %u", i, n, cases[i].expected);
    }
    CHECK_INT(cpu_quota("/nonexistent", root), 0);
}

int main(void) {
    if (!mkdtemp(root)) abort();
    int r = TEST_MAIN({"whole machines", whole_machines},
                      {"the die with the large cache comes first", large_cache_first},
                      {"cpusets and quotas of containers", containers},
                      {"machines that tell nothing", nothing_known},
                      {"quotas of control groups", quotas});
    remove_tree();
    rmdir(root);
    return r;
}
