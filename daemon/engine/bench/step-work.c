#include "engine/bench/step-work.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "engine/bench/filling.h"
#include "engine/engine-private.h"

/* What a matrix is for. A model without an output matrix multiplies the embedding table. */
enum Part { PART_LAYERS, PART_HEAD, PART_TABLE };

static bool has_output(const struct WeightEntry *entries, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(entries[i].name, "output.weight") == 0) return true;
    return false;
}

static enum Part part_of(const struct WeightEntry *entry, bool has_head) {
    if (strcmp(entry->name, "output.weight") == 0) return PART_HEAD;
    if (strcmp(entry->name, "token_embd.weight") != 0) return PART_LAYERS;
    return has_head ? PART_TABLE : PART_HEAD;
}

static void add_product(struct Work *work, const struct WeightEntry *entry, unsigned n_rows) {
    const double operations = 2.0 * entry->n_rows * entry->n_cols * n_rows;
    if (matrix_activation_form((enum MatrixLayout)entry->layout) == ACTIVATION_F32)
        work->f32_operations += operations;
    else
        work->i8_operations += operations;
}

struct Work step_work(const Engine *engine, unsigned n_rows, unsigned n_logits,
                      double state_bytes) {
    struct Work work = {.bytes = state_bytes};
    size_t n;
    const struct WeightEntry *entries = weights_entries(engine->weights, &n);
    const bool has_head = has_output(entries, n);
    for (size_t i = 0; i < n; i++) {
        const enum Part part = part_of(&entries[i], has_head);
        const unsigned n_vectors = part == PART_LAYERS ? n_rows : part == PART_HEAD ? n_logits : 0;
        if (n_vectors == 0) continue;
        work.bytes += (double)entries[i].size;
        if (entries[i].layout != WEIGHT_VECTOR) add_product(&work, &entries[i], n_vectors);
    }
    return work;
}

/* The layout of most bytes of a part; WEIGHT_VECTOR: it has no matrix. */
static uint32_t part_layout(const Engine *engine, enum Part part) {
    uint64_t sizes[N_MATRIX_LAYOUTS] = {0}, largest = 0;
    uint32_t layout = WEIGHT_VECTOR;
    size_t n;
    const struct WeightEntry *entries = weights_entries(engine->weights, &n);
    const bool has_head = has_output(entries, n);
    for (size_t i = 0; i < n; i++)
        if (entries[i].layout != WEIGHT_VECTOR && part_of(&entries[i], has_head) == part)
            sizes[entries[i].layout] += entries[i].size;
    for (uint32_t i = 0; i < N_MATRIX_LAYOUTS; i++)
        if (sizes[i] > largest) {
            largest = sizes[i];
            layout = i;
        }
    return layout;
}

static bool is_ternary(uint32_t layout) {
    return layout == MATRIX_T2 || layout == MATRIX_T1_6 || layout == MATRIX_LUT;
}

void step_weights(const Engine *engine, char *ret, size_t size) {
    const uint32_t layers = part_layout(engine, PART_LAYERS);
    const uint32_t head = part_layout(engine, PART_HEAD);
    const bool has_two = layers != WEIGHT_VECTOR && head != WEIGHT_VECTOR && layers != head;
    snprintf(ret, size, "%s%s%s%s%s", engine_info(engine)->weights,
             is_ternary(layers) ? " as " : "",
             is_ternary(layers) ? filling_name((enum MatrixLayout)layers) : "",
             has_two ? ", head " : "", has_two ? filling_name((enum MatrixLayout)head) : "");
}
