/* Small Mamba and Mamba-2 files with random weights, for tests of the engine. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct TinyMamba {
    const char *architecture; /* "mamba" or "mamba2" */
    uint32_t n_layers, n_embd, n_inner, n_state, n_taps, n_vocab, n_ctx;
    uint32_t dt_rank; /* Mamba-2: heads */
    uint32_t n_groups;
    bool has_bc_norms, untied;
    const char *without; /* this key (less its prefix) or tensor is left out; NULL: none */
    const char *key;     /* this key says `value` whatever the tensors are; NULL: none */
    uint32_t value;
};

extern const struct TinyMamba tiny_mamba, tiny_mamba2;

/* The file as an open descriptor. */
int tiny_mamba_fd(const struct TinyMamba *shape);
