/*
 * Where a MATRIX_T1_6 keeps its trits.
 *
 * 64 bytes, a group, hold 16 rows x 20 columns. Byte 4r+c is 81 d0 + 27 d1 + 9 d2 + 3 d3 + d4 with
 * d = trit + 1: five columns of row r. Four groups share 80 columns such that d1 to d4 of each are
 * 16 neighbours, in the places that MATRIX_T2 has for them, and d0 of the four are 16 more. The
 * last 1 to 4 groups of a tile share what is left in the same way: of n groups, group i has
 *   d1 to d4:  column 16i + 4(k - 1) + c is digit k
 *   d0:        column 16n + 4i + c
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define BASE3_GROUP 20u                  /* columns of a group */
#define BASE3_SHARED 80u                 /* columns that four groups share */
#define BASE3_SHARED_SIZE (4 * 64u)      /* and their bytes */
#define BASE3_ZERO (81 + 27 + 9 + 3 + 1) /* the code of five zeros */

/* Groups that share columns when n_left (> 0) of the tile's are left. */
static inline uint32_t base3_n_groups(uint32_t n_left) {
    return n_left >= BASE3_SHARED ? 4 : (n_left + BASE3_GROUP - 1) / BASE3_GROUP;
}

struct Base3Place {
    size_t offset; /* of row 0's byte; row r's is 4r behind it */
    unsigned unit; /* what the digit counts: 81, 27, 9, 3 or 1 */
};

static inline struct Base3Place base3_place(uint32_t n_cols, uint32_t c) {
    static const uint8_t units[] = {27, 9, 3, 1};
    const uint32_t shared = c / BASE3_SHARED, i = c % BASE3_SHARED;
    const uint32_t n = base3_n_groups(n_cols - shared * BASE3_SHARED);
    const uint32_t group = i < 16 * n ? i / 16 : (i - 16 * n) / 4;
    return (struct Base3Place){
        .offset = (size_t)shared * BASE3_SHARED_SIZE + group * 64 + c % 4,
        .unit = i < 16 * n ? units[i % 16 / 4] : 81,
    };
}

static inline int base3_trit(unsigned code, unsigned unit) {
    return (int)(code / unit % 3) - 1;
}
