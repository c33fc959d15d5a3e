/*
 * From bytes to an index, trusting nothing. Everything is read through a Reader that never passes
 * the end; every count is compared with what could fit in the bytes that are left before memory is
 * asked for.
 */
#include "engine/gguf-parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/limits.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "numbers are used as they stand in the file");

#define MAGIC_SIZE 4
#define VERSION_SWAPPED(version) __builtin_bswap32(version)
/* The least that a key (length, one byte, type, one-byte value) and a tensor (length, one byte,
 * one dimension, type, offset) take in a file. */
#define MIN_ENTRY_SIZE (8 + 1 + 4 + 1)
#define MIN_TENSOR_SIZE (8 + 1 + 4 + 8 + 4 + 8)
#define DEFAULT_ALIGNMENT 32

static const struct {
    const char *name;
    size_t size;
} VALUE_TYPES[GGUF_N_TYPES] = {
    [GGUF_U8] = {"u8", 1},   [GGUF_I8] = {"i8", 1},       [GGUF_U16] = {"u16", 2},
    [GGUF_I16] = {"i16", 2}, [GGUF_U32] = {"u32", 4},     [GGUF_I32] = {"i32", 4},
    [GGUF_F32] = {"f32", 4}, [GGUF_BOOL] = {"bool", 1},   [GGUF_STRING] = {"string", 0},
    [GGUF_U64] = {"u64", 8}, [GGUF_ARRAY] = {"array", 0}, [GGUF_I64] = {"i64", 8},
    [GGUF_F64] = {"f64", 8},
};

size_t gguf_type_size(enum GgufType type) {
    return VALUE_TYPES[type].size;
}

const char *gguf_type_name(enum GgufType type) {
    return VALUE_TYPES[type].name;
}

struct Reader {
    const uint8_t *data;
    size_t size, at;
};

static size_t left(const struct Reader *reader) {
    return reader->size - reader->at;
}

static bool read_bytes(struct Reader *reader, void *ret, size_t size) {
    if (left(reader) < size) return false;
    memcpy(ret, reader->data + reader->at, size);
    reader->at += size;
    return true;
}

static bool read_u32(struct Reader *reader, uint32_t *ret) {
    return read_bytes(reader, ret, sizeof *ret);
}

static bool read_u64(struct Reader *reader, uint64_t *ret) {
    return read_bytes(reader, ret, sizeof *ret);
}

/* false: the bytes end before the string does. */
static bool read_string(struct Reader *reader, struct GgufString *ret) {
    uint64_t size;
    if (!read_u64(reader, &size) || size > left(reader)) return false;
    *ret = (struct GgufString){(const char *)reader->data + reader->at, (size_t)size};
    reader->at += (size_t)size;
    return true;
}

static bool is_name(struct GgufString string) {
    if (string.size == 0) return false;
    for (size_t i = 0; i < string.size; i++)
        if (string.data[i] < ' ' || string.data[i] > '~') return false;
    return true;
}

/* ---- Header ---- */

static int check_version(uint32_t version, Reason *why) {
    if (version == 2 || version == 3) return 0;
    if (version == 1)
        return reason_set(why, ENOTSUP, "GGUF version 1 is not supported: convert the model again");
    if (VERSION_SWAPPED(version) >= 1 && VERSION_SWAPPED(version) <= 3)
        return reason_set(why, ENOTSUP, "big-endian GGUF files are not supported");
    return reason_set(why, ENOTSUP, "GGUF version %u is not supported", version);
}

static int read_header(struct Reader *reader, struct Gguf *file, Reason *why) {
    char magic[MAGIC_SIZE];
    uint32_t version;
    uint64_t n_tensors, n_entries;
    if (!read_bytes(reader, magic, sizeof magic) || memcmp(magic, "GGUF", sizeof magic) != 0)
        return reason_set(why, EBADMSG, "not a GGUF file: it does not start with GGUF");
    if (!read_u32(reader, &version))
        return reason_set(why, EBADMSG, "the file is truncated: it ends in its header");
    int r = check_version(version, why);
    if (r < 0) return r;
    if (!read_u64(reader, &n_tensors) || !read_u64(reader, &n_entries))
        return reason_set(why, EBADMSG, "the file is truncated: it ends in its header");
    if (n_entries > GGUF_MAX_KEYS)
        return reason_set(why, EFBIG, "the file claims %llu keys, more than the limit of %u",
                          (unsigned long long)n_entries, GGUF_MAX_KEYS);
    if (n_tensors > GGUF_MAX_TENSORS)
        return reason_set(why, EFBIG, "the file claims %llu tensors, more than the limit of %u",
                          (unsigned long long)n_tensors, GGUF_MAX_TENSORS);
    if (n_entries * MIN_ENTRY_SIZE + n_tensors * MIN_TENSOR_SIZE > left(reader))
        return reason_set(why, EBADMSG,
                          "the file is truncated: %llu keys and %llu tensors do not fit in it",
                          (unsigned long long)n_entries, (unsigned long long)n_tensors);
    file->n_tensors = (size_t)n_tensors;
    file->n_entries = (size_t)n_entries;
    return 0;
}

/* ---- Keys ---- */

static int truncated_value(const struct GgufEntry *entry, Reason *why) {
    return reason_set(why, EBADMSG, "the file is truncated: it ends in the value of the key '%s'",
                      gguf_printable(entry->raw_key).text);
}

static int read_string_value(struct Reader *reader, struct GgufEntry *entry, Reason *why) {
    struct GgufString string;
    if (!read_string(reader, &string)) return truncated_value(entry, why);
    if (string.size > GGUF_MAX_STRING_SIZE)
        return reason_set(why, EFBIG, "the string of the key '%s' is larger than %llu bytes",
                          gguf_printable(entry->raw_key).text, GGUF_MAX_STRING_SIZE);
    entry->data = (const uint8_t *)string.data;
    entry->n = string.size;
    return 0;
}

static int read_array(struct Reader *reader, struct GgufEntry *entry, Reason *why) {
    uint32_t element;
    uint64_t n;
    const char *key = entry->raw_key.data;
    int key_size = (int)entry->raw_key.size;
    if (!read_u32(reader, &element) || !read_u64(reader, &n)) return truncated_value(entry, why);
    if (element == GGUF_ARRAY)
        return reason_set(why, ENOTSUP, "the key '%.*s' is an array of arrays", key_size, key);
    if (element >= GGUF_N_TYPES)
        return reason_set(why, EBADMSG, "the array of the key '%.*s' has the unknown type %u",
                          key_size, key, element);
    if (n > GGUF_MAX_ARRAY_ELEMENTS)
        return reason_set(why, EFBIG,
                          "the array of the key '%.*s' has %llu elements, more than %llu", key_size,
                          key, (unsigned long long)n, GGUF_MAX_ARRAY_ELEMENTS);
    entry->element = element;
    entry->n = n;
    entry->data = reader->data + reader->at;
    if (element != GGUF_STRING) {
        if (n * VALUE_TYPES[element].size > left(reader)) return truncated_value(entry, why);
        reader->at += (size_t)n * VALUE_TYPES[element].size;
        return 0;
    }
    struct GgufString string;
    for (uint64_t i = 0; i < n; i++)
        if (!read_string(reader, &string)) return truncated_value(entry, why);
    return 0;
}

static int read_value(struct Reader *reader, struct GgufEntry *entry, Reason *why) {
    uint32_t type;
    if (!read_u32(reader, &type)) return truncated_value(entry, why);
    if (type >= GGUF_N_TYPES)
        return reason_set(why, EBADMSG, "the key '%s' has the unknown type %u",
                          gguf_printable(entry->raw_key).text, type);
    entry->type = type;
    if (type == GGUF_STRING) return read_string_value(reader, entry, why);
    if (type == GGUF_ARRAY) return read_array(reader, entry, why);
    if (VALUE_TYPES[type].size > left(reader)) return truncated_value(entry, why);
    entry->data = reader->data + reader->at;
    entry->n = 1;
    reader->at += VALUE_TYPES[type].size;
    return 0;
}

static int read_entries(struct Reader *reader, struct Gguf *file, size_t *names_size, Reason *why) {
    for (size_t i = 0; i < file->n_entries; i++) {
        struct GgufEntry *entry = &file->entries[i];
        if (!read_string(reader, &entry->raw_key))
            return reason_set(why, EBADMSG, "the file is truncated: it ends in key %zu of %zu",
                              i + 1, file->n_entries);
        if (entry->raw_key.size > GGUF_MAX_KEY_SIZE)
            return reason_set(why, EFBIG, "key %zu is longer than %u bytes", i + 1,
                              GGUF_MAX_KEY_SIZE);
        if (!is_name(entry->raw_key))
            return reason_set(why, EBADMSG, "key %zu is empty or not printable ASCII", i + 1);
        int r = read_value(reader, entry, why);
        if (r < 0) return r;
        *names_size += entry->raw_key.size + 1;
        if (gguf_string_is(entry->raw_key, "general.architecture") && entry->type == GGUF_STRING)
            file->is_of_fork = gguf_string_is(
                (struct GgufString){(const char *)entry->data, entry->n}, "bitnet-b1.58");
    }
    return 0;
}

/* ---- Tensors ---- */

static int truncated_tensor(size_t i, const struct Gguf *file, Reason *why) {
    return reason_set(why, EBADMSG,
                      "the file is truncated: it ends in the description of tensor %zu of %zu",
                      i + 1, file->n_tensors);
}

static int read_dims(struct Reader *reader, struct GgufTensor *tensor, struct GgufString name,
                     Reason *why) {
    tensor->n_elements = 1;
    for (uint32_t i = 0; i < GGUF_MAX_DIMS; i++) tensor->dims[i] = 1;
    for (uint32_t i = 0; i < tensor->n_dims; i++) {
        if (!read_u64(reader, &tensor->dims[i]))
            return reason_set(why, EBADMSG,
                              "the file is truncated: it ends in the dimensions of tensor '%s'",
                              gguf_printable(name).text);
        if (tensor->dims[i] == 0)
            return reason_set(why, EBADMSG, "the tensor '%s' has a dimension of 0",
                              gguf_printable(name).text);
        if (__builtin_mul_overflow(tensor->n_elements, tensor->dims[i], &tensor->n_elements) ||
            tensor->n_elements > GGUF_MAX_ELEMENTS)
            return reason_set(why, EFBIG, "the dimensions of tensor '%s' are too large",
                              gguf_printable(name).text);
    }
    return 0;
}

/* Microsoft's fork has numbers of its own for types that nobody else writes. */
void gguf_set_type(const struct Gguf *file, struct GgufTensor *tensor) {
    static const struct {
        uint32_t id;
        const char *name;
    } lookups[] = {{38, "TL1"}, {39, "TL2"}, {42, "TL2"}};
    tensor->type_name = quant_type_name(tensor->type_id);
    tensor->type = quant_type(tensor->type_id);
    for (size_t i = 0; file->is_of_fork && i < sizeof lookups / sizeof *lookups; i++)
        if (lookups[i].id == tensor->type_id) {
            tensor->type_name = lookups[i].name;
            tensor->type = NULL;
            tensor->is_lookup = true;
        }
}

static int read_tensor(struct Reader *reader, struct Gguf *file, size_t i,
                       struct GgufString *ret_name, uint64_t *ret_offset, Reason *why) {
    struct GgufTensor *tensor = &file->tensors[i];
    if (!read_string(reader, ret_name)) return truncated_tensor(i, file, why);
    if (ret_name->size > GGUF_MAX_NAME_SIZE)
        return reason_set(why, EFBIG, "the name of tensor %zu is longer than %u bytes", i + 1,
                          GGUF_MAX_NAME_SIZE);
    if (!is_name(*ret_name))
        return reason_set(why, EBADMSG, "the name of tensor %zu is empty or not printable ASCII",
                          i + 1);
    if (!read_u32(reader, &tensor->n_dims)) return truncated_tensor(i, file, why);
    if (tensor->n_dims < 1 || tensor->n_dims > GGUF_MAX_DIMS)
        return reason_set(why, EBADMSG, "the tensor '%s' has %u dimensions, not 1 to %u",
                          gguf_printable(*ret_name).text, tensor->n_dims, GGUF_MAX_DIMS);
    int r = read_dims(reader, tensor, *ret_name, why);
    if (r < 0) return r;
    if (!read_u32(reader, &tensor->type_id) || !read_u64(reader, ret_offset))
        return truncated_tensor(i, file, why);
    gguf_set_type(file, tensor);
    if (!tensor->type) return 0;
    if (!quant_size(tensor->type, tensor->dims[0], tensor->n_elements / tensor->dims[0],
                    &tensor->size))
        return reason_set(why, EBADMSG,
                          "the rows of tensor '%s' have %llu weights, not whole %s blocks of %u",
                          gguf_printable(*ret_name).text, (unsigned long long)tensor->dims[0],
                          tensor->type->name, tensor->type->block_elements);
    return 0;
}

/* Where a tensor's data starts and, until the names are copied, its name in the file. */
struct Place {
    struct GgufString name;
    uint64_t offset;
    uint64_t size;
};

static int read_tensors(struct Reader *reader, struct Gguf *file, struct Place *places,
                        size_t *names_size, Reason *why) {
    for (size_t i = 0; i < file->n_tensors; i++) {
        int r = read_tensor(reader, file, i, &places[i].name, &places[i].offset, why);
        if (r < 0) return r;
        places[i].size = file->tensors[i].size;
        *names_size += places[i].name.size + 1;
    }
    return 0;
}

static int place_tensor(const struct Gguf *file, struct GgufTensor *tensor,
                        const struct Place *place, uint64_t start, uint32_t alignment,
                        Reason *why) {
    if (place->offset % alignment != 0)
        return reason_set(why, EBADMSG, "the data of tensor '%s' is not aligned to %u bytes",
                          tensor->name, alignment);
    if (start > file->size || place->offset > file->size - start ||
        place->size > file->size - start - place->offset)
        return reason_set(why, EBADMSG,
                          "the file is truncated: the data of tensor '%s' lies behind its end",
                          tensor->name);
    if (tensor->type) tensor->data = file->data + start + place->offset;
    return 0;
}

static int by_offset(const void *a, const void *b, void *userdata) {
    const struct Place *places = userdata;
    uint64_t x = places[*(const uint32_t *)a].offset, y = places[*(const uint32_t *)b].offset;
    return x < y ? -1 : x > y;
}

/* Tensors of unknown types have no known end; who uses one is refused in gguf_matrix(). */
static int check_overlaps(const struct Gguf *file, struct Place *places, uint32_t *order,
                          Reason *why) {
    for (size_t i = 0; i < file->n_tensors; i++) order[i] = (uint32_t)i;
    qsort_r(order, file->n_tensors, sizeof *order, by_offset, places);
    const struct GgufTensor *before = NULL;
    uint64_t end = 0;
    for (size_t i = 0; i < file->n_tensors; i++) {
        const struct GgufTensor *tensor = &file->tensors[order[i]];
        const struct Place *place = &places[order[i]];
        if (!tensor->type) continue;
        if (before && place->offset < end)
            return reason_set(why, EBADMSG, "the tensors '%s' and '%s' overlap", before->name,
                              tensor->name);
        before = tensor;
        end = place->offset + place->size;
    }
    return 0;
}

static int place_tensors(const struct Reader *reader, struct Gguf *file, struct Place *places,
                         Reason *why) {
    uint32_t alignment = DEFAULT_ALIGNMENT;
    int r = gguf_get_u32(file, "general.alignment", &alignment, why);
    if (r < 0) return r;
    if (alignment == 0 || (alignment & (alignment - 1)) != 0 || alignment > GGUF_MAX_ALIGNMENT)
        return reason_set(why, EBADMSG, "general.alignment is %u, not a power of two up to %u",
                          alignment, GGUF_MAX_ALIGNMENT);
    uint64_t start = (reader->at + (uint64_t)alignment - 1) & ~((uint64_t)alignment - 1);
    for (size_t i = 0; i < file->n_tensors; i++) {
        r = place_tensor(file, &file->tensors[i], &places[i], start, alignment, why);
        if (r < 0) return r;
    }
    return 0;
}

/* ---- The index ---- */

static const char *copy_name(char **names, struct GgufString name) {
    char *copy = memcpy(*names, name.data, name.size);
    copy[name.size] = '\0';
    *names += name.size + 1;
    return copy;
}

static int by_key(const void *a, const void *b, void *userdata) {
    const struct GgufEntry *entries = userdata;
    return strcmp(entries[*(const uint32_t *)a].key, entries[*(const uint32_t *)b].key);
}

static int by_name(const void *a, const void *b, void *userdata) {
    const struct GgufTensor *tensors = userdata;
    return strcmp(tensors[*(const uint32_t *)a].name, tensors[*(const uint32_t *)b].name);
}

int gguf_order_tensors(struct Gguf *file, Reason *why) {
    for (size_t i = 0; i < file->n_tensors; i++) file->tensor_order[i] = (uint32_t)i;
    qsort_r(file->tensor_order, file->n_tensors, sizeof(uint32_t), by_name, file->tensors);
    for (size_t i = 1; i < file->n_tensors; i++)
        if (by_name(&file->tensor_order[i - 1], &file->tensor_order[i], file->tensors) == 0)
            return reason_set(why, EBADMSG, "the tensor '%s' appears twice",
                              file->tensors[file->tensor_order[i]].name);
    return 0;
}

static int build_index(struct Gguf *file, const struct Place *places, size_t names_size,
                       Reason *why) {
    file->names = malloc(names_size + 1);
    file->entry_order = calloc(file->n_entries + 1, sizeof *file->entry_order);
    file->tensor_order = calloc(file->n_tensors + 1, sizeof *file->tensor_order);
    if (!file->names || !file->entry_order || !file->tensor_order)
        return reason_set(why, ENOMEM, "out of memory");

    char *names = file->names;
    for (size_t i = 0; i < file->n_entries; i++) {
        file->entries[i].key = copy_name(&names, file->entries[i].raw_key);
        file->entry_order[i] = (uint32_t)i;
    }
    for (size_t i = 0; i < file->n_tensors; i++) {
        file->tensors[i].name = copy_name(&names, places[i].name);
    }
    qsort_r(file->entry_order, file->n_entries, sizeof(uint32_t), by_key, file->entries);
    for (size_t i = 1; i < file->n_entries; i++)
        if (by_key(&file->entry_order[i - 1], &file->entry_order[i], file->entries) == 0)
            return reason_set(why, EBADMSG, "the key '%s' appears twice",
                              file->entries[file->entry_order[i]].key);
    return gguf_order_tensors(file, why);
}

static int parse(struct Gguf *file, Reason *why) {
    struct Reader reader = {.data = file->data, .size = file->size};
    struct Place *places = NULL;
    uint32_t *scratch = NULL;
    size_t names_size = 0;
    int r = read_header(&reader, file, why);
    if (r < 0) return r;

    file->entries = calloc(file->n_entries + 1, sizeof *file->entries);
    file->tensors = calloc(file->n_tensors + 1, sizeof *file->tensors);
    places = calloc(file->n_tensors + 1, sizeof *places);
    scratch = calloc(file->n_tensors + 1, sizeof *scratch);
    if (!file->entries || !file->tensors || !places || !scratch)
        r = reason_set(why, ENOMEM, "out of memory");
    if (r == 0) r = read_entries(&reader, file, &names_size, why);
    file->metadata_end = reader.at;
    if (r == 0) r = read_tensors(&reader, file, places, &names_size, why);
    if (r == 0) r = build_index(file, places, names_size, why);
    if (r == 0) r = place_tensors(&reader, file, places, why);
    if (r == 0) r = check_overlaps(file, places, scratch, why);
    free(scratch);
    free(places);
    return r;
}

int gguf_parse(const void *data, size_t size, struct Gguf **ret, Reason *why) {
    struct Gguf *file = calloc(1, sizeof *file);
    if (!file) return reason_set(why, ENOMEM, "out of memory");
    file->data = data;
    file->size = size;
    int r = parse(file, why);
    if (r < 0) {
        gguf_free(file);
        return r;
    }
    *ret = file;
    return 0;
}
