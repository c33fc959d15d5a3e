#include "gguf-writer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ALIGNMENT 32

struct Buffer {
    uint8_t *data;
    size_t size, room;
};

struct GgufWriter {
    struct Buffer keys, tensors, data;
    uint64_t n_keys, n_tensors;
};

static void append(struct Buffer *buffer, const void *data, size_t size) {
    if (size == 0) return;
    if (buffer->size + size > buffer->room) {
        buffer->room = 2 * (buffer->size + size);
        buffer->data = realloc(buffer->data, buffer->room);
        if (!buffer->data) abort();
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

static void pad(struct Buffer *buffer) {
    append(buffer, NULL, -buffer->size % ALIGNMENT);
}

struct GgufWriter *gguf_writer_new(void) {
    struct GgufWriter *writer = calloc(1, sizeof *writer);
    if (!writer) abort();
    return writer;
}

static void begin(struct GgufWriter *writer, const char *key, uint32_t type) {
    append_string(&writer->keys, key);
    append_u32(&writer->keys, type);
    writer->n_keys++;
}

void gguf_writer_raw(struct GgufWriter *writer, const char *key, uint32_t type, const void *value,
                     size_t size) {
    begin(writer, key, type);
    append(&writer->keys, value, size);
}

void gguf_writer_metadata(struct GgufWriter *writer, const void *metadata, size_t size,
                          uint64_t n_keys) {
    append(&writer->keys, (const uint8_t *)metadata + 24, size - 24); /* behind the header */
    writer->n_keys += n_keys;
}

void gguf_writer_u32(struct GgufWriter *writer, const char *key, uint32_t value) {
    gguf_writer_raw(writer, key, GGUF_U32, &value, sizeof value);
}

void gguf_writer_f32(struct GgufWriter *writer, const char *key, float value) {
    gguf_writer_raw(writer, key, GGUF_F32, &value, sizeof value);
}

void gguf_writer_bool(struct GgufWriter *writer, const char *key, bool value) {
    gguf_writer_raw(writer, key, GGUF_BOOL, &(uint8_t){value}, 1);
}

void gguf_writer_string(struct GgufWriter *writer, const char *key, const char *value) {
    begin(writer, key, GGUF_STRING);
    append_string(&writer->keys, value);
}

static void begin_array(struct GgufWriter *writer, const char *key, uint32_t type, size_t n) {
    begin(writer, key, GGUF_ARRAY);
    append_u32(&writer->keys, type);
    append_u64(&writer->keys, n);
}

void gguf_writer_strings(struct GgufWriter *writer, const char *key, const char *const *values,
                         size_t n) {
    begin_array(writer, key, GGUF_STRING, n);
    for (size_t i = 0; i < n; i++) append_string(&writer->keys, values[i]);
}

void gguf_writer_f32s(struct GgufWriter *writer, const char *key, const float *values, size_t n) {
    begin_array(writer, key, GGUF_F32, n);
    append(&writer->keys, values, n * sizeof *values);
}

void gguf_writer_i32s(struct GgufWriter *writer, const char *key, const int32_t *values, size_t n) {
    begin_array(writer, key, GGUF_I32, n);
    append(&writer->keys, values, n * sizeof *values);
}

void gguf_writer_tensor(struct GgufWriter *writer, const char *name, uint32_t type, uint32_t n_dims,
                        const uint64_t *dims, const void *data, size_t size) {
    pad(&writer->data);
    append_string(&writer->tensors, name);
    append_u32(&writer->tensors, n_dims);
    for (uint32_t i = 0; i < n_dims; i++) append_u64(&writer->tensors, dims[i]);
    append_u32(&writer->tensors, type);
    append_u64(&writer->tensors, writer->data.size);
    append(&writer->data, data, size);
    writer->n_tensors++;
}

void *gguf_writer_finish(struct GgufWriter *writer, size_t *ret_size) {
    struct Buffer file = {0};
    append(&file, "GGUF", 4);
    append_u32(&file, 3);
    append_u64(&file, writer->n_tensors);
    append_u64(&file, writer->n_keys);
    append(&file, writer->keys.data, writer->keys.size);
    append(&file, writer->tensors.data, writer->tensors.size);
    if (writer->n_tensors > 0) {
        pad(&file);
        append(&file, writer->data.data, writer->data.size);
    }
    free(writer->keys.data);
    free(writer->tensors.data);
    free(writer->data.data);
    free(writer);
    *ret_size = file.size;
    return file.data;
}

int gguf_writer_finish_fd(struct GgufWriter *writer) {
    size_t size;
    uint8_t *data = gguf_writer_finish(writer, &size);
    int fd = memfd_create("test.gguf", MFD_CLOEXEC);
    if (fd < 0) abort();
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, data + done, size - done);
        if (n < 0) abort();
        done += (size_t)n;
    }
    free(data);
    return fd;
}
