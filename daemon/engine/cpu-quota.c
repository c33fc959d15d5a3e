#include "engine/cpu-quota.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The group's path, without a trailing slash; "" for the root. False: no cgroup v2. */
static bool read_group(const char *file, char *ret, int size) {
    char line[PATH_MAX + 8];
    bool found = false;
    FILE *stream = fopen(file, "re");
    if (!stream) return false;
    while (!found && fgets(line, sizeof line, stream)) {
        if (strncmp(line, "0::/", 4) != 0) continue;
        line[strcspn(line, "\n")] = '\0';
        found = snprintf(ret, (size_t)size, "%s", line[4] ? line + 3 : "") < size;
    }
    fclose(stream);
    return found;
}

/* Of one group: "max 100000" or "150000 100000", microseconds of CPU in a period. */
static unsigned group_quota(const char *root, const char *group) {
    char path[2 * PATH_MAX];
    unsigned long quota, period;
    unsigned n = 0;
    snprintf(path, sizeof path, "%s%s/cpu.max", root, group);
    FILE *stream = fopen(path, "re");
    if (!stream) return 0;
    if (fscanf(stream, "%lu %lu", &quota, &period) == 2 && quota > 0 && period > 0 &&
        quota / period < UINT_MAX)
        n = (unsigned)((quota + period - 1) / period);
    fclose(stream);
    return n;
}

unsigned cpu_quota(const char *group_file, const char *root) {
    char group[PATH_MAX];
    unsigned least = 0;
    if (!read_group(group_file, group, sizeof group)) return 0;
    for (;;) {
        unsigned n = group_quota(root, group);
        if (n > 0 && (least == 0 || n < least)) least = n;
        char *last = strrchr(group, '/');
        if (!last) return least;
        *last = '\0';
    }
}
