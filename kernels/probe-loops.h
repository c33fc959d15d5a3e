/*
 * Loops that are the same for every tier, in the compiler's vectors: what a tier's flags make of
 * them is as wide as its registers. Included by one file of each.
 */
#pragma once

#include <string.h>

#include "kernels/probe.h"

typedef uint64_t ProbeVector __attribute__((vector_size(64)));

static uint64_t probe_read(const void *data, size_t size, unsigned n_streams, size_t prefetch) {
    const size_t part = size / n_streams;
    const char *bytes = data;
    ProbeVector sums[PROBE_PIECE / sizeof(ProbeVector)] = {{0}};
    for (size_t at = 0; at < part; at += PROBE_PIECE)
        for (unsigned i = 0; i < n_streams; i++) {
            const char *piece = bytes + i * part + at;
            for (unsigned k = 0; k < PROBE_PIECE / sizeof(ProbeVector); k++) {
                if (prefetch > 0) __builtin_prefetch(piece + prefetch + k * sizeof(ProbeVector));
                sums[k] ^= *(const ProbeVector *)(const void *)(piece + k * sizeof(ProbeVector));
            }
        }
    const ProbeVector all = sums[0] ^ sums[1] ^ sums[2] ^ sums[3];
    return all[0] ^ all[1] ^ all[2] ^ all[3] ^ all[4] ^ all[5] ^ all[6] ^ all[7];
}
