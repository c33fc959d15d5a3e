#include "engine/synthetic/synthetic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/limits.h"
#include "engine/pool.h"
#include "engine/quant.h"
#include "engine/synthetic/random-blocks.h"
#include "engine/synthetic/shapes.h"
#include "engine/synthetic/vocabulary.h"

/* Made and written at a time: fits in the L2 caches of a few cores. */
#define CHUNK_SIZE (4u << 20)

typedef int Progress(void *userdata, uint64_t done, uint64_t total);

struct Output {
    int fd;
    Pool *pool;
    GgufWriter *writer;
    uint8_t *chunk;
    uint64_t seed, done, total; /* bytes of data */
    Progress *progress;
    void *userdata;
};

const char *synthetic_shape_name(unsigned i) {
    const struct Shape *shape = shape_at(i);
    return shape ? shape->name : NULL;
}

static int write_all(int fd, const uint8_t *data, size_t size) {
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -errno;
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

static uint64_t tensor_size(const struct TensorSpec *tensor) {
    uint64_t n_rows = 1, size = 0;
    for (uint32_t i = 1; i < tensor->n_dims; i++) n_rows *= tensor->dims[i];
    quant_size(quant_type(tensor->type), tensor->dims[0], n_rows, &size);
    return size;
}

static uint64_t padded(uint64_t size) {
    return (size + GGUF_WRITER_ALIGNMENT - 1) / GGUF_WRITER_ALIGNMENT * GGUF_WRITER_ALIGNMENT;
}

/* ---- The data of a tensor, a chunk at a time ---- */

struct Fill {
    const struct RandomBlocks *blocks;
    uint64_t first_piece, n_pieces;
    uint8_t *dst;
};

static void fill_job(void *userdata, unsigned thread, unsigned n_threads) {
    const struct Fill *fill = userdata;
    const size_t size = random_blocks_size(fill->blocks);
    unsigned long i, end;
    pool_share(thread, n_threads, fill->n_pieces, &i, &end);
    for (; i < end; i++)
        random_blocks_fill(fill->blocks, fill->first_piece + i, fill->dst + i * size);
}

static int write_chunk(struct Output *output, const uint8_t *data, size_t size) {
    int r = write_all(output->fd, data, size);
    if (r < 0) return r;
    output->done += size;
    if (output->progress && output->progress(output->userdata, output->done, output->total) != 0)
        return -ECANCELED;
    return 0;
}

/* Whole pieces, but for the end: a tensor may stop within one, or go on with what its type keeps
 * behind the codes (I2_S: the scale), and is padded. */
static int write_data(struct Output *output, const struct RandomBlocks *blocks, uint64_t size) {
    const size_t piece = random_blocks_size(blocks);
    const uint64_t pieces_at_once = CHUNK_SIZE / piece;
    int r = 0;
    for (uint64_t at = 0; r == 0 && at < size;) {
        const uint64_t left = size - at, n_left = (left + piece - 1) / piece;
        const uint64_t n = n_left < pieces_at_once ? n_left : pieces_at_once;
        struct Fill fill = {blocks, at / piece, n, output->chunk};
        pool_run(output->pool, fill_job, &fill);
        const uint64_t written = n * piece < left ? n * piece : left;
        r = write_chunk(output, output->chunk, written);
        at += written;
    }
    return r;
}

static int write_tail(struct Output *output, const struct TensorSpec *tensor) {
    const uint64_t size = tensor_size(tensor), n_tail = quant_type(tensor->type)->tail_bytes;
    uint8_t tail[64 + GGUF_WRITER_ALIGNMENT] = {0};
    if (n_tail > 0) memcpy(tail, &tensor->spread, sizeof tensor->spread);
    return write_chunk(output, tail, n_tail + padded(size) - size);
}

static int write_tensor(void *userdata, const struct TensorSpec *tensor) {
    struct Output *output = userdata;
    struct RandomBlocks blocks;
    int r = random_blocks_init(&blocks, tensor->type, output->seed++ * 0x9e3779b97f4a7c15,
                               tensor->mean, tensor->spread);
    if (r < 0) return r;
    r = write_data(output, &blocks, tensor_size(tensor) - quant_type(tensor->type)->tail_bytes);
    return r < 0 ? r : write_tail(output, tensor);
}

/* ---- The file ---- */

static int describe_tensor(void *userdata, const struct TensorSpec *tensor) {
    struct Output *output = userdata;
    const uint64_t size = tensor_size(tensor);
    gguf_writer_describe(output->writer, tensor->name, tensor->type, tensor->n_dims, tensor->dims,
                         size);
    output->total += padded(size);
    return 0;
}

static int write_head(struct Output *output) {
    void *head;
    size_t size;
    int r = gguf_writer_head(output->writer, &head, &size);
    if (r < 0) return r;
    r = write_all(output->fd, head, size);
    free(head);
    return r;
}

static int write_model(struct Output *output, const struct Shape *shape, uint32_t weights) {
    shape_write_keys(shape, output->writer);
    int r = synthetic_vocabulary(output->writer, shape->n_vocab);
    if (r == 0) r = shape_each_tensor(shape, weights, describe_tensor, output);
    if (r == 0) r = write_head(output);
    if (r == 0) r = shape_each_tensor(shape, weights, write_tensor, output);
    return r;
}

/* ---- Options ---- */

static int find_shape(const struct SyntheticOptions *options, struct Shape *ret, Reason *why) {
    const struct Shape *shape = shape_find(options->shape);
    if (!shape) return reason_set(why, EINVAL, "there is no shape \"%s\"", options->shape);
    *ret = *shape;
    if (options->n_layers > 0) ret->n_layers = options->n_layers;
    if (options->n_vocab > 0) ret->n_vocab = options->n_vocab;
    if (ret->n_layers > MODEL_MAX_LAYERS)
        return reason_set(why, EINVAL, "a model may have %u layers at most", MODEL_MAX_LAYERS);
    if (ret->n_vocab < SYNTHETIC_MIN_TOKENS || ret->n_vocab > TOKENIZER_MAX_TOKENS)
        return reason_set(why, EINVAL, "a vocabulary has %u to %u tokens", SYNTHETIC_MIN_TOKENS,
                          TOKENIZER_MAX_TOKENS);
    return 0;
}

/* A type that random weights can be made of. */
static int find_weights(const char *name, uint32_t *ret, Reason *why) {
    static struct RandomBlocks blocks;
    for (uint32_t id = 0; id < 64; id++) {
        const struct QuantType *type = quant_type(id);
        if (!type || strcmp(type->name, name) != 0) continue;
        if (random_blocks_init(&blocks, id, 0, 0, 0) < 0) break;
        *ret = id;
        return 0;
    }
    return reason_set(why, EINVAL, "random weights cannot be made as \"%s\"", name);
}

int synthetic_write(int fd, const struct SyntheticOptions *options, Progress *progress,
                    void *userdata, Reason *why) {
    struct Output output = {
        .fd = fd, .seed = options->seed, .progress = progress, .userdata = userdata};
    struct Shape shape;
    uint32_t weights = 0;
    int r = find_shape(options, &shape, why);
    if (r == 0)
        r = find_weights(options->weights ? options->weights : shape.weights, &weights, why);
    if (r < 0) return r;
    output.writer = gguf_writer_new();
    output.chunk = malloc(CHUNK_SIZE);
    r = output.writer && output.chunk ? pool_new(0, &output.pool) : -ENOMEM;
    if (r == 0) r = write_model(&output, &shape, weights);
    pool_free(output.pool);
    free(output.chunk);
    gguf_writer_free(output.writer);
    if (r < 0 && r != -ECANCELED)
        reason_set(why, -r, "the model cannot be written: %s", strerror(-r));
    return r;
}

static int measure_tensor(void *userdata, const struct TensorSpec *tensor) {
    uint64_t *size = userdata;
    *size += padded(tensor_size(tensor));
    return 0;
}

int synthetic_measure(const struct SyntheticOptions *options, uint32_t *ret_n_layers,
                      uint64_t *ret_size, Reason *why) {
    struct Shape shape;
    uint32_t weights = 0;
    uint64_t size = 0;
    int r = find_shape(options, &shape, why);
    if (r == 0)
        r = find_weights(options->weights ? options->weights : shape.weights, &weights, why);
    if (r == 0) r = shape_each_tensor(&shape, weights, measure_tensor, &size);
    if (r < 0) return r;
    *ret_n_layers = shape.n_layers;
    *ret_size = size;
    return 0;
}

static int keep_larger(void *userdata, const struct TensorSpec *tensor) {
    struct TensorSpec *largest = userdata;
    if (strncmp(tensor->name, "blk.", 4) == 0 && tensor->n_dims == 2 &&
        tensor->dims[0] * tensor->dims[1] > largest->dims[0] * largest->dims[1])
        *largest = *tensor;
    return 0;
}

int synthetic_largest_matrix(const char *name, uint32_t *ret_n_rows, uint32_t *ret_n_cols) {
    const struct Shape *shape = shape_find(name);
    struct TensorSpec largest = {.n_dims = 0};
    if (!shape) return -EINVAL;
    shape_each_tensor(shape, QUANT_F16, keep_larger, &largest);
    *ret_n_rows = (uint32_t)largest.dims[1];
    *ret_n_cols = (uint32_t)largest.dims[0];
    return 0;
}
