/*
 * How much more memory this process can have without anything being written to swap.
 */
#pragma once

#include <stdint.h>

/* Bytes that are free, or hold files that can be read again; no more than what the control groups
 * have left, where pages of files count as used. Any thread. */
uint64_t memory_room(void);
/* The same of a machine whose NUMA nodes are described in `nodes` and groups in the others. */
uint64_t memory_room_in(const char *nodes, const char *group_file, const char *groups);
