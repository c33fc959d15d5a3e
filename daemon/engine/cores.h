/*
 * The physical cores that this process may compute on, best first.
 *
 * Out of the CPUs in the process' affinity mask (which is what a cpuset leaves), one of every group
 * of SMT siblings: a second thread on a core shares the vector units that are busy already. Of a
 * hybrid processor only the fast cores, since work that is shared out evenly waits for the slowest.
 * Cores come by L3 domain, the largest first: few threads land on the 3D V-Cache die of a part that
 * has one, and threads that share data share a cache. No more cores than the control group's CPU
 * quota pays for: threads beyond it would stop all others at every barrier.
 *
 * Source: Documentation/ABI/testing/sysfs-devices-system-cpu and admin-guide/cgroup-v2 of Linux.
 */
#pragma once

#include <sched.h>

/* Writes at most `max` CPU numbers to `ret` and returns how many there are in all, at least 1. A
 * machine without /sys counts every CPU as a core. */
unsigned cores_find(int *ret, unsigned max);

/* The same of another machine: `devices` is its /sys/devices, `quota` what the control group pays
 * for in CPUs (0: no limit). */
unsigned cores_find_in(const char *devices, const cpu_set_t *allowed, unsigned quota, int *ret,
                       unsigned max);
