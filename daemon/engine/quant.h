/*
 * Tensor types: how the weights of a file are stored, and how to read them.
 *
 * A QuantMatrix is a view of one tensor's data: n_rows rows of n_cols contiguous weights. All
 * functions only read it: any number of threads may read the same matrix, each its own rows. To
 * pack a matrix, check it once (quant_ternary_scan() or quant_check(), row ranges may be spread
 * over threads), then read rows, 16 at a time or as it suits. Nothing here allocates.
 *
 * Block layouts follow ggml's; I2_S is Microsoft's, blocks of 128 weights in 32 bytes (the layout
 * that their converter writes), with one scale behind the codes of the whole tensor.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/reason.h"

/* ggml's numbers, as they stand in files. */
enum QuantTypeId {
    QUANT_F32 = 0,
    QUANT_F16 = 1,
    QUANT_Q4_0 = 2,
    QUANT_Q4_1 = 3,
    QUANT_Q5_0 = 6,
    QUANT_Q5_1 = 7,
    QUANT_Q8_0 = 8,
    QUANT_Q4_K = 12,
    QUANT_Q5_K = 13,
    QUANT_Q6_K = 14,
    QUANT_BF16 = 30,
    QUANT_TQ1_0 = 34,
    QUANT_TQ2_0 = 35,
    QUANT_I2_S = 36,
    QUANT_Q2_0 = 42,
};

/* A row of the table of types that can be read. */
struct QuantType {
    uint32_t id; /* enum QuantTypeId */
    const char *name;
    uint32_t block_elements; /* a row has a whole number of blocks */
    uint32_t block_bytes;
    uint32_t tail_bytes; /* behind the last row: I2_S keeps its scale there */
    bool is_float;       /* F32, F16, BF16 */
    uint32_t exponent;   /* of these: the bits of a number's exponent */
    /* Halves among a block's bytes that scale its weights: where they start, how many follow */
    uint8_t scales_at, n_scales;
    uint8_t codes_at, n_code_bytes; /* where codes of two bits stand that may be 3 */
    /* n weights (whole blocks) to floats, without a scale that the tail holds */
    void (*dequantise)(const uint8_t *blocks, size_t n, float *ret);
    /* The same as -1, 0, +1, for ternary types, else NULL */
    void (*trits)(const uint8_t *blocks, size_t n, int8_t *ret);
    /* One block of a ternary type with a scale a block: each weight / scale + 1, 0 to 3 */
    void (*codes)(const uint8_t *block, uint8_t *ret);
};

/* NULL: a type that this engine cannot read. */
const struct QuantType *quant_type(uint32_t id);
/* The name of any type that ggml or its forks number, readable here or not; NULL: unheard of. */
const char *quant_type_name(uint32_t id);
/* Bytes of a tensor; false: n_cols is not a whole number of blocks, or the size passes 2^63. */
bool quant_size(const struct QuantType *type, uint64_t n_cols, uint64_t n_rows, uint64_t *ret);

struct QuantMatrix {
    const char *name; /* for reasons */
    const struct QuantType *type;
    const void *data; /* quant_size() bytes, aligned as in the file: not at all, maybe */
    uint64_t n_cols, n_rows;
};

/* Rows as floats: ret is [n_rows][stride], stride >= n_cols in floats. Every type. */
void quant_rows(const struct QuantMatrix *matrix, uint64_t first_row, size_t n_rows, float *ret,
                size_t stride);

/* -EBADMSG names the tensor when one of these rows holds a weight or scale that is not finite. */
int quant_check(const struct QuantMatrix *matrix, uint64_t first_row, uint64_t n_rows, Reason *why);

/* ---- Ternary matrices: every weight is -s, 0 or +s with one s for the whole tensor ---- */

enum { QUANT_NOT_TERNARY = 1 };

/* Looks whether these rows are ternary. `*scale` starts as 0 and becomes s at the first weight
 * that is not 0; threads that scan parts of a matrix start from 0 each and compare in the end with
 * quant_ternary_merge(). Returns 0; QUANT_NOT_TERNARY, with a reason that says where (a float
 * tensor with other values, blocks with different scales, a type that is not ternary);
 * -EBADMSG: a value or scale is not finite. A matrix of zeros is ternary with s = 0. */
int quant_ternary_scan(const struct QuantMatrix *matrix, uint64_t first_row, uint64_t n_rows,
                       float *scale, Reason *why);
/* Adds what another scan of the same matrix found. 0 or QUANT_NOT_TERNARY. */
int quant_ternary_merge(const struct QuantMatrix *matrix, float other, float *scale, Reason *why);

/* Rows of a matrix that was found ternary, as -1, 0, +1: ret is [n_rows][stride], in bytes. */
void quant_trits(const struct QuantMatrix *matrix, uint64_t first_row, size_t n_rows, int8_t *ret,
                 size_t stride);
/* One row of any float type, likewise. */
void quant_float_trits(const struct QuantType *type, const uint8_t *row, size_t n_cols,
                       int8_t *ret);

/* ---- Blocks as they are ---- */

#define QUANT_Q8_0_BYTES 34u /* a half, 32 int8 */
#define QUANT_Q4_0_BYTES                                                                           \
    18u /* a half, 16 bytes of nibbles: the first 16 weights in the low ones                       \
         */

/* The row's blocks in the file, aligned to nothing. */
const uint8_t *quant_row_blocks(const struct QuantMatrix *matrix, uint64_t row);
/* One row of a Q8_0 matrix: n_cols bytes and n_cols / 32 scales, halves. */
void quant_q8_row(const struct QuantMatrix *matrix, uint64_t row, int8_t *ret,
                  uint16_t *ret_scales);
/* One row of a Q4_0 matrix: n_cols / 32 times 16 bytes of nibbles, and as many scales, halves. */
void quant_q4_row(const struct QuantMatrix *matrix, uint64_t row, uint8_t *ret,
                  uint16_t *ret_scales);

/* ---- Half precision ---- */
float quant_f16_to_f32(uint16_t bits);
float quant_bf16_to_f32(uint16_t bits);
