/*
 * The shapes of real models, and which tensors a model of a family has.
 */
#pragma once

#include <stdint.h>

#include "engine/synthetic/gguf-writer.h"

struct Shape {
    const char *name;
    const struct ShapeFamily *family;
    const char *weights;          /* of the large matrices */
    uint32_t n_layers, n_embd;    /* L, C */
    uint32_t n_ff, n_vocab;       /* F, V */
    uint32_t n_heads, n_kv_heads; /* H, G */
    uint32_t n_ctx;
    float rope_base;
};

/* What the weights of a tensor are drawn from: see random-blocks.h. */
struct TensorSpec {
    char name[128];
    uint32_t type; /* enum QuantTypeId */
    uint32_t n_dims;
    uint64_t dims[4];
    float mean, spread;
};

/* Takes the tensors one by one; negative stops. */
typedef int TensorSink(void *userdata, const struct TensorSpec *tensor);

const struct Shape *shape_find(const char *name); /* NULL: none */
const struct Shape *shape_at(unsigned i);

/* general.* and the hyper-parameters of the architecture. */
void shape_write_keys(const struct Shape *shape, GgufWriter *writer);
/* All tensors, with large matrices of the given type. */
int shape_each_tensor(const struct Shape *shape, uint32_t weights, TensorSink *sink,
                      void *userdata);
