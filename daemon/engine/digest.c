#include "engine/digest.h"

#include <string.h>

/* The halves of a 128-bit product folded into each other. */
static uint64_t mix(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Odd constants: the golden ratio and the square roots of 2, 3 and 5, each times 2^64. */
#define K0 0x9e3779b97f4a7c15u
#define K1 0x6a09e667f3bcc909u
#define K2 0xbb67ae8584caa73bu
#define K3 0x3c6ef372fe94f82bu

static void add_block(struct Digest *digest, const uint8_t *block) {
    uint64_t a, b;
    memcpy(&a, block, 8);
    memcpy(&b, block + 8, 8);
    uint64_t x = digest->words[0], y = digest->words[1];
    digest->words[0] = mix(x ^ a ^ K0, b ^ K1) + y;
    digest->words[1] = mix(y ^ b ^ K2, a ^ K3) ^ (x << 29 | x >> 35);
}

void digest_add(struct Digest *digest, const void *data, size_t size) {
    const uint8_t *bytes = data;
    uint8_t last[16] = {0};
    size_t n = size;
    for (; n >= 16; n -= 16, bytes += 16) add_block(digest, bytes);
    if (n > 0) {
        memcpy(last, bytes, n);
        add_block(digest, last);
    }
    uint64_t end[2] = {size, ~(uint64_t)size};
    add_block(digest, (const uint8_t *)end);
}

struct Digest digest_bulk(const void *data, size_t size) {
    const uint8_t *bytes = data;
    uint64_t lanes[4] = {K0, K1, K2, K3};
    size_t n = size;
    for (; n >= 64; n -= 64, bytes += 64) {
        uint64_t words[8];
        memcpy(words, bytes, sizeof words);
        for (unsigned i = 0; i < 4; i++)
            lanes[i] = mix(lanes[i] ^ words[2 * i], words[2 * i + 1] ^ K1);
    }
    struct Digest digest = {{size, 0}};
    digest_add(&digest, lanes, sizeof lanes);
    if (n > 0) digest_add(&digest, bytes, n);
    return digest;
}
