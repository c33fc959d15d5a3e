/*
 * Models small enough to compute by hand, for tests of the engine: random weights in any shape, the
 * GGUF file that holds them, and a forward pass in double that shares no code with the engine.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"
#include "gguf-writer.h"

struct TinyShape {
    const char *architecture;
    uint32_t n_layers, n_embd, n_heads, n_kv_heads, head_size, n_ff, n_vocab, n_rot, n_ctx;
    uint32_t type; /* of the matrices: QUANT_F32, QUANT_F16 or QUANT_Q8_0 */
    bool untied, biases, rope_factors;
    float rope_linear;      /* 0: none */
    uint32_t rope_long;     /* LongRoPE past so many tokens, which the reference lacks; 0: none */
    const char *activation; /* NULL: the architecture's */
    bool f16_kv;            /* keys and values are rounded to halves */
};

struct TinyTensor {
    char name[128];
    uint32_t n_rows, n_cols;
    bool is_q8_0; /* its input is quantised in blocks */
    float *values;
};

struct TinyModel {
    struct TinyShape shape;
    struct TinyTensor *tensors;
    size_t n_tensors;
    uint64_t random;
};

struct TinyModel *tiny_model_new(const struct TinyShape *shape);
struct TinyModel *tiny_model_free(struct TinyModel *model);
int tiny_model_fd(const struct TinyModel *model);
/* Logits after every token, [n][n_vocab], malloc()ed. */
double *tiny_model_logits(const struct TinyModel *model, const Token *tokens, uint32_t n);

/* A vocabulary of n tokens: "<unk>", "<s>", "</s>" and then bytes from 'a' on, SentencePiece. */
void tiny_vocabulary(struct GgufWriter *writer, uint32_t n);
/* A model of the family "fake", see daemon/engine/fake.c; 0: no such key. */
int fake_model_fd(uint32_t n_vocab, uint32_t n_ctx, uint32_t end_after, uint32_t rewind_step);
