#include "engine/weights.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/limits.h"
#include "engine/weights-private.h"

/* Matrices start on pages of their own: threads map and prefetch them independently. */
#define PAGE 4096u

static uint64_t round_up(uint64_t n, uint64_t multiple) {
    return (n + multiple - 1) / multiple * multiple;
}

int weights_new(const struct Gguf *file, Pool *pool, enum Requantise requantise,
                struct Weights **ret) {
    struct Weights *weights = calloc(1, sizeof *weights);
    if (!weights) return -ENOMEM;
    weights->file = file;
    weights->pool = pool;
    weights->requantise = requantise;
    *ret = weights;
    return 0;
}

struct Weights *weights_free(struct Weights *weights) {
    if (!weights) return NULL;
    if (weights->memory) munmap(weights->memory, weights->memory_size);
    free(weights->entries);
    free(weights->weights);
    free(weights);
    return NULL;
}

const struct WeightEntry *weights_entries(const struct Weights *weights, size_t *ret_n) {
    *ret_n = weights->n;
    return weights->entries;
}

uint64_t weights_size(const struct Weights *weights) {
    return weights->size;
}

/* ---- Asking a packed file: its index is in the order of the requests ---- */

static int check_entry(const struct WeightEntry *entry, size_t data_size, Reason *why) {
    uint64_t size = 0;
    if (strnlen(entry->name, sizeof entry->name) == sizeof entry->name)
        return reason_set(why, EBADMSG, "the packed file's index is damaged");
    if (entry->layout > WEIGHT_VECTOR || entry->n_rows == 0 || entry->n_cols == 0 ||
        entry->n_cols > MODEL_MAX_WIDTH || entry->n_rows > MODEL_MAX_WIDTH * 4)
        return reason_set(why, EBADMSG, "the packed tensor %s has an impossible shape",
                          entry->name);
    if (entry->layout == WEIGHT_VECTOR)
        size = (uint64_t)entry->n_cols * sizeof(float);
    else
        size = matrix_size((enum MatrixLayout)entry->layout, entry->n_rows, entry->n_cols);
    if (entry->size != size || entry->offset % 64 != 0 || entry->offset > data_size ||
        entry->size > data_size - entry->offset)
        return reason_set(why, EBADMSG, "the packed tensor %s lies outside of the file",
                          entry->name);
    if (!isfinite(entry->scale))
        return reason_set(why, EBADMSG, "the packed tensor %s has a scale that is not finite",
                          entry->name);
    return 0;
}

int weights_map(const struct WeightEntry *entries, size_t n_entries, const void *data,
                size_t data_size, Pool *pool, struct Weights **ret, Reason *why) {
    for (size_t i = 0; i < n_entries; i++) {
        int r = check_entry(&entries[i], data_size, why);
        if (r < 0) return r;
    }
    struct Weights *weights = calloc(1, sizeof *weights);
    if (!weights) return -ENOMEM;
    weights->entries = calloc(n_entries + 1, sizeof *entries);
    if (!weights->entries) {
        free(weights);
        return -ENOMEM;
    }
    memcpy(weights->entries, entries, n_entries * sizeof *entries);
    weights->n_entries = n_entries;
    weights->data = data;
    weights->size = data_size;
    int r = weights_verify(weights, pool, why);
    if (r < 0)
        weights_free(weights);
    else
        *ret = weights;
    return r;
}

/* The next entry when it has this name, else NULL. */
static const struct WeightEntry *next_entry(const struct Weights *weights, const char *name) {
    if (weights->n == weights->n_entries) return NULL;
    const struct WeightEntry *entry = &weights->entries[weights->n];
    return strcmp(entry->name, name) == 0 ? entry : NULL;
}

static void map_matrix(const struct Weights *weights, const struct WeightEntry *entry,
                       struct Matrix *ret) {
    *ret = (struct Matrix){
        .layout = (enum MatrixLayout)entry->layout,
        .n_rows = entry->n_rows,
        .n_cols = entry->n_cols,
        .scale = entry->scale,
        .data = weights->data + entry->offset,
    };
}

/* ---- Asking a GGUF file ---- */

static int grow(struct Weights *weights) {
    if (weights->n < weights->capacity) return 0;
    size_t capacity = weights->capacity ? 2 * weights->capacity : 64;
    if (capacity > MODEL_MAX_WEIGHTS) return -EFBIG;
    struct WeightEntry *entries = realloc(weights->entries, capacity * sizeof *entries);
    if (!entries) return -ENOMEM;
    weights->entries = entries;
    struct Weight *list = realloc(weights->weights, capacity * sizeof *list);
    if (!list) return -ENOMEM;
    weights->weights = list;
    weights->capacity = capacity;
    return 0;
}

/* Gives a tensor its place. */
static int add_weight(struct Weights *weights, const struct WeightEntry *entry,
                      const struct Weight *weight, Reason *why) {
    int r = grow(weights);
    if (r < 0) return r;
    struct WeightEntry *added = &weights->entries[weights->n];
    *added = *entry;
    added->offset = round_up(weights->size, entry->layout == WEIGHT_VECTOR ? 64 : PAGE);
    if (__builtin_add_overflow(added->offset, added->size, &weights->size))
        return reason_set(why, EFBIG, "the model is larger than any memory");
    weights->weights[weights->n++] = *weight;
    return 0;
}

static int check_shape(const struct GgufTensor *tensor, uint64_t n_rows, uint32_t n_cols,
                       Reason *why) {
    if (tensor->dims[0] == n_cols && tensor->n_elements == n_rows * n_cols) return 0;
    return reason_set(why, EBADMSG,
                      "the tensor %s has %llu rows of %llu values, the model needs %llu of %u",
                      tensor->name, (unsigned long long)(tensor->n_elements / tensor->dims[0]),
                      (unsigned long long)tensor->dims[0], (unsigned long long)n_rows, n_cols);
}

/* A vector may have any dimensions: its values in the order of the file are what counts. */
static int check_length(const struct GgufTensor *tensor, uint32_t n, Reason *why) {
    if (tensor->n_elements == n) return 0;
    return reason_set(why, EBADMSG, "the tensor %s has %llu values, the model needs %u",
                      tensor->name, (unsigned long long)tensor->n_elements, n);
}

static int find_tensor(const struct Weights *weights, const char *name, unsigned flags,
                       const struct GgufTensor **ret, Reason *why) {
    *ret = gguf_tensor(weights->file, name);
    if (*ret) return 0;
    if (flags & WEIGHTS_OPTIONAL) return WEIGHTS_ABSENT;
    return reason_set(why, EBADMSG, "the tensor %s is missing", name);
}

/* The one float in `name`; GGUF_ABSENT, leaving *ret alone. */
static int read_scalar(const struct Weights *weights, const char *name, float *ret, Reason *why) {
    struct QuantMatrix matrix;
    const struct GgufTensor *tensor = gguf_tensor(weights->file, name);
    if (!tensor) return GGUF_ABSENT;
    if (tensor->n_elements != 1)
        return reason_set(why, EBADMSG, "the tensor %s has %llu values, not one", name,
                          (unsigned long long)tensor->n_elements);
    int r = gguf_matrix(tensor, &matrix, why);
    if (r == 0 && !matrix.type->is_float)
        r = reason_set(why, ENOTSUP, "the tensor %s is not a float", name);
    if (r == 0) r = quant_check(&matrix, 0, 1, why);
    if (r == 0) quant_rows(&matrix, 0, 1, ret, 1);
    return r;
}

/* Which of the matrices that a tensor holds one after the other. */
struct Slice {
    uint32_t i, n;
};

static int take_slice(struct QuantMatrix *source, struct Slice slice, Reason *why) {
    uint64_t size;
    if (slice.n == 1) return 0;
    source->n_rows /= slice.n;
    if (source->type->tail_bytes > 0 ||
        !quant_size(source->type, source->n_cols, source->n_rows, &size))
        return reason_set(why, ENOTSUP, "the tensor %s is %s, which cannot be cut up", source->name,
                          source->type->name);
    source->data = (const uint8_t *)source->data + slice.i * size;
    return 0;
}

/* What multiplies all weights: llama.cpp's converter keeps it in NAME.scale, Microsoft's in
 * NAME.weight_scale. 1 when there is none. */
static int read_factor(const struct Weights *weights, const char *name, float *ret, Reason *why) {
    char scale_name[sizeof((struct WeightEntry *)0)->name];
    *ret = 1;
    snprintf(scale_name, sizeof scale_name, "%s.scale", name);
    int r = read_scalar(weights, scale_name, ret, why);
    if (r != GGUF_ABSENT) return r;
    snprintf(scale_name, sizeof scale_name, "%s.weight_scale", name);
    r = read_scalar(weights, scale_name, ret, why);
    return r < 0 ? r : 0;
}

/* How much less exact than in the file this matrix may be made. */
static enum Requantise allowed(enum Requantise wanted, const char *name) {
    const bool is_end = strcmp(name, "token_embd") == 0 || strcmp(name, "output") == 0;
    const char last = name[strlen(name) - 1];
    /* time_mix_w1, time_mix_decay_w2, ...: small, and everything behind them depends on them */
    if (strstr(name, ".time_mix_") && (last == '1' || last == '2')) return REQUANTISE_NOTHING;
    return is_end && wanted == REQUANTISE_Q4 ? REQUANTISE_Q8 : wanted;
}

static int plan_matrix(struct Weights *weights, const char *full_name, const char *name,
                       unsigned flags, struct Slice slice, struct WeightEntry *entry,
                       struct Weight *weight, Reason *why) {
    const struct GgufTensor *tensor;
    struct PackSource *source = &weight->source;
    int r = find_tensor(weights, full_name, flags, &tensor, why);
    if (r != 0) return r;
    r = check_shape(tensor, (uint64_t)entry->n_rows * slice.n, entry->n_cols, why);
    if (r == 0) r = gguf_matrix(tensor, &source->matrix, why);
    if (r == 0) r = take_slice(&source->matrix, slice, why);
    if (r == 0) r = read_factor(weights, name, &source->factor, why);
    if (r < 0) return r;
    source->ternary = flags & WEIGHTS_TERNARY;
    source->requantise = allowed(weights->requantise, name);
    r = pack_choose(weights->pool, &weights->trials, source, &entry->layout, &entry->scale,
                    &weight->requantised, why);
    if (r < 0) return r;
    entry->size = matrix_size((enum MatrixLayout)entry->layout, entry->n_rows, entry->n_cols);
    snprintf(entry->name, sizeof entry->name, "%s", full_name);
    return 0;
}

/* ---- Asking either ---- */

static int missing_entry(const char *name, unsigned flags, Reason *why) {
    if (flags & WEIGHTS_OPTIONAL) return WEIGHTS_ABSENT;
    return reason_set(why, EBADMSG, "the packed file lacks the tensor %s in its place", name);
}

static int wrong_entry(const struct WeightEntry *entry, Reason *why) {
    return reason_set(why, EBADMSG, "the packed tensor %s has another shape than the model needs",
                      entry->name);
}

static int ask_matrix(struct Weights *weights, const char *name, unsigned flags, struct Slice slice,
                      uint32_t n_rows, uint32_t n_cols, struct Matrix *ret, Reason *why) {
    struct WeightEntry planned = {.n_rows = n_rows, .n_cols = n_cols, .scale = 1};
    struct Weight weight = {.matrix = ret, .source.factor = 1};
    char full_name[sizeof planned.name];
    *ret = (struct Matrix){0};
    snprintf(full_name, sizeof full_name, "%s.weight", name);
    if (n_cols > MATRIX_MAX_COLS)
        return reason_set(why, EFBIG, "the matrix %s has %u columns, the limit is %u", full_name,
                          n_cols, MATRIX_MAX_COLS);

    if (weights->file) {
        int r = plan_matrix(weights, full_name, name, flags, slice, &planned, &weight, why);
        if (r != 0) return r;
        ret->layout = (enum MatrixLayout)planned.layout;
        ret->n_rows = n_rows;
        ret->n_cols = n_cols;
        return add_weight(weights, &planned, &weight, why);
    }
    const struct WeightEntry *entry = next_entry(weights, full_name);
    if (!entry) return missing_entry(full_name, flags, why);
    if (entry->layout == WEIGHT_VECTOR || entry->n_rows != n_rows || entry->n_cols != n_cols)
        return wrong_entry(entry, why);
    map_matrix(weights, entry, ret);
    weights->n++;
    return 0;
}

int weights_matrix(struct Weights *weights, const char *name, unsigned flags, uint32_t n_rows,
                   uint32_t n_cols, struct Matrix *ret, Reason *why) {
    return ask_matrix(weights, name, flags, (struct Slice){0, 1}, n_rows, n_cols, ret, why);
}

int weights_slice(struct Weights *weights, const char *name, uint32_t i, uint32_t n,
                  uint32_t n_rows, uint32_t n_cols, struct Matrix *ret, Reason *why) {
    return ask_matrix(weights, name, 0, (struct Slice){i, n}, n_rows, n_cols, ret, why);
}

static int plan_vector(struct Weights *weights, const char *name, unsigned flags,
                       struct WeightEntry *entry, struct Weight *weight, Reason *why) {
    const struct GgufTensor *tensor;
    int r = find_tensor(weights, name, flags, &tensor, why);
    if (r != 0) return r;
    r = check_length(tensor, entry->n_cols, why);
    if (r == 0) r = gguf_matrix(tensor, &weight->source.matrix, why);
    if (r == 0 && !weight->source.matrix.type->is_float)
        r = reason_set(why, ENOTSUP, "the tensor %s is %s, not a float type", name,
                       weight->source.matrix.type->name);
    return r;
}

int weights_vector(struct Weights *weights, const char *name, unsigned flags, uint32_t n,
                   const float **ret, Reason *why) {
    struct WeightEntry planned = {.layout = WEIGHT_VECTOR, .n_rows = 1, .n_cols = n, .scale = 1};
    struct Weight weight = {.vector = ret, .source.factor = 1};
    *ret = NULL;
    if (weights->file) {
        int r = plan_vector(weights, name, flags, &planned, &weight, why);
        if (r != 0) return r;
        planned.size = n * sizeof(float);
        snprintf(planned.name, sizeof planned.name, "%s", name);
        return add_weight(weights, &planned, &weight, why);
    }
    const struct WeightEntry *entry = next_entry(weights, name);
    if (!entry) return missing_entry(name, flags, why);
    if (entry->layout != WEIGHT_VECTOR || entry->n_rows != 1 || entry->n_cols != n)
        return wrong_entry(entry, why);
    *ret = (const float *)(weights->data + entry->offset);
    weights->n++;
    return 0;
}

uint64_t weights_n_rows(const struct Weights *weights, const char *name) {
    if (weights->file) {
        const struct GgufTensor *tensor = gguf_tensor(weights->file, name);
        return tensor ? tensor->n_elements / tensor->dims[0] : 0;
    }
    for (size_t i = 0; i < weights->n_entries; i++)
        if (strcmp(weights->entries[i].name, name) == 0) return weights->entries[i].n_rows;
    return 0;
}
