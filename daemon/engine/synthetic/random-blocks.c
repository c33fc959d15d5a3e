#include "engine/synthetic/random-blocks.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "engine/quant.h"
#include "kernels/f16.h"

/* A stream of 64-bit numbers: splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next(uint64_t *state) {
    uint64_t x = *state += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

static void put_f16(uint8_t *dst, float value) {
    uint16_t half = f16_encode(value);
    memcpy(dst, &half, sizeof half);
}

static uint16_t bf16_encode(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* ---- Floats ---- */

static void fill_f32(const struct RandomBlocks *blocks, uint64_t state, uint8_t *dst) {
    for (unsigned i = 0; i < RANDOM_PIECE; i++) {
        float unit = (float)(int32_t)(next(&state) >> 32) * 0x1p-31f;
        float value = blocks->mean + blocks->spread * unit;
        memcpy(dst + i * sizeof value, &value, sizeof value);
    }
}

static void fill_halves(const struct RandomBlocks *blocks, uint64_t state, uint8_t *dst) {
    for (unsigned i = 0; i < RANDOM_PIECE; i += 4) {
        uint64_t bits = next(&state);
        for (unsigned j = 0; j < 4; j++, bits >>= 16)
            memcpy(dst + 2 * (i + j), &blocks->halves[bits & 0xfff], 2);
    }
}

/* ---- Blocks of 32: a scale, then random bytes as codes ---- */

static void fill_codes(uint64_t *state, uint8_t *dst, unsigned n) {
    for (unsigned i = 0; i < n; i += 8) {
        uint64_t bits = next(state);
        memcpy(dst + i, &bits, 8);
    }
}

static void fill_q8_0(const struct RandomBlocks *blocks, uint64_t state, uint8_t *dst) {
    for (unsigned i = 0; i < RANDOM_PIECE; i += 32, dst += 34) {
        put_f16(dst, blocks->spread / 127);
        fill_codes(&state, dst + 2, 32);
        for (unsigned j = 2; j < 34; j++) dst[j] += dst[j] == 0x80; /* -128 is never written */
    }
}

static void fill_q4_0(const struct RandomBlocks *blocks, uint64_t state, uint8_t *dst) {
    for (unsigned i = 0; i < RANDOM_PIECE; i += 32, dst += 18) {
        put_f16(dst, blocks->spread / 8);
        fill_codes(&state, dst + 2, 16);
    }
}

/* ---- Ternary: a random byte picks four trits, 2 bits each; 3 is no code ---- */

static uint8_t four_trits(unsigned random) {
    unsigned code = 0;
    for (unsigned i = 0; i < 4; i++, random /= 3) code |= random % 3 << 2 * i;
    return (uint8_t)code;
}

static void fill_trits(uint64_t *state, uint8_t *dst, unsigned n) {
    for (unsigned i = 0; i < n; i += 4) {
        uint64_t bits = next(state);
        /* 16 bits times 81 / 2^16: even enough */
        for (unsigned j = 0; j < 4; j++, bits >>= 16)
            dst[i + j] = four_trits((unsigned)((bits & 0xffff) * 81 >> 16));
    }
}

static void fill_tq2_0(const struct RandomBlocks *blocks, uint64_t state, uint8_t *dst) {
    fill_trits(&state, dst, 64);
    put_f16(dst + 64, blocks->spread);
}

/* Five trits a byte, of the last four bytes only four. */
static void fill_tq1_0(const struct RandomBlocks *blocks, uint64_t state, uint8_t *dst) {
    for (unsigned i = 0; i < 52; i++) {
        unsigned random = (unsigned)(next(&state) >> 40);
        unsigned trits = i < 48 ? random % 243 : random % 81 * 3;
        dst[i] = (uint8_t)((trits * 256 + 242) / 243);
    }
    put_f16(dst + 52, blocks->spread);
}

static void fill_i2_s(const struct RandomBlocks *blocks, uint64_t state, uint8_t *dst) {
    fill_trits(&state, dst, 64);
}

/* ---- Types ---- */

static const struct RandomType {
    uint32_t id;
    size_t size; /* of a piece */
    void (*fill)(const struct RandomBlocks *blocks, uint64_t state, uint8_t *dst);
} types[] = {
    {QUANT_F32, 4 * RANDOM_PIECE, fill_f32},
    {QUANT_F16, 2 * RANDOM_PIECE, fill_halves},
    {QUANT_BF16, 2 * RANDOM_PIECE, fill_halves},
    {QUANT_Q8_0, 8 * 34, fill_q8_0},
    {QUANT_Q4_0, 8 * 18, fill_q4_0},
    {QUANT_TQ1_0, 54, fill_tq1_0},
    {QUANT_TQ2_0, 66, fill_tq2_0},
    {QUANT_I2_S, 64, fill_i2_s},
};

static void make_halves(struct RandomBlocks *blocks) {
    const bool is_bf16 = blocks->type->id == QUANT_BF16;
    for (unsigned i = 0; i < 4096; i++) {
        float value = blocks->mean + blocks->spread * ((float)i - 2047.5f) / 2048;
        blocks->halves[i] = is_bf16 ? bf16_encode(value) : f16_encode(value);
    }
}

int random_blocks_init(struct RandomBlocks *blocks, uint32_t type, uint64_t seed, float mean,
                       float spread) {
    blocks->type = NULL;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].id == type) blocks->type = &types[i];
    if (!blocks->type) return -ENOTSUP;
    blocks->seed = seed;
    blocks->mean = mean;
    blocks->spread = spread;
    make_halves(blocks);
    return 0;
}

size_t random_blocks_size(const struct RandomBlocks *blocks) {
    return blocks->type->size;
}

void random_blocks_fill(const struct RandomBlocks *blocks, uint64_t piece, uint8_t *dst) {
    uint64_t state = blocks->seed + piece * 0xd1b54a32d192ed03;
    blocks->type->fill(blocks, next(&state), dst);
}
