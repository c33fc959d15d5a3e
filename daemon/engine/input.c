#include "engine/input.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/shares.h"

#define FEW_VECTORS 4u
#define LEAST_PIECE (32u << 10) /* bytes, some microseconds */

static int init_form(struct Input *input, enum ActivationForm form, uint32_t max_vectors) {
    size_t n_scales = form == ACTIVATION_I8_TOKEN ? 1 : input->stride / I8_BLOCK;
    input->i8[form] = rows_allocate(max_vectors, input->stride);
    input->scales[form] = rows_allocate(max_vectors, n_scales * sizeof(float));
    input->sums[form] = rows_allocate(max_vectors, n_scales * sizeof(int32_t));
    return input->i8[form] && input->scales[form] && input->sums[form] ? 0 : -ENOMEM;
}

int input_init(struct Input *input, Forms forms, uint32_t max_vectors, uint32_t max_cols) {
    /* An odd number of cache lines, so that the same columns of all vectors, which a product reads
     * together, do not lie in the same few sets of the cache. */
    *input = (struct Input){.stride = (((size_t)max_cols + 63) / 64 | 1) * 64};
    int r = rows_init(&input->f32, max_vectors, max_cols);
    if (r == 0 && forms & 1u << ACTIVATION_I8_TOKEN)
        r = init_form(input, ACTIVATION_I8_TOKEN, max_vectors);
    if (r == 0 && forms & 1u << ACTIVATION_I8_BLOCK)
        r = init_form(input, ACTIVATION_I8_BLOCK, max_vectors);
    return r;
}

void input_done(struct Input *input) {
    rows_done(&input->f32);
    for (unsigned form = 0; form < N_ACTIVATION_FORMS; form++) {
        free(input->i8[form]);
        free(input->scales[form]);
        free(input->sums[form]);
    }
    *input = (struct Input){0};
}

void input_begin(struct Input *input, uint32_t n_vectors, uint32_t n_cols) {
    for (unsigned form = 0; form < N_ACTIVATION_FORMS; form++)
        input->activations[form] = (struct Activations){
            .form = (enum ActivationForm)form,
            .n_vectors = n_vectors,
            .n_cols = n_cols,
            .stride = form == ACTIVATION_F32 ? input->f32.stride : input->stride,
            .f32 = input->f32.data,
            .i8 = input->i8[form],
            .scales = input->scales[form],
            .sums = input->sums[form],
        };
}

void input_seal(struct Input *input, const struct Kernels *kernels, uint32_t i, Forms forms) {
    const float *x = input_row(input, i);
    const uint32_t n_cols = input->activations[0].n_cols;
    if (forms & 1u << ACTIVATION_I8_TOKEN) {
        const unsigned form = ACTIVATION_I8_TOKEN;
        kernels->quantize_token(x, n_cols, input->i8[form] + i * input->stride,
                                &input->scales[form][i], &input->sums[form][i]);
    }
    if (forms & 1u << ACTIVATION_I8_BLOCK) {
        const unsigned form = ACTIVATION_I8_BLOCK;
        const size_t n_blocks = input->stride / I8_BLOCK;
        kernels->quantize_block(x, n_cols, input->i8[form] + i * input->stride,
                                input->scales[form] + i * n_blocks,
                                input->sums[form] + i * n_blocks);
    }
}

struct MultiplyRun {
    const struct Input *input;
    const struct Kernels *kernels;
    const struct Product *products;
    unsigned n_products;
    unsigned long size; /* bytes of all matrices, one behind the other */
    struct Shares shares;
};

static const struct Input *input_of(const struct MultiplyRun *run, const struct Product *product) {
    return product->input ? product->input : run->input;
}

/* The first tile that begins at or behind `at`, which counts from the start of the matrix. */
static uint32_t tile_at(const struct Matrix *matrix, unsigned long at) {
    const size_t size = matrix_tile_size(matrix->layout, matrix->n_cols);
    const unsigned long tile = (at + size - 1) / size, n_tiles = matrix_n_tiles(matrix->n_rows);
    return (uint32_t)(tile < n_tiles ? tile : n_tiles);
}

/* The tiles that begin within [begin, end), as far as they are this product's. */
static void multiply_share(const struct MultiplyRun *run, const struct Product *product,
                           unsigned long first, unsigned long begin, unsigned long end) {
    const struct Matrix *matrix = product->matrix;
    const uint32_t tile0 = tile_at(matrix, begin > first ? begin - first : 0);
    const uint32_t tile1 = tile_at(matrix, end > first ? end - first : 0);
    if (tile0 >= tile1) return;
    run->kernels->matmul[matrix->layout](
        matrix, tile0, tile1,
        &input_of(run, product)->activations[matrix_activation_form(matrix->layout)],
        product->y->data, product->y->stride);
}

static unsigned long product_size(const struct Product *product) {
    const struct Matrix *matrix = product->matrix;
    return matrix_size(matrix->layout, matrix->n_rows, matrix->n_cols);
}

static void multiply_job(void *userdata, unsigned thread, unsigned n_threads) {
    struct MultiplyRun *run = userdata;
    struct SharesWalk walk = {thread, n_threads};
    unsigned long begin, end;
    while (shares_take(&run->shares, &walk, &begin, &end)) {
        unsigned long first = 0;
        for (unsigned i = 0; i < run->n_products; i++) {
            multiply_share(run, &run->products[i], first, begin, end);
            first += product_size(&run->products[i]);
        }
    }
}

/* Pieces of a share. With many vectors, or tables of sums, a kernel begins with what takes as long
 * as two or three tiles. Beside something that takes 40 % of one of two cores, pieces make a
 * prompt 1.5 times as fast and a decoded token 1.25 times; on a quiet machine they cost nothing
 * that shows. */
static unsigned long n_pieces(const struct MultiplyRun *run, uint32_t n_vectors,
                              unsigned n_threads) {
    const struct Matrix *matrix = run->products->matrix;
    const bool is_prepared = n_vectors > FEW_VECTORS || matrix->layout == MATRIX_LUT;
    const size_t least = (is_prepared ? 32 : 4) * matrix_tile_size(matrix->layout, matrix->n_cols);
    return run->size / n_threads / (least > LEAST_PIECE ? least : LEAST_PIECE);
}

void input_multiply(const struct Input *input, const struct Compute *compute,
                    const struct Product *products, unsigned n_products) {
    const unsigned n_threads = pool_n_threads(compute->pool);
    struct MultiplyRun run;
    if (n_products == 0) return;
    run.input = input;
    run.kernels = compute->kernels;
    run.products = products;
    run.n_products = n_products;
    run.size = 0;
    for (unsigned i = 0; i < n_products; i++) run.size += product_size(&products[i]);
    const uint32_t n_vectors = input_of(&run, products)->activations[0].n_vectors;
    shares_init(&run.shares, n_threads, run.size, n_pieces(&run, n_vectors, n_threads));
    compute_run(compute, run.size * n_vectors, multiply_job, &run);
}
