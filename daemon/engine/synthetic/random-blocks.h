/*
 * Random weights in the block formats of GGUF files, made about as fast as a file can be written.
 *
 * Each piece of RANDOM_PIECE weights depends on the seed, the type and its number alone, so that
 * threads may share a tensor and a model is the same on every machine. Weights are drawn evenly
 * from mean - spread to mean + spread; ternary ones are -s, 0 and +s with equal chance, s being
 * `spread`; the quantised types know no mean.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define RANDOM_PIECE 256u

struct RandomType;

struct RandomBlocks {
    const struct RandomType *type;
    uint64_t seed; /* of the tensor */
    float mean, spread;
    uint16_t halves[4096]; /* what a 16-bit float may be */
};

/* `type`: a QuantTypeId; F32 F16 BF16 Q8_0 Q4_0 TQ1_0 TQ2_0 I2_S. -ENOTSUP: another. */
int random_blocks_init(struct RandomBlocks *blocks, uint32_t type, uint64_t seed, float mean,
                       float spread);
/* Bytes of one piece. A tensor's last piece may be cut short where its type has smaller blocks. */
size_t random_blocks_size(const struct RandomBlocks *blocks);
void random_blocks_fill(const struct RandomBlocks *blocks, uint64_t piece, uint8_t *dst);
