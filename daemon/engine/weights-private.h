/*
 * What weights.c, which answers requests, shares with weights-fill.c, which packs.
 */
#pragma once

#include "engine/pack.h"
#include "engine/weights.h"

/* A request to a GGUF file. */
struct Weight {
    struct PackSource source;
    struct Matrix *matrix; /* what to set when the data is there: one of these two */
    const float **vector;
    bool requantised;
    double error; /* of requantising, known when filled */
};

struct Weights {
    const struct Gguf *file; /* NULL: a packed file */
    Pool *pool;
    enum Requantise requantise;
    struct TernaryTrials trials;
    struct WeightEntry *entries; /* of a packed file: a copy of its index */
    struct Weight *weights;      /* of a GGUF file: as many as entries */
    size_t n, capacity;          /* asked for so far */
    size_t n_entries;            /* of a packed file: how many there are */
    uint64_t size;
    const uint8_t *data; /* of a packed file */
    void *memory;        /* what weights_free() unmaps */
    size_t memory_size;
};

/* Whether the data is what the entries say it is. -EBADMSG names a tensor. */
int weights_verify(const struct Weights *weights, Pool *pool, Reason *why);
