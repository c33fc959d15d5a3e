#include "engine/pack.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "engine/limits.h"

/* ---- Choosing a layout ---- */

/* Of a type that is not ternary; those that are not named have values that are rounded to halves.
 */
static enum MatrixLayout dense_layout(const struct QuantType *type) {
    static const struct {
        uint32_t type; /* enum QuantTypeId */
        enum MatrixLayout layout;
    } layouts[] = {{QUANT_F32, MATRIX_F32}, {QUANT_Q8_0, MATRIX_I8}};
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (layouts[i].type == type->id) return layouts[i].layout;
    return MATRIX_F16;
}

struct Scan {
    const struct QuantMatrix *source;
    float scales[POOL_MAX_THREADS];
    int results[POOL_MAX_THREADS];
    Reason *whys; /* one a thread */
};

static void scan_job(void *userdata, unsigned thread, unsigned n_threads) {
    struct Scan *scan = userdata;
    unsigned long begin, end;
    pool_share(thread, n_threads, scan->source->n_rows, &begin, &end);
    scan->scales[thread] = 0;
    scan->results[thread] = quant_ternary_scan(scan->source, begin, end - begin,
                                               &scan->scales[thread], &scan->whys[thread]);
}

/* 0, QUANT_NOT_TERNARY or -EBADMSG: the worst that a thread found. */
static int merge_scans(const struct Scan *scan, unsigned n_threads, float *ret_scale, Reason *why) {
    int worst = 0;
    *ret_scale = 0;
    for (unsigned i = 0; i < n_threads; i++) {
        int r = scan->results[i];
        if (r < 0) {
            if (why) *why = scan->whys[i];
            return r;
        }
        if (r == 0) r = quant_ternary_merge(scan->source, scan->scales[i], ret_scale, NULL);
        if (r != 0) worst = r;
    }
    return worst;
}

static int scan_ternary(Pool *pool, const struct QuantMatrix *source, float *ret_scale,
                        Reason *why) {
    unsigned n_threads = pool_n_threads(pool);
    struct Scan scan = {.source = source, .whys = calloc(n_threads, sizeof *scan.whys)};
    if (!scan.whys) return -ENOMEM;
    pool_run(pool, scan_job, &scan);
    int r = merge_scans(&scan, n_threads, ret_scale, why);
    free(scan.whys);
    return r;
}

/* Halves end at 65504; bfloat16 does not. */
static bool fits_halves(const struct QuantMatrix *source) {
    const uint16_t largest = 0x477f; /* the bfloat16 below 65504: 65280 */
    const uint8_t *data = source->data;
    for (uint64_t i = 0; i < source->n_rows * source->n_cols; i++) {
        uint16_t bits;
        memcpy(&bits, data + 2 * i, 2);
        if ((bits & 0x7fff) > largest) return false;
    }
    return true;
}

int pack_choose(Pool *pool, const struct QuantMatrix *source, bool ternary, uint32_t *ret_layout,
                float *ret_scale, Reason *why) {
    *ret_layout = dense_layout(source->type);
    *ret_scale = 1;
    if (source->type->trits || (ternary && source->type->is_float)) {
        float scale;
        int r = scan_ternary(pool, source, &scale, why);
        if (r < 0) return r;
        if (r == 0) {
            *ret_layout = MATRIX_T2;
            *ret_scale = scale;
            return 0;
        }
    }
    if (source->type->id == QUANT_BF16 && !fits_halves(source)) *ret_layout = MATRIX_F32;
    return 0;
}

/* ---- Packing ---- */

struct Packing {
    const struct QuantMatrix *source;
    float factor;
    const struct Matrix *shape;
    uint8_t *dst;
    size_t tile_size;
    size_t scratch_size; /* one thread's */
    uint8_t *scratch;
    Reason *why; /* of the first thread that fails */
    atomic_int result;
};

/* Packs rows [first, first + n) into a tile, with a thread's scratch memory. */
typedef void PackTile(const struct Packing *packing, uint32_t first, uint32_t n, void *scratch,
                      void *dst);

static void read_rows(const struct Packing *packing, uint32_t first, uint32_t n, float *rows) {
    size_t n_values = (size_t)n * packing->shape->n_cols;
    quant_rows(packing->source, first, n, rows, packing->shape->n_cols);
    if (packing->factor != 1.0f)
        for (size_t i = 0; i < n_values; i++) rows[i] *= packing->factor;
}

static void pack_f32(const struct Packing *packing, uint32_t first, uint32_t n, void *scratch,
                     void *dst) {
    read_rows(packing, first, n, scratch);
    matrix_pack_f32(scratch, n, packing->shape->n_cols, dst);
}

static void pack_f16(const struct Packing *packing, uint32_t first, uint32_t n, void *scratch,
                     void *dst) {
    read_rows(packing, first, n, scratch);
    matrix_pack_f16(scratch, n, packing->shape->n_cols, dst);
}

static void pack_i8(const struct Packing *packing, uint32_t first, uint32_t n, void *scratch,
                    void *dst) {
    uint32_t n_cols = packing->shape->n_cols, n_blocks = (n_cols + I8_BLOCK - 1) / I8_BLOCK;
    float *scales = scratch;
    int8_t *rows = (int8_t *)(scales + TILE_ROWS * n_blocks);
    for (uint32_t i = 0; i < n; i++)
        quant_q8_row(packing->source, first + i, rows + (size_t)i * n_cols,
                     scales + (size_t)i * n_blocks);
    for (uint32_t i = 0; i < n * n_blocks; i++) scales[i] *= packing->factor;
    matrix_pack_i8(rows, scales, n, n_cols, dst);
}

static void pack_t2(const struct Packing *packing, uint32_t first, uint32_t n, void *scratch,
                    void *dst) {
    quant_trits(packing->source, first, n, scratch, packing->shape->n_cols);
    matrix_pack_t2(scratch, n, packing->shape->n_cols, dst);
}

static PackTile *const pack_tile[N_MATRIX_LAYOUTS] = {
    [MATRIX_F32] = pack_f32,
    [MATRIX_F16] = pack_f16,
    [MATRIX_I8] = pack_i8,
    [MATRIX_T2] = pack_t2,
};

/* Ternary matrices were looked at when their layout was chosen. */
static int check_rows(const struct Packing *packing, uint32_t first, uint32_t n, Reason *why) {
    return packing->shape->layout == MATRIX_T2 ? 0 : quant_check(packing->source, first, n, why);
}

static void pack_job(void *userdata, unsigned thread, unsigned n_threads) {
    struct Packing *packing = userdata;
    const struct Matrix *shape = packing->shape;
    uint8_t *scratch = packing->scratch + thread * packing->scratch_size;
    unsigned long begin, end;
    pool_share(thread, n_threads, matrix_n_tiles(shape->n_rows), &begin, &end);
    for (unsigned long tile = begin; tile < end; tile++) {
        uint32_t first = (uint32_t)tile * TILE_ROWS;
        uint32_t n = shape->n_rows - first < TILE_ROWS ? shape->n_rows - first : TILE_ROWS;
        Reason why;
        int expected = 0, r = check_rows(packing, first, n, &why);
        if (r < 0) {
            if (atomic_compare_exchange_strong(&packing->result, &expected, r) && packing->why)
                *packing->why = why;
            return;
        }
        pack_tile[shape->layout](packing, first, n, scratch,
                                 packing->dst + tile * packing->tile_size);
    }
}

int pack_matrix(Pool *pool, const struct QuantMatrix *source, float factor,
                const struct Matrix *shape, void *dst, Reason *why) {
    struct Packing packing = {
        .source = source,
        .factor = factor,
        .shape = shape,
        .dst = dst,
        .tile_size = matrix_tile_size(shape->layout, shape->n_cols),
        .scratch_size = (TILE_ROWS * sizeof(float) * (shape->n_cols + I8_BLOCK) + 63) / 64 * 64,
        .why = why,
    };
    packing.scratch = aligned_alloc(64, pool_n_threads(pool) * packing.scratch_size);
    if (!packing.scratch) return -ENOMEM;
    pool_run(pool, pack_job, &packing);
    free(packing.scratch);
    return atomic_load(&packing.result);
}
