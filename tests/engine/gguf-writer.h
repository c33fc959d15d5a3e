/*
 * Writes small GGUF files for tests: keys and tensors in the order they are added, version 3,
 * alignment 32. Nothing is checked, so that damaged files can be written too. Aborts when memory
 * runs out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/gguf.h"

struct GgufWriter;

struct GgufWriter *gguf_writer_new(void);
void gguf_writer_u32(struct GgufWriter *writer, const char *key, uint32_t value);
void gguf_writer_f32(struct GgufWriter *writer, const char *key, float value);
void gguf_writer_bool(struct GgufWriter *writer, const char *key, bool value);
void gguf_writer_string(struct GgufWriter *writer, const char *key, const char *value);
void gguf_writer_strings(struct GgufWriter *writer, const char *key, const char *const *values,
                         size_t n);
void gguf_writer_f32s(struct GgufWriter *writer, const char *key, const float *values, size_t n);
void gguf_writer_i32s(struct GgufWriter *writer, const char *key, const int32_t *values, size_t n);
/* A key with any type and any bytes behind it. */
void gguf_writer_raw(struct GgufWriter *writer, const char *key, uint32_t type, const void *value,
                     size_t size);
/* All keys of a file, as gguf_metadata() gives them. */
void gguf_writer_metadata(struct GgufWriter *writer, const void *metadata, size_t size,
                          uint64_t n_keys);
/* `data` is copied; NULL writes zeros. */
void gguf_writer_tensor(struct GgufWriter *writer, const char *name, uint32_t type, uint32_t n_dims,
                        const uint64_t *dims, const void *data, size_t size);

/* The file, malloc()ed; frees the writer. */
void *gguf_writer_finish(struct GgufWriter *writer, size_t *ret_size);
/* The file as an open descriptor; frees the writer. */
int gguf_writer_finish_fd(struct GgufWriter *writer);
