/* Cuts a model file into parts, as llama.cpp's gguf-split names their keys. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/gguf.h"

/* What a part says that is not so; all 0: nothing. */
struct SplitLie {
    uint32_t count, no_plus_1, n_tensors; /* instead of what is */
    bool twice;                           /* the first tensor is in every part */
};

/* Part i of n, with every n-th tensor, as an open descriptor. */
int split_model_fd(const struct Gguf *file, uint32_t i, uint32_t n, struct SplitLie lie);
