/*
 * The Engine as its own parts see it.
 */
#pragma once

#include "engine/architecture.h"
#include "engine/digest.h"
#include "engine/engine.h"
#include "engine/packed.h"
#include "engine/settling.h"

struct Engine {
    struct Gguf *gguf;        /* the model file, or the metadata of `packed` */
    struct Packed *packed;    /* NULL: a GGUF file was opened */
    struct Settling settling; /* of its weights, once engine_settle() was called */
    struct Weights *weights;
    struct Compute compute; /* owns its pool, unless ... */
    bool shares_threads;    /* ... it is another engine's */

    const struct Family *family;
    void *model; /* the family's */
    Tokenizer *tokenizer;
    _Atomic(struct TokenTrie *) trie; /* of its tokens, once somebody asked for it */
    struct Digest fingerprint;        /* equal for a GGUF file and what was packed from it */
    struct ModelInfo info;
    char *strings[3]; /* what info points to */
    char weights_name[16];

    struct Batch batch;
    float *logits; /* grows to the largest batch that was asked for */
    size_t logits_rows;
};

/* Computes what the state of a sequence lacks of its tokens. */
int engine_catch_up(Engine *engine, Sequence *sequence);
