/*
 * What gguf.c and gguf-parse.c share: the index that parsing builds and the getters read.
 */
#pragma once

#include "engine/gguf.h"
#include "engine/limits.h"

/* One key and its value. */
struct GgufEntry {
    struct GgufString raw_key; /* in the file */
    const char *key;           /* NUL-terminated copy */
    enum GgufType type;
    enum GgufType element; /* of an array */
    uint64_t n;            /* bytes of a string, elements of an array, else 1 */
    const uint8_t *data;   /* the value's bytes, behind any length */
};

struct Gguf {
    const uint8_t *data;
    size_t size;
    void *mapping;                      /* what gguf_free() unmaps, or NULL */
    struct Gguf *parts[GGUF_MAX_PARTS]; /* of a model split over files: the others, in order */
    size_t n_parts;
    struct GgufEntry *entries;
    struct GgufTensor *tensors;
    size_t n_entries, n_tensors;
    size_t metadata_end;    /* offset behind the last entry */
    bool is_of_fork;        /* an architecture that only Microsoft's fork of llama.cpp writes */
    uint32_t *entry_order;  /* indexes sorted by key */
    uint32_t *tensor_order; /* indexes sorted by name */
    char *names;            /* all keys and names, NUL-terminated */
};

/* Sorts the tensors' names into tensor_order, which has room. -EBADMSG: one is there twice. */
int gguf_order_tensors(struct Gguf *file, Reason *why);
/* What type_id means in this file. */
void gguf_set_type(const struct Gguf *file, struct GgufTensor *tensor);

size_t gguf_type_size(enum GgufType type); /* 0: strings and arrays */
const char *gguf_type_name(enum GgufType type);
