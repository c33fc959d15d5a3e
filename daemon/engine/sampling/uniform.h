/*
 * Random numbers without a state: the n-th of a stream is a function of seed, stream and n alone
 * (two rounds of splitmix64's finaliser, Steele et al. 2014), so that whoever skips or repeats a
 * step gets the same ones.
 */
#pragma once

#include <stdint.h>

enum UniformStream { UNIFORM_DRAW, UNIFORM_XTC };

static inline uint64_t uniform_scramble(uint64_t x) {
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

/* In [0, 1). */
static inline double uniform(uint64_t seed, enum UniformStream stream, uint64_t n) {
    uint64_t start = uniform_scramble(seed + (stream + UINT64_C(1)) * 0x9e3779b97f4a7c15);
    return (double)(uniform_scramble(start + (n + 1) * 0xd1b54a32d192ed03) >> 11) * 0x1p-53;
}
