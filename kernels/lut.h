/*
 * Where a MATRIX_LUT keeps its trits.
 *
 * Three trits of a row are one number, 9 t0 + 3 t1 + t2: its sign takes a bit, its magnitude, 0 to
 * 13, four, which are the index of a look-up. 320 bytes, a group, hold 16 rows x 96 columns. Triple
 * (k, j), with k < 8 and j < 4, is that of columns 12k + j, 12k + 4 + j and 12k + 8 + j:
 *   magnitude: byte 64 (k / 2) + 16j + r, in its low nibble when k is even
 *   sign:      byte 256 + 16j + r, bit 7 - k, set when negative
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define LUT_GROUP 96u       /* columns of a group */
#define LUT_GROUP_SIZE 320u /* and its bytes */
#define LUT_SIGNS 256u      /* where those of the signs begin */
#define LUT_TRIPLES 8u      /* of four neighbouring columns: the range of k */

/* Digit 0, 1 or 2, first the one that counts nine, of a magnitude in balanced ternary. */
#define LUT_DIGIT_2(magnitude) (((magnitude) + 1) % 3 - 1)
#define LUT_DIGIT_1(magnitude) LUT_DIGIT_2(((magnitude) + 1) / 3)
#define LUT_DIGIT_0(magnitude) LUT_DIGIT_1(((magnitude) + 1) / 3)

/* The trit of row r, column c of a tile. */
static inline int lut_trit(const uint8_t *tile, uint32_t r, uint32_t c) {
    const uint8_t *group = tile + (size_t)(c / LUT_GROUP) * LUT_GROUP_SIZE;
    const uint32_t k = c % LUT_GROUP / 12, digit = c % 12 / 4, at = 16 * (c % 4) + r;
    const int magnitude = group[k / 2 * 64 + at] >> k % 2 * 4 & 15;
    const int trit = digit == 0   ? LUT_DIGIT_0(magnitude)
                     : digit == 1 ? LUT_DIGIT_1(magnitude)
                                  : LUT_DIGIT_2(magnitude);
    return group[LUT_SIGNS + at] << k & 0x80 ? -trit : trit;
}
