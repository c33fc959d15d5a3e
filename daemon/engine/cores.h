/*
 * The physical cores that this process may compute on, best first.
 *
 * Out of the CPUs in the process' affinity mask, one of every group of SMT siblings: a second
 * thread on a core shares the vector units that are busy already. Cores with more L3 cache come
 * first, so that few threads land on the 3D V-Cache die of a part that has one.
 */
#pragma once

/* Writes at most `max` CPU numbers to `ret` and returns how many there are in all, at least 1. A
 * machine without /sys counts every CPU as a core. */
unsigned cores_find(int *ret, unsigned max);
