/* From the tensors of a GGUF file to packed data. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/weights-private.h"

static int make_memory(struct Weights *weights) {
    size_t size = weights->size ? weights->size : 1;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return -ENOMEM;
    madvise(memory, size, MADV_HUGEPAGE); /* fewer TLB misses; nothing lost where it fails */
    weights->memory = memory;
    weights->memory_size = size;
    return 0;
}

/* Tells the kernel about the pages of a tensor in the file. Advice: it may fail. */
static void advise(const struct Weight *weight, int advice) {
    const struct QuantMatrix *matrix = &weight->source.matrix;
    uint64_t size = 0, page = (uint64_t)sysconf(_SC_PAGESIZE);
    if (!matrix->type || !quant_size(matrix->type, matrix->n_cols, matrix->n_rows, &size)) return;
    uintptr_t start = (uintptr_t)matrix->data, end = start + size;
    if (advice == MADV_DONTNEED) { /* only what no other tensor has a part of */
        start = (start + page - 1) / page * page;
        end = end / page * page;
    } else {
        start = start / page * page;
    }
    if (start < end) madvise((void *)start, end - start, advice);
}

static int fill_vector(struct Weight *weight, const struct WeightEntry *entry, float *dst,
                       Reason *why) {
    const struct QuantMatrix *source = &weight->source.matrix;
    int r = quant_check(source, 0, source->n_rows, why);
    if (r < 0) return r;
    quant_rows(source, 0, source->n_rows, dst, source->n_cols);
    *weight->vector = dst;
    return 0;
}

static int fill_one(struct Weights *weights, size_t i, uint8_t *data, Reason *why) {
    const struct WeightEntry *entry = &weights->entries[i];
    struct Weight *weight = &weights->weights[i];
    void *dst = data + entry->offset;
    if (weight->vector) return fill_vector(weight, entry, dst, why);
    *weight->matrix = (struct Matrix){
        .layout = (enum MatrixLayout)entry->layout,
        .n_rows = entry->n_rows,
        .n_cols = entry->n_cols,
        .scale = entry->scale,
        .data = dst,
    };
    return pack_matrix(weights->pool, &weight->source, weight->matrix, dst, &weight->error, why);
}

int weights_fill(struct Weights *weights, void *data, WeightsProgress *progress, void *userdata,
                 Reason *why) {
    if (!weights->file) {
        if (weights->n == weights->n_entries) return 0;
        return reason_set(why, EBADMSG, "the packed file has tensors that the model does not use");
    }
    if (!data) {
        int r = make_memory(weights);
        if (r < 0) return r;
        data = weights->memory;
    }
    for (size_t i = 0; i < weights->n; i++) {
        if (i + 1 < weights->n) advise(&weights->weights[i + 1], MADV_WILLNEED);
        int r = fill_one(weights, i, data, why);
        if (r < 0) return r;
        advise(&weights->weights[i], MADV_DONTNEED);
        uint64_t done = weights->entries[i].offset + weights->entries[i].size;
        if (progress && progress(userdata, done, weights->size) != 0) return -ECANCELED;
    }
    return 0;
}

/* ---- What was requantised ---- */

/* The row of the report for matrices of this kind; NULL: there are more kinds than rows. */
static struct PackChange *find_change(struct PackReport *report, const char *from, const char *to) {
    struct PackChange *change = report->changes;
    for (; change < report->changes + report->n_changes; change++)
        if (strcmp(change->from, from) == 0 && strcmp(change->to, to) == 0) return change;
    if (report->n_changes == PACK_MAX_CHANGES) return NULL;
    report->n_changes++;
    *change = (struct PackChange){.from = from, .to = to};
    return change;
}

void weights_report(const struct Weights *weights, struct PackReport *ret) {
    *ret = (struct PackReport){0};
    for (size_t i = 0; weights->file && i < weights->n; i++) {
        const struct Weight *weight = &weights->weights[i];
        const struct QuantMatrix *source = &weight->source.matrix;
        const struct WeightEntry *entry = &weights->entries[i];
        uint64_t before = 0;
        if (!weight->requantised) continue;
        struct PackChange *change =
            find_change(ret, source->type->name, entry->layout == MATRIX_I4 ? "Q4_0" : "Q8_0");
        if (!change) continue;
        quant_size(source->type, source->n_cols, source->n_rows, &before);
        change->n_matrices++;
        change->bytes_before += before;
        change->bytes_after += entry->size;
        if (weight->error < ret->worst_error) continue;
        ret->worst_error = weight->error;
        snprintf(ret->worst_name, sizeof ret->worst_name, "%s", entry->name);
    }
}
