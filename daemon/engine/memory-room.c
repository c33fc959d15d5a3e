#include "engine/memory-room.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "engine/control-group.h"

/* One line of a node's meminfo: "Node 0 MemFree:       18662100 kB". */
static uint64_t line_room(const char *line) {
    static const char *const keys[] = {"MemFree:", "Active(file):", "Inactive(file):"};
    char key[32];
    unsigned long long n;
    if (sscanf(line, "Node %*u %31s %llu kB", key, &n) != 2) return 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0) return n << 10;
    return 0;
}

/* Unlike /proc/meminfo this is there in a sandbox without the machine's files of /proc. */
static uint64_t nodes_room(const char *nodes) {
    char path[PATH_MAX + 32], line[256];
    uint64_t room = 0;
    FILE *stream;
    for (unsigned i = 0;; i++) {
        snprintf(path, sizeof path, "%s/node%u/meminfo", nodes, i);
        stream = fopen(path, "re");
        if (!stream) return room;
        while (fgets(line, sizeof line, stream)) room += line_room(line);
        fclose(stream);
    }
}

static uint64_t read_bytes(const char *directory, const char *file, uint64_t otherwise) {
    char path[2 * PATH_MAX + 32];
    unsigned long long n;
    snprintf(path, sizeof path, "%s/%s", directory, file);
    FILE *stream = fopen(path, "re");
    if (!stream) return otherwise;
    if (fscanf(stream, "%llu", &n) == 1) otherwise = n;
    fclose(stream);
    return otherwise;
}

static uint64_t group_room(const char *directory) {
    const uint64_t most = read_bytes(directory, "memory.max", CONTROL_GROUP_NO_LIMIT);
    const uint64_t used = read_bytes(directory, "memory.current", 0);
    if (most == CONTROL_GROUP_NO_LIMIT) return most;
    return most > used ? most - used : 0;
}

uint64_t memory_room_in(const char *nodes, const char *group_file, const char *groups) {
    struct sysinfo machine;
    uint64_t room = nodes_room(nodes);
    const uint64_t allowed = control_group_least(group_file, groups, group_room);
    if (room == 0 && sysinfo(&machine) == 0) room = (uint64_t)machine.freeram * machine.mem_unit;
    return room < allowed ? room : allowed;
}

uint64_t memory_room(void) {
    return memory_room_in("/sys/devices/system/node", "/proc/self/cgroup", "/sys/fs/cgroup");
}
