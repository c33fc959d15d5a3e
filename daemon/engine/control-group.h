/*
 * What the control groups of this process (cgroup v2) allow it, as systemd's units and containers
 * set it.
 */
#pragma once

#include <stdint.h>

#define CONTROL_GROUP_NO_LIMIT UINT64_MAX

/* What one group, a directory below /sys/fs/cgroup, allows. */
typedef uint64_t ControlGroupLimit(const char *directory);

/* The least on the way from the process' group to the root. `group_file` is the process'
 * /proc/self/cgroup, `root` where the hierarchy is mounted. */
uint64_t control_group_least(const char *group_file, const char *root, ControlGroupLimit *limit);
