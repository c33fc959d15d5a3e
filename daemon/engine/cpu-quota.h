/*
 * How many CPUs the control group of this process pays for (cpu.max of cgroup v2: CPUQuota= of
 * systemd, --cpus of containers).
 */
#pragma once

/* Rounded up, at least 1; 0: no limit, or none that could be read. `group_file` is the process'
 * /proc/self/cgroup, `root` where the hierarchy is mounted. The tightest limit on the way to the
 * root counts. */
unsigned cpu_quota(const char *group_file, const char *root);
