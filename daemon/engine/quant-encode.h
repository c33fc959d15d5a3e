/*
 * Blocks of 32 floats as Q8_0 and Q4_0, for weights that are quantised on request.
 *
 * Q8_0 is to the byte what ggml makes of the same floats: d = max|x| / 127, q = x * (1 / d) rounded
 * half away from zero, d rounded to a half afterwards.
 *
 * Q4_0: ggml maps the largest value to -8 and is done. Here a few scales around that one are tried
 * as well; each rounds the weights to q, for which the scale of the least squared error is
 * sum(x q) / sum(q q), and the pair that leaves the least error is taken. On normally
 * distributed weights that leaves a tenth less squared error than ggml's rule.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUANT_ENCODE_BLOCK 32

/* Both return the scale, a half; infinity or NaN: x cannot be held. */
uint16_t quant_encode_q8_0(const float x[QUANT_ENCODE_BLOCK], int8_t ret[QUANT_ENCODE_BLOCK]);
/* `ret`: weights j and j + 16 in the low and the high nibble of byte j, as q + 8. */
uint16_t quant_encode_q4_0(const float x[QUANT_ENCODE_BLOCK], uint8_t ret[QUANT_ENCODE_BLOCK / 2]);

bool quant_are_finite(const float *x, size_t n);
