#include "engine/cpu-quota.h"

#include <limits.h>
#include <stdio.h>

#include "engine/control-group.h"

/* Of one group: "max 100000" or "150000 100000", microseconds of CPU in a period. */
static uint64_t group_quota(const char *directory) {
    char path[2 * PATH_MAX + 16];
    unsigned long quota, period;
    uint64_t n = CONTROL_GROUP_NO_LIMIT;
    snprintf(path, sizeof path, "%s/cpu.max", directory);
    FILE *stream = fopen(path, "re");
    if (!stream) return n;
    if (fscanf(stream, "%lu %lu", &quota, &period) == 2 && quota > 0 && period > 0 &&
        quota / period < UINT_MAX)
        n = (quota + period - 1) / period;
    fclose(stream);
    return n;
}

unsigned cpu_quota(const char *group_file, const char *root) {
    const uint64_t n = control_group_least(group_file, root, group_quota);
    return n == CONTROL_GROUP_NO_LIMIT ? 0 : (unsigned)n;
}
