/*
 * What this machine's processor and memory can do at most, measured, for one thread: what the
 * speed of a kernel is compared with.
 */
#pragma once

#include "kernels/kernels.h"

/* Operations a second, in 1e9, two a multiply-add, of nothing but the instructions that the tier
 * multiplies with: int8 (vpdpbusd, or vpmaddubsw with its addition) or float (FMA). 0 for the C
 * tier. */
double peak_int8(const struct Kernels *tier);
double peak_float(const struct Kernels *tier);

/* GB/s of reading what fits into no cache. */
double peak_read(void);

/* Seconds of this thread alone, whoever else runs. */
double thread_time(void);
