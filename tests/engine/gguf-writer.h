/*
 * Small GGUF files for tests: what engine/synthetic/gguf-writer.h has collected, as bytes or as a
 * file. Aborts when memory runs out.
 */
#pragma once

#include "engine/synthetic/gguf-writer.h"

/* The file, malloc()ed; frees the writer. */
void *gguf_writer_finish(GgufWriter *writer, size_t *ret_size);
/* The file as an open descriptor; frees the writer. */
int gguf_writer_finish_fd(GgufWriter *writer);
