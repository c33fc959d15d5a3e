#include "engine/bench/filling.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/rows.h"

/* Half floats: 2^-7, and what is added to it, as long as it stays below 2^-6. */
#define SMALL_HALF 0x2000u
#define SMALL_HALF_MASK 0x03ffu

/* Packs a tile of n_cols columns out of random bytes, 4 for each weight. */
typedef void Fill(uint8_t *bytes, uint32_t n_cols, void *tile);

static void fill_f32(uint8_t *bytes, uint32_t n_cols, void *tile) {
    float *rows = (float *)(void *)bytes;
    for (size_t i = 0; i < (size_t)TILE_ROWS * n_cols; i++)
        rows[i] = ((float)bytes[4 * i] - 127.5f) / 128;
    matrix_pack_f32(rows, TILE_ROWS, n_cols, tile);
}

static void fill_f16(uint8_t *bytes, uint32_t n_cols, void *tile) {
    uint16_t *rows = (uint16_t *)(void *)bytes;
    for (size_t i = 0; i < (size_t)TILE_ROWS * n_cols; i++)
        rows[i] = SMALL_HALF | (rows[i] & (0x8000u | SMALL_HALF_MASK));
    matrix_pack_f16(rows, TILE_ROWS, n_cols, tile);
}

/* Scales behind the bytes that are the codes. */
static uint16_t *small_scales(uint8_t *bytes, uint32_t n_cols) {
    const size_t n = (size_t)TILE_ROWS * ((n_cols + I8_BLOCK - 1) / I8_BLOCK);
    uint16_t *scales = (uint16_t *)(void *)(bytes + (size_t)TILE_ROWS * n_cols);
    for (size_t i = 0; i < n; i++) scales[i] = SMALL_HALF;
    return scales;
}

static void fill_i8(uint8_t *bytes, uint32_t n_cols, void *tile) {
    uint16_t *scales = small_scales(bytes, n_cols);
    matrix_pack_i8((const int8_t *)bytes, scales, TILE_ROWS, n_cols, tile);
}

static void fill_i4(uint8_t *bytes, uint32_t n_cols, void *tile) {
    uint16_t *scales = small_scales(bytes, n_cols);
    matrix_pack_i4(bytes, scales, TILE_ROWS, n_cols, tile);
}

static int8_t *make_trits(uint8_t *bytes, uint32_t n_cols) {
    int8_t *trits = (int8_t *)bytes;
    for (size_t i = 0; i < (size_t)TILE_ROWS * n_cols; i++) trits[i] = (int8_t)(bytes[i] % 3 - 1);
    return trits;
}

static void fill_t2(uint8_t *bytes, uint32_t n_cols, void *tile) {
    matrix_pack_t2(make_trits(bytes, n_cols), TILE_ROWS, n_cols, tile);
}

static void fill_t1_6(uint8_t *bytes, uint32_t n_cols, void *tile) {
    matrix_pack_t1_6(make_trits(bytes, n_cols), TILE_ROWS, n_cols, tile);
}

static void fill_lut(uint8_t *bytes, uint32_t n_cols, void *tile) {
    matrix_pack_lut(make_trits(bytes, n_cols), TILE_ROWS, n_cols, tile);
}

static const struct {
    const char *name;
    Fill *fill;
} layouts[N_MATRIX_LAYOUTS] = {
    [MATRIX_F32] = {"F32", fill_f32}, [MATRIX_F16] = {"F16", fill_f16},
    [MATRIX_I8] = {"I8", fill_i8},    [MATRIX_T2] = {"T2", fill_t2},
    [MATRIX_I4] = {"I4", fill_i4},    [MATRIX_T1_6] = {"T1_6", fill_t1_6},
    [MATRIX_LUT] = {"LUT", fill_lut},
};

_Static_assert(N_MATRIX_LAYOUTS == 7, "a new layout has its row above");

const char *filling_name(enum MatrixLayout layout) {
    return layouts[layout].name;
}

static void random_bytes(uint8_t *bytes, size_t size) {
    uint32_t x = 0x9e3779b9;
    for (size_t i = 0; i < size; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        bytes[i] = (uint8_t)x;
    }
}

int filling_make(enum MatrixLayout layout, uint32_t n_rows, uint32_t n_cols, unsigned n_copies,
                 void *data) {
    const size_t tile_size = matrix_tile_size(layout, n_cols), n_tiles = matrix_n_tiles(n_rows);
    const size_t size = (size_t)TILE_ROWS * n_cols * 4;
    uint8_t *bytes = rows_allocate(1, size), *tile = rows_allocate(1, tile_size);
    const int r = bytes && tile ? 0 : -ENOMEM;
    if (r == 0) {
        random_bytes(bytes, size);
        layouts[layout].fill(bytes, n_cols, tile);
        for (size_t i = 0; i < n_tiles * n_copies; i++)
            memcpy((char *)data + i * tile_size, tile, tile_size);
    }
    free(bytes);
    free(tile);
    return r;
}
