#include "engine/synthetic/gguf-writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct Buffer {
    uint8_t *data;
    size_t size, capacity;
    bool failed; /* there was no memory */
};

struct GgufWriter {
    struct Buffer keys, tensors, data;
    uint64_t n_keys, n_tensors, data_size;
};

static void append(struct Buffer *buffer, const void *data, size_t size) {
    if (size == 0 || buffer->failed) return;
    if (buffer->size + size > buffer->capacity) {
        size_t capacity = 2 * (buffer->size + size);
        uint8_t *grown = realloc(buffer->data, capacity);
        if (!grown) {
            buffer->failed = true;
            return;
        }
        buffer->data = grown;
        buffer->capacity = capacity;
    }
    if (data)
        memcpy(buffer->data + buffer->size, data, size);
    else
        memset(buffer->data + buffer->size, 0, size);
    buffer->size += size;
}

static void append_u32(struct Buffer *buffer, uint32_t value) {
    append(buffer, &value, sizeof value);
}

static void append_u64(struct Buffer *buffer, uint64_t value) {
    append(buffer, &value, sizeof value);
}

static void append_string(struct Buffer *buffer, const char *string) {
    append_u64(buffer, strlen(string));
    append(buffer, string, strlen(string));
}

static uint64_t padded(uint64_t size) {
    return (size + GGUF_WRITER_ALIGNMENT - 1) / GGUF_WRITER_ALIGNMENT * GGUF_WRITER_ALIGNMENT;
}

GgufWriter *gguf_writer_new(void) {
    return calloc(1, sizeof(GgufWriter));
}

GgufWriter *gguf_writer_free(GgufWriter *writer) {
    if (!writer) return NULL;
    free(writer->keys.data);
    free(writer->tensors.data);
    free(writer->data.data);
    free(writer);
    return NULL;
}

/* ---- Keys ---- */

static void begin(GgufWriter *writer, const char *key, uint32_t type) {
    append_string(&writer->keys, key);
    append_u32(&writer->keys, type);
    writer->n_keys++;
}

void gguf_writer_raw(GgufWriter *writer, const char *key, uint32_t type, const void *value,
                     size_t size) {
    begin(writer, key, type);
    append(&writer->keys, value, size);
}

void gguf_writer_u32(GgufWriter *writer, const char *key, uint32_t value) {
    gguf_writer_raw(writer, key, GGUF_U32, &value, sizeof value);
}

void gguf_writer_f32(GgufWriter *writer, const char *key, float value) {
    gguf_writer_raw(writer, key, GGUF_F32, &value, sizeof value);
}

void gguf_writer_bool(GgufWriter *writer, const char *key, bool value) {
    gguf_writer_raw(writer, key, GGUF_BOOL, &(uint8_t){value}, 1);
}

void gguf_writer_string(GgufWriter *writer, const char *key, const char *value) {
    begin(writer, key, GGUF_STRING);
    append_string(&writer->keys, value);
}

static void begin_array(GgufWriter *writer, const char *key, uint32_t type, size_t n) {
    begin(writer, key, GGUF_ARRAY);
    append_u32(&writer->keys, type);
    append_u64(&writer->keys, n);
}

void gguf_writer_strings(GgufWriter *writer, const char *key, const char *const *values, size_t n) {
    begin_array(writer, key, GGUF_STRING, n);
    for (size_t i = 0; i < n; i++) append_string(&writer->keys, values[i]);
}

void gguf_writer_f32s(GgufWriter *writer, const char *key, const float *values, size_t n) {
    begin_array(writer, key, GGUF_F32, n);
    append(&writer->keys, values, n * sizeof *values);
}

void gguf_writer_i32s(GgufWriter *writer, const char *key, const int32_t *values, size_t n) {
    begin_array(writer, key, GGUF_I32, n);
    append(&writer->keys, values, n * sizeof *values);
}

void gguf_writer_metadata(GgufWriter *writer, const void *metadata, size_t size, uint64_t n_keys) {
    append(&writer->keys, (const uint8_t *)metadata + 24, size - 24); /* behind the header */
    writer->n_keys += n_keys;
}

/* ---- Tensors ---- */

uint64_t gguf_writer_describe(GgufWriter *writer, const char *name, uint32_t type, uint32_t n_dims,
                              const uint64_t *dims, uint64_t size) {
    const uint64_t offset = writer->data_size;
    append_string(&writer->tensors, name);
    append_u32(&writer->tensors, n_dims);
    for (uint32_t i = 0; i < n_dims; i++) append_u64(&writer->tensors, dims[i]);
    append_u32(&writer->tensors, type);
    append_u64(&writer->tensors, offset);
    writer->data_size = padded(offset + size);
    writer->n_tensors++;
    return offset;
}

void gguf_writer_tensor(GgufWriter *writer, const char *name, uint32_t type, uint32_t n_dims,
                        const uint64_t *dims, const void *data, size_t size) {
    const uint64_t offset = gguf_writer_describe(writer, name, type, n_dims, dims, size);
    append(&writer->data, NULL, offset - writer->data.size);
    append(&writer->data, data, size);
}

/* ---- The file ---- */

static int buffer_return(struct Buffer *buffer, void **ret, size_t *ret_size) {
    if (buffer->failed) {
        free(buffer->data);
        return -ENOMEM;
    }
    *ret = buffer->data;
    *ret_size = buffer->size;
    return 0;
}

static struct Buffer make_head(const GgufWriter *writer) {
    struct Buffer head = {.failed = writer->keys.failed || writer->tensors.failed};
    append(&head, "GGUF", 4);
    append_u32(&head, 3);
    append_u64(&head, writer->n_tensors);
    append_u64(&head, writer->n_keys);
    append(&head, writer->keys.data, writer->keys.size);
    append(&head, writer->tensors.data, writer->tensors.size);
    if (writer->n_tensors > 0) append(&head, NULL, padded(head.size) - head.size);
    return head;
}

int gguf_writer_head(const GgufWriter *writer, void **ret, size_t *ret_size) {
    struct Buffer head = make_head(writer);
    return buffer_return(&head, ret, ret_size);
}

int gguf_writer_file(const GgufWriter *writer, void **ret, size_t *ret_size) {
    struct Buffer file = make_head(writer);
    file.failed = file.failed || writer->data.failed;
    append(&file, writer->data.data, writer->data.size);
    return buffer_return(&file, ret, ret_size);
}
