/* From the tensors of a GGUF file to packed data. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/huge-pages.h"
#include "engine/weights-private.h"

static int make_memory(struct Weights *weights) {
    weights->memory_size = weights->size ? weights->size : 1;
    weights->memory = huge_allocate(weights->memory_size);
    return weights->memory ? 0 : -ENOMEM;
}

/* The bytes of a tensor in the file, or of one of the matrices in it. */
static uint64_t source_size(const struct Weight *weight) {
    const struct QuantMatrix *matrix = &weight->source.matrix;
    uint64_t size = 0;
    quant_size(matrix->type, matrix->n_cols, matrix->n_rows, &size);
    return size;
}

static void prefetch(const struct Weights *weights, size_t i) {
    const struct Weight *weight = &weights->weights[i];
    gguf_prefetch(weights->file, weight->source.matrix.data, source_size(weight));
}

static void forget(const struct Weights *weights, size_t i) {
    const struct Weight *weight = &weights->weights[i];
    gguf_forget(weights->file, weight->source.matrix.data, source_size(weight));
}

static int fill_vector(struct Weight *weight, struct WeightEntry *entry,
                       const struct PackTarget *target, Reason *why) {
    const struct QuantMatrix *source = &weight->source.matrix;
    int r = quant_check(source, 0, source->n_rows, why);
    if (r < 0) return r;
    float *vector = target->memory ? target->memory : malloc(entry->size + 1);
    if (!vector) return -ENOMEM;
    quant_rows(source, 0, source->n_rows, vector, source->n_cols);
    if (target->memory) {
        *weight->vector = vector;
        return 0;
    }
    struct Digest digest = digest_bulk(vector, entry->size);
    entry->digest = packed_digest(&digest, 1);
    r = pack_write(target, 0, vector, entry->size, why);
    free(vector);
    return r;
}

static int fill_matrix(struct Weights *weights, struct Weight *weight, struct WeightEntry *entry,
                       const struct PackTarget *target, Reason *why) {
    *weight->matrix = (struct Matrix){
        .layout = (enum MatrixLayout)entry->layout,
        .n_rows = entry->n_rows,
        .n_cols = entry->n_cols,
        .scale = entry->scale,
        .data = target->memory,
    };
    return pack_matrix(weights->pool, &weight->source, weight->matrix, target,
                       target->memory ? NULL : &entry->digest, &weight->error, why);
}

static int fill_one(struct Weights *weights, size_t i, const struct PackTarget *file, Reason *why) {
    struct WeightEntry *entry = &weights->entries[i];
    struct Weight *weight = &weights->weights[i];
    struct PackTarget target = {0};
    if (file)
        target = (struct PackTarget){
            .fd = file->fd, .offset = file->offset + entry->offset, .pages = file->pages};
    else
        target.memory = (uint8_t *)weights->memory + entry->offset;
    int r = weight->vector ? fill_vector(weight, entry, &target, why)
                           : fill_matrix(weights, weight, entry, &target, why);
    /* The disk begins now, not when all is packed. */
    if (r == 0 && file)
        sync_file_range(file->fd, (off64_t)target.offset, (off64_t)entry->size,
                        SYNC_FILE_RANGE_WRITE);
    return r;
}

int weights_fill(struct Weights *weights, const struct PackTarget *file, WeightsProgress *progress,
                 void *userdata, Reason *why) {
    if (!weights->file) {
        if (weights->n == weights->n_entries) return 0;
        return reason_set(why, EBADMSG, "the packed file has tensors that the model does not use");
    }
    int r = file ? 0 : make_memory(weights);
    for (size_t i = 0; r == 0 && i < weights->n; i++) {
        if (i + 1 < weights->n) prefetch(weights, i + 1);
        r = fill_one(weights, i, file, why);
        if (r < 0) return r;
        forget(weights, i);
        uint64_t done = weights->entries[i].offset + weights->entries[i].size;
        if (progress && progress(userdata, done, weights->size) != 0) return -ECANCELED;
    }
    return r;
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

_Static_assert(PACK_MAX_TRIALS == TERNARY_MAX_TRIALS && PACK_TRIAL_LAYOUTS == TERNARY_N_LAYOUTS,
               "a report has room for all trials");

static void report_trials(const struct TernaryTrials *trials, struct PackReport *ret) {
    for (unsigned i = 0; i < trials->n; i++) {
        const struct TernaryTrial *trial = &trials->trials[i];
        struct PackTrial *to = &ret->trials[ret->n_trials++];
        to->n_cols = trial->n_cols;
        to->chosen = ternary_layout_name(trial->chosen);
        for (unsigned k = 0; k < TERNARY_N_LAYOUTS; k++) {
            const double cost = trial->times[0][0] > 0 ? ternary_cost(trial, k) : 0;
            to->layouts[k].name = ternary_layout_name(k);
            to->layouts[k].speed = cost > 0 ? 1 / cost : 0;
        }
    }
}

void weights_report(const struct Weights *weights, struct PackReport *ret) {
    *ret = (struct PackReport){0};
    report_trials(&weights->trials, ret);
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
        if (weight->error > change->worst_error) change->worst_error = weight->error;
        if (weight->error < ret->worst_error) continue;
        ret->worst_error = weight->error;
        snprintf(ret->worst_name, sizeof ret->worst_name, "%s", entry->name);
    }
}
