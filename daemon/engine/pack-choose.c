/* What a tensor becomes. */
#include "engine/pack.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "engine/limits.h"
#include "engine/quant-type.h"

/* ---- Whether a matrix is ternary ---- */

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

/* ---- Whether bfloat16 fits into halves ---- */

struct Fit {
    const struct QuantMatrix *source;
    atomic_bool fits;
};

/* Halves end at 65504; bfloat16 does not. */
static void fit_job(void *userdata, unsigned thread, unsigned n_threads) {
    struct Fit *fit = userdata;
    const struct QuantMatrix *source = fit->source;
    const uint16_t largest = 0x477f; /* the bfloat16 below 65504: 65280 */
    unsigned long begin, end;
    pool_share(thread, n_threads, source->n_rows, &begin, &end);
    for (unsigned long row = begin; row < end; row++) {
        const uint8_t *data = quant_row_blocks(source, row);
        uint16_t over = 0;
        for (uint64_t i = 0; i < source->n_cols; i++)
            over |= (quant_read_u16(data + 2 * i) & 0x7fff) > largest ? 1 : 0;
        if (over) atomic_store(&fit->fits, false);
    }
}

static bool fits_halves(Pool *pool, const struct QuantMatrix *source) {
    struct Fit fit = {source, true};
    pool_run(pool, fit_job, &fit);
    return atomic_load(&fit.fits);
}

/* ---- Choosing a layout ---- */

/* Of a matrix that is not ternary, as the file has it. Types that are not named have values that
 * are rounded to halves. */
static enum MatrixLayout dense_layout(const struct PackSource *source) {
    static const struct {
        uint32_t type; /* enum QuantTypeId */
        enum MatrixLayout layout;
    } layouts[] = {
        {QUANT_F32, MATRIX_F32},
        {QUANT_Q8_0, MATRIX_I8},
        {QUANT_Q4_0, MATRIX_I4},
    };
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (layouts[i].type == source->matrix.type->id) return layouts[i].layout;
    return MATRIX_F16;
}

/* Only ever to something smaller. */
static bool requantise(enum Requantise wanted, uint32_t *layout) {
    static const enum MatrixLayout layouts[] = {
        [REQUANTISE_Q8] = MATRIX_I8, [REQUANTISE_Q4] = MATRIX_I4};
    if (wanted == REQUANTISE_NOTHING) return false;
    enum MatrixLayout new = layouts[wanted];
    if (matrix_tile_size(new, I8_BLOCK) >= matrix_tile_size((enum MatrixLayout) * layout, I8_BLOCK))
        return false;
    *layout = new;
    return true;
}

/* Whether codes and their scales come from the file as they are, so that the matrix's scale has to
 * hold what multiplies them. */
static bool is_copied(uint32_t layout) {
    return matrix_activation_form((enum MatrixLayout)layout) == ACTIVATION_I8_BLOCK;
}

int pack_choose(Pool *pool, struct TernaryTrials *trials, const struct PackSource *source,
                uint32_t *ret_layout, float *ret_scale, bool *ret_requantised, Reason *why) {
    const struct QuantType *type = source->matrix.type;
    *ret_scale = 1;
    *ret_requantised = false;
    if (type->trits || (source->ternary && type->is_float)) {
        float scale;
        int r = scan_ternary(pool, &source->matrix, &scale, why);
        if (r < 0) return r;
        if (r == 0) {
            *ret_layout =
                pack_ternary(pool, trials, source->matrix.n_rows, (uint32_t)source->matrix.n_cols);
            *ret_scale = scale * source->factor;
            if (isfinite(*ret_scale)) return 0;
            return reason_set(why, EBADMSG, "the scale of the tensor %s is not finite",
                              source->matrix.name);
        }
    }
    *ret_layout = dense_layout(source);
    *ret_requantised = requantise(source->requantise, ret_layout);
    if (is_copied(*ret_layout) && !*ret_requantised) *ret_scale = source->factor;
    if (*ret_layout == MATRIX_F16 && type->id == QUANT_BF16 && !fits_halves(pool, &source->matrix))
        *ret_layout = MATRIX_F32;
    return 0;
}
