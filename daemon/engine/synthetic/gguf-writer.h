/*
 * Writes GGUF files, version 3: keys and tensors in the order in which they were added.
 *
 * A tensor may be given with its data, or be described only; then whoever writes the file writes
 * the data behind the head, each tensor at its offset. Nothing is checked: damaged files can be
 * written too. Running out of memory is remembered, and told by what ends the writing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/gguf.h"

#define GGUF_WRITER_ALIGNMENT 32u

typedef struct GgufWriter GgufWriter;

GgufWriter *gguf_writer_new(void); /* NULL: no memory */
GgufWriter *gguf_writer_free(GgufWriter *writer);

void gguf_writer_u32(GgufWriter *writer, const char *key, uint32_t value);
void gguf_writer_f32(GgufWriter *writer, const char *key, float value);
void gguf_writer_bool(GgufWriter *writer, const char *key, bool value);
void gguf_writer_string(GgufWriter *writer, const char *key, const char *value);
void gguf_writer_strings(GgufWriter *writer, const char *key, const char *const *values, size_t n);
void gguf_writer_f32s(GgufWriter *writer, const char *key, const float *values, size_t n);
void gguf_writer_i32s(GgufWriter *writer, const char *key, const int32_t *values, size_t n);
/* A key with any type and any bytes behind it. */
void gguf_writer_raw(GgufWriter *writer, const char *key, uint32_t type, const void *value,
                     size_t size);

/* All keys of a file, as gguf_metadata() gives them. */
void gguf_writer_metadata(GgufWriter *writer, const void *metadata, size_t size, uint64_t n_keys);

/* `data` is copied; NULL writes zeros. */
void gguf_writer_tensor(GgufWriter *writer, const char *name, uint32_t type, uint32_t n_dims,
                        const uint64_t *dims, const void *data, size_t size);
/* A tensor of `size` bytes whose data is written elsewhere: of such a file all tensors are. Returns
 * its offset from the end of the head. */
uint64_t gguf_writer_describe(GgufWriter *writer, const char *name, uint32_t type, uint32_t n_dims,
                              const uint64_t *dims, uint64_t size);

/* The head, padded, up to where the data begins: malloc()ed. -ENOMEM. */
int gguf_writer_head(const GgufWriter *writer, void **ret, size_t *ret_size);
/* The file, of tensors that were given with their data: malloc()ed. -ENOMEM. */
int gguf_writer_file(const GgufWriter *writer, void **ret, size_t *ret_size);
