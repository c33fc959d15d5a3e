#include "engine/gguf.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/gguf-parse.h"

/* ---- Opening ---- */

static int open_file(int fd, struct Gguf **ret, Reason *why) {
    struct stat status;
    if (fstat(fd, &status) < 0) {
        int error = errno;
        return reason_set(why, error, "the model file cannot be read: %s", strerror(error));
    }
    if (!S_ISREG(status.st_mode)) return reason_set(why, EINVAL, "not a regular file");
    if (status.st_size == 0) return reason_set(why, EBADMSG, "the file is empty");
    if ((uintmax_t)status.st_size > SIZE_MAX / 2)
        return reason_set(why, EFBIG, "the file is larger than this machine can map");

    size_t size = (size_t)status.st_size;
    void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
        int error = errno;
        return reason_set(why, error, "the model file cannot be mapped: %s", strerror(error));
    }
    int r = gguf_parse(data, size, ret, why);
    if (r < 0) {
        munmap(data, size);
        return r;
    }
    (*ret)->mapping = data;
    return 0;
}

int gguf_open_parts(const int *fds, size_t n, struct Gguf **ret, Reason *why) {
    struct Gguf *parts[GGUF_MAX_PARTS];
    if (n > GGUF_MAX_PARTS)
        return reason_set(why, EFBIG, "the model is split over %zu files, the limit is %u", n,
                          GGUF_MAX_PARTS);
    for (size_t i = 0; i < n; i++) {
        Reason part = {""};
        int r = open_file(fds[i], &parts[i], &part);
        if (r < 0) {
            while (i-- > 0) gguf_free(parts[i]);
            return n == 1 ? reason_set(why, -r, "%s", part.text)
                          : reason_set(why, -r, "one of %zu files: %s", n, part.text);
        }
    }
    return gguf_join(parts, n, ret, why);
}

int gguf_open(int fd, struct Gguf **ret, Reason *why) {
    return gguf_open_parts(&fd, 1, ret, why);
}

struct Gguf *gguf_free(struct Gguf *file) {
    if (!file) return NULL;
    for (size_t i = 0; i < file->n_parts; i++) gguf_free(file->parts[i]);
    if (file->mapping) munmap(file->mapping, file->size);
    free(file->entries);
    free(file->tensors);
    free(file->entry_order);
    free(file->tensor_order);
    free(file->names);
    free(file);
    return NULL;
}

/* ---- Advice ---- */

/* Only ever on a mapping: what MADV_DONTNEED forgets of other memory is lost. */
static bool is_mapped(const struct Gguf *file, uintptr_t start, uintptr_t end) {
    uintptr_t first = (uintptr_t)file->mapping;
    for (size_t i = 0; i < file->n_parts; i++)
        if (is_mapped(file->parts[i], start, end)) return true;
    return file->mapping && start >= first && end <= first + file->size;
}

void gguf_prefetch(const struct Gguf *file, const void *data, uint64_t size) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = (uintptr_t)data / page * page, end = (uintptr_t)data + size;
    if (is_mapped(file, start, end)) madvise((void *)start, end - start, MADV_WILLNEED);
}

void gguf_forget(const struct Gguf *file, const void *data, uint64_t size) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = ((uintptr_t)data + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)data + size) / page * page;
    if (start < end && is_mapped(file, start, end))
        madvise((void *)start, end - start, MADV_DONTNEED);
}

const void *gguf_metadata(const struct Gguf *file, size_t *ret_size, uint64_t *ret_n_keys) {
    *ret_size = file->metadata_end;
    if (ret_n_keys) *ret_n_keys = file->n_entries;
    return file->data;
}

/* ---- Strings ---- */

struct GgufPrintable gguf_printable(struct GgufString string) {
    struct GgufPrintable ret = {0};
    size_t room = sizeof ret.text - 1, n = string.size < room ? string.size : room;
    for (size_t i = 0; i < n; i++) {
        char c = string.data[i];
        ret.text[i] = c >= ' ' && c <= '~' ? c : '?';
    }
    if (string.size > room) memcpy(ret.text + room - 3, "...", 3);
    return ret;
}

bool gguf_string_is(struct GgufString string, const char *text) {
    return string.size == strlen(text) && memcmp(string.data, text, string.size) == 0;
}

/* ---- Metadata ---- */

static const struct GgufEntry *find_entry(const struct Gguf *file, const char *key) {
    size_t low = 0, high = file->n_entries;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct GgufEntry *entry = &file->entries[file->entry_order[middle]];
        int order = strcmp(key, entry->key);
        if (order == 0) return entry;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static bool is_integer(enum GgufType type) {
    return type <= GGUF_I32 || type == GGUF_U64 || type == GGUF_I64;
}

static bool is_float(enum GgufType type) {
    return type == GGUF_F32 || type == GGUF_F64;
}

#define READ(c_type, data)                                                                         \
    ({                                                                                             \
        c_type value_;                                                                             \
        memcpy(&value_, data, sizeof value_);                                                      \
        value_;                                                                                    \
    })

static int64_t read_integer(enum GgufType type, const uint8_t *data) {
    switch (type) {
    case GGUF_U8:
        return READ(uint8_t, data);
    case GGUF_I8:
        return READ(int8_t, data);
    case GGUF_U16:
        return READ(uint16_t, data);
    case GGUF_I16:
        return READ(int16_t, data);
    case GGUF_U32:
        return READ(uint32_t, data);
    case GGUF_I32:
        return READ(int32_t, data);
    case GGUF_I64:
        return READ(int64_t, data);
    case GGUF_U64: {
        uint64_t value = READ(uint64_t, data);
        return value > INT64_MAX ? INT64_MAX : (int64_t)value;
    }
    default:
        return 0;
    }
}

static int wrong_type(const struct GgufEntry *entry, const char *expected, Reason *why) {
    return reason_set(why, EBADMSG, "the key '%s' is of type %s where %s is expected", entry->key,
                      gguf_type_name(entry->type), expected);
}

int gguf_get_u32(const struct Gguf *file, const char *key, uint32_t *ret, Reason *why) {
    const struct GgufEntry *entry = find_entry(file, key);
    if (!entry) return GGUF_ABSENT;
    if (!is_integer(entry->type)) return wrong_type(entry, "an integer", why);
    int64_t value = read_integer(entry->type, entry->data);
    if (value < 0 || value > UINT32_MAX)
        return reason_set(why, EBADMSG, "the key '%s' is out of range", key);
    *ret = (uint32_t)value;
    return 0;
}

int gguf_get_f32(const struct Gguf *file, const char *key, float *ret, Reason *why) {
    const struct GgufEntry *entry = find_entry(file, key);
    if (!entry) return GGUF_ABSENT;
    if (!is_float(entry->type)) return wrong_type(entry, "a float", why);
    float value =
        entry->type == GGUF_F32 ? READ(float, entry->data) : (float)READ(double, entry->data);
    if (!isfinite(value))
        return reason_set(why, EBADMSG, "the key '%s' is not a finite number", key);
    *ret = value;
    return 0;
}

int gguf_get_bool(const struct Gguf *file, const char *key, bool *ret, Reason *why) {
    const struct GgufEntry *entry = find_entry(file, key);
    if (!entry) return GGUF_ABSENT;
    if (entry->type != GGUF_BOOL) return wrong_type(entry, "a bool", why);
    if (entry->data[0] > 1)
        return reason_set(why, EBADMSG, "the key '%s' is neither true nor false", key);
    *ret = entry->data[0];
    return 0;
}

int gguf_get_string(const struct Gguf *file, const char *key, struct GgufString *ret, Reason *why) {
    const struct GgufEntry *entry = find_entry(file, key);
    if (!entry) return GGUF_ABSENT;
    if (entry->type != GGUF_STRING) return wrong_type(entry, "a string", why);
    *ret = (struct GgufString){(const char *)entry->data, entry->n};
    return 0;
}

int gguf_get_array(const struct Gguf *file, const char *key, struct GgufArray *ret, Reason *why) {
    const struct GgufEntry *entry = find_entry(file, key);
    if (!entry) return GGUF_ABSENT;
    if (entry->type != GGUF_ARRAY) return wrong_type(entry, "an array", why);
    *ret = (struct GgufArray){entry->element, entry->n, entry->data};
    return 0;
}

static bool is_string(enum GgufType type) {
    return type == GGUF_STRING;
}

static int get_array_of(const struct Gguf *file, const char *key, bool (*is)(enum GgufType),
                        const char *expected, struct GgufArray *ret, Reason *why) {
    struct GgufArray array;
    int r = gguf_get_array(file, key, &array, why);
    if (r != 0) return r;
    if (!is(array.type))
        return reason_set(why, EBADMSG, "the key '%s' is an array of %s where %s are expected", key,
                          gguf_type_name(array.type), expected);
    *ret = array;
    return 0;
}

int gguf_get_strings(const struct Gguf *file, const char *key, struct GgufArray *ret, Reason *why) {
    return get_array_of(file, key, is_string, "strings", ret, why);
}

int gguf_get_integers(const struct Gguf *file, const char *key, struct GgufArray *ret,
                      Reason *why) {
    return get_array_of(file, key, is_integer, "integers", ret, why);
}

int gguf_get_floats(const struct Gguf *file, const char *key, struct GgufArray *ret, Reason *why) {
    return get_array_of(file, key, is_float, "floats", ret, why);
}

int gguf_require(int r, const char *key, Reason *why) {
    if (r != GGUF_ABSENT) return r;
    return reason_set(why, EBADMSG, "the key '%s' is missing", key);
}

bool gguf_array_next(struct GgufArray *array, struct GgufString *ret) {
    if (array->n == 0) return false;
    ret->size = READ(uint64_t, array->data);
    ret->data = (const char *)array->data + sizeof(uint64_t);
    array->data += sizeof(uint64_t) + ret->size;
    array->n--;
    return true;
}

int64_t gguf_array_integer(const struct GgufArray *array, uint64_t i) {
    return read_integer(array->type, array->data + i * gguf_type_size(array->type));
}

float gguf_array_float(const struct GgufArray *array, uint64_t i) {
    return array->type == GGUF_F32 ? READ(float, array->data + i * sizeof(float))
                                   : (float)READ(double, array->data + i * sizeof(double));
}

/* ---- Tensors ---- */

size_t gguf_n_tensors(const struct Gguf *file) {
    return file->n_tensors;
}

const struct GgufTensor *gguf_tensor_at(const struct Gguf *file, size_t i) {
    return i < file->n_tensors ? &file->tensors[i] : NULL;
}

const struct GgufTensor *gguf_tensor(const struct Gguf *file, const char *name) {
    size_t low = 0, high = file->n_tensors;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct GgufTensor *tensor = &file->tensors[file->tensor_order[middle]];
        int order = strcmp(name, tensor->name);
        if (order == 0) return tensor;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

int gguf_matrix(const struct GgufTensor *tensor, struct QuantMatrix *ret, Reason *why) {
    if (!tensor->type)
        return reason_set(why, ENOTSUP,
                          "the tensor '%s' is of type %s (%u), which is not supported: convert the "
                          "model to %s",
                          tensor->name, tensor->type_name ? tensor->type_name : "unknown",
                          tensor->type_id, tensor->is_lookup ? "I2_S or TQ2_0" : "Q8_0 or F16");
    *ret = (struct QuantMatrix){
        .name = tensor->name,
        .type = tensor->type,
        .data = tensor->data,
        .n_cols = tensor->dims[0],
        .n_rows = tensor->n_elements / tensor->dims[0],
    };
    return 0;
}
