#include "engine/control-group.h"

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

uint64_t control_group_least(const char *group_file, const char *root, ControlGroupLimit *limit) {
    char group[PATH_MAX], directory[2 * PATH_MAX];
    uint64_t least = CONTROL_GROUP_NO_LIMIT;
    if (!read_group(group_file, group, sizeof group)) return least;
    for (;;) {
        snprintf(directory, sizeof directory, "%s%s", root, group);
        const uint64_t n = limit(directory);
        if (n < least) least = n;
        char *last = strrchr(group, '/');
        if (!last) return least;
        *last = '\0';
    }
}
