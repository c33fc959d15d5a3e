/*
 * Digests that tell one thing from another: a model from other models, a saved state from a damaged
 * one. Fast and well mixed, not made to withstand somebody who looks for collisions; the bits are
 * the same on every machine.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct Digest {
    uint64_t words[2];
};

/* For megabytes: four lanes, as fast as memory is read. Another value than digest_add() gives. */
struct Digest digest_bulk(const void *data, size_t size);

/* Adds bytes; how they are cut into calls counts. Start from {{0, 0}}. */
void digest_add(struct Digest *digest, const void *data, size_t size);
