#include "engine/sequence.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine-private.h"

int sequence_new(Engine *engine, Sequence **ret) {
    Sequence *sequence = calloc(1, sizeof *sequence);
    if (!sequence) return -ENOMEM;
    int r = engine->family->state_new(engine->model, &sequence->state);
    if (r < 0) {
        free(sequence);
        return r;
    }
    sequence->engine = engine;
    *ret = sequence;
    return 0;
}

Sequence *sequence_free(Sequence *sequence) {
    if (!sequence) return NULL;
    sequence->engine->family->state_free(sequence->engine->model, sequence->state);
    free(sequence->tokens);
    free(sequence);
    return NULL;
}

/* ---- Tokens ---- */

/* So that only every 64th step grows something, a page of keys and values in most cases. */
#define MIN_CAPACITY 64u

int sequence_reserve(Sequence *sequence, uint32_t n_more) {
    uint32_t n = sequence->n_tokens + n_more; /* within MODEL_MAX_CONTEXT */
    if (n <= sequence->capacity) return 0;
    uint32_t capacity = sequence->capacity ? 2 * sequence->capacity : MIN_CAPACITY;
    if (capacity < n) capacity = n;
    Token *tokens = realloc(sequence->tokens, capacity * sizeof *tokens);
    if (!tokens) return -ENOMEM;
    sequence->tokens = tokens;
    sequence->capacity = capacity;
    return 0;
}

void sequence_append(Sequence *sequence, const Token *tokens, uint32_t n) {
    memcpy(sequence->tokens + sequence->n_tokens, tokens, n * sizeof *tokens);
    sequence->n_tokens += n;
    sequence->n_state = sequence->n_tokens;
}

int sequence_fork(Sequence *sequence, Sequence **ret) {
    Engine *engine = sequence->engine;
    Sequence *fork = calloc(1, sizeof *fork);
    if (!fork) return -ENOMEM;
    int r = sequence->n_tokens > 0 ? sequence_reserve(fork, sequence->n_tokens) : 0;
    if (r == 0)
        r = engine->family->state_fork(engine->model, sequence->state, sequence->n_state,
                                       &fork->state);
    if (r < 0) {
        free(fork->tokens);
        free(fork);
        return r;
    }
    fork->engine = engine;
    fork->n_state = sequence->n_state;
    fork->n_tokens = sequence->n_tokens;
    if (fork->n_tokens > 0)
        memcpy(fork->tokens, sequence->tokens, fork->n_tokens * sizeof *fork->tokens);
    *ret = fork;
    return 0;
}

int sequence_truncate(Sequence *sequence, uint32_t n_tokens) {
    Engine *engine = sequence->engine;
    if (n_tokens > sequence->n_tokens) return -EINVAL;
    if (n_tokens < sequence->n_state)
        sequence->n_state = engine->family->state_truncate(engine->model, sequence->state,
                                                           sequence->n_state, n_tokens);
    sequence->n_tokens = n_tokens;
    return 0;
}

uint32_t sequence_length(const Sequence *sequence) {
    return sequence->n_tokens;
}

size_t sequence_bytes(const Sequence *sequence) {
    const Engine *engine = sequence->engine;
    return sizeof *sequence + sequence->capacity * sizeof *sequence->tokens +
           engine->family->state_bytes(engine->model, sequence->state);
}
