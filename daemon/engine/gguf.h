/*
 * GGUF model files, versions 2 and 3, validated before anything is used.
 *
 * A Gguf is an index over the file's bytes: strings, arrays and tensor data stay where they are in
 * the read-only mapping and live as long as the Gguf. After gguf_open() every count, size, offset
 * and dimension has been checked against the file's size; keys and tensor names are unique,
 * NUL-terminated here, and tensors do not overlap. Values (token ids, scales, head counts) are not
 * judged here. Immutable, any thread may read it.
 *
 * The mapping sees what happens to the file: who truncates it while it is open takes the process
 * down with SIGBUS. The worker that holds it is expendable.
 *
 * A model may be split over files (split.no, split.count, split.tensors.count): each is a GGUF file
 * of its own with some of the tensors, the first has all other keys. gguf_open_parts() makes one
 * Gguf of them.
 *
 * Getters by key return 0; GGUF_ABSENT, leaving *ret alone, so that a default set before stays;
 * -EBADMSG with a reason when the value has the wrong type or range.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/quant.h"
#include "engine/reason.h"

enum GgufType {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64,
    GGUF_N_TYPES
};

enum { GGUF_ABSENT = 1 };

struct Gguf;

/* Bytes in the file, not NUL-terminated, of any content. */
struct GgufString {
    const char *data;
    size_t size;
};

/* A foreign string as it may be quoted in a reason: printable ASCII, cut short. By value, so that
 * it can be an argument: reason_set(why, ENOTSUP, "... '%s'", gguf_printable(s).text). */
struct GgufPrintable {
    char text[64];
};
struct GgufPrintable gguf_printable(struct GgufString string);
bool gguf_string_is(struct GgufString string, const char *text); /* the same bytes */

/* Elements in the file, possibly misaligned: read them with the functions below. */
struct GgufArray {
    enum GgufType type; /* never GGUF_ARRAY */
    uint64_t n;
    const uint8_t *data;
};

struct GgufTensor {
    const char *name;             /* NUL-terminated */
    uint32_t type_id;             /* as in the file */
    const char *type_name;        /* of types that cannot be read, too; NULL: unheard of */
    const struct QuantType *type; /* NULL: unknown to quant.h; then data is NULL and size is 0 */
    bool is_lookup;               /* TL1, TL2: Microsoft's, in tiles for one machine's kernels */
    uint32_t n_dims;              /* 1 to 4 */
    uint64_t dims[4];             /* fastest first, each >= 1; 1 behind n_dims */
    uint64_t n_elements;
    const void *data;
    uint64_t size; /* bytes */
};

/* Maps the file. `fd` stays the caller's and may be closed. -EBADMSG: damaged, truncated or not
 * GGUF, or a part of a model without the others; -ENOTSUP: version 1, big-endian; -EFBIG: past a
 * limit of limits.h. */
int gguf_open(int fd, struct Gguf **ret, Reason *why);
/* The same of all files of a split model, n >= 1, in any order. The reason names a missing part. */
int gguf_open_parts(const int *fds, size_t n, struct Gguf **ret, Reason *why);
/* A file in memory, which must outlive the Gguf. It may be a part. */
int gguf_parse(const void *data, size_t size, struct Gguf **ret, Reason *why);
/* Makes one of all parts, 1 for a model that is not split. Takes them, also when it fails. */
int gguf_join(struct Gguf **parts, size_t n, struct Gguf **ret, Reason *why);
struct Gguf *gguf_free(struct Gguf *file); /* accepts and returns NULL */

/* ---- Metadata ---- */
int gguf_get_u32(const struct Gguf *file, const char *key, uint32_t *ret, Reason *why);
int gguf_get_f32(const struct Gguf *file, const char *key, float *ret, Reason *why); /* finite */
int gguf_get_bool(const struct Gguf *file, const char *key, bool *ret, Reason *why);
int gguf_get_string(const struct Gguf *file, const char *key, struct GgufString *ret, Reason *why);
int gguf_get_array(const struct Gguf *file, const char *key, struct GgufArray *ret, Reason *why);
/* An array whose elements are strings / integers of any width / floats of any width. */
int gguf_get_strings(const struct Gguf *file, const char *key, struct GgufArray *ret, Reason *why);
int gguf_get_integers(const struct Gguf *file, const char *key, struct GgufArray *ret, Reason *why);
int gguf_get_floats(const struct Gguf *file, const char *key, struct GgufArray *ret, Reason *why);
/* Turns GGUF_ABSENT into -EBADMSG with a reason, passes everything else:
 *     r = gguf_require(gguf_get_u32(file, key, &n, why), key, why); */
int gguf_require(int r, const char *key, Reason *why);

/* Takes the first string off a string array: while (gguf_array_next(&array, &string)) ... */
bool gguf_array_next(struct GgufArray *array, struct GgufString *ret);
/* Element i < n of an integer array; u64 past INT64_MAX come out as INT64_MAX. */
int64_t gguf_array_integer(const struct GgufArray *array, uint64_t i);
float gguf_array_float(const struct GgufArray *array, uint64_t i);

/* ---- Tensors ---- */
size_t gguf_n_tensors(const struct Gguf *file);
const struct GgufTensor *gguf_tensor_at(const struct Gguf *file, size_t i);      /* in file order */
const struct GgufTensor *gguf_tensor(const struct Gguf *file, const char *name); /* NULL: none */
/* The tensor as rows of dims[0]. -ENOTSUP names a type that cannot be read. */
int gguf_matrix(const struct GgufTensor *tensor, struct QuantMatrix *ret, Reason *why);
/* The file's first bytes: its header and all keys, up to the first tensor's name. ret_n_keys may be
 * NULL. */
const void *gguf_metadata(const struct Gguf *file, size_t *ret_size, uint64_t *ret_n_keys);

/* ---- Reading ahead: advice on bytes of a tensor, of no effect on what they are ---- */
void gguf_prefetch(const struct Gguf *file, const void *data, uint64_t size);
/* They will not be read again soon: they need not take memory. */
void gguf_forget(const struct Gguf *file, const void *data, uint64_t size);
