/*
 * What a recurrent family (Mamba, RWKV) remembers of a sequence: a fixed number of floats, however
 * long it is, and a few checkpoints of them to go back to.
 *
 * A snapshot is the state after some number of tokens. Snapshots are counted and shared between
 * forks and as checkpoints; who steps on gets a copy of its own first. The state cannot be computed
 * backwards: sequence_truncate() goes back to the last checkpoint before, and the engine feeds
 * the tokens in between again with the next step (engine/sequence.h).
 *
 * Policy, all of it in recurrent.c: a step that appends several tokens (a prompt's part, drafted
 * tokens that may be refused) leaves a checkpoint where it began and where it ended, single tokens
 * one every RECURRENT_INTERVAL. Past the budget of a sequence the checkpoint goes that others stand
 * in for best, so that their distances grow with the distance from the end. The last is always
 * kept.
 *
 * Belongs to the engine's thread, but for recurrent_floats() of a state that is being stepped.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "engine/reason.h"

#define RECURRENT_INTERVAL 256u /* tokens */
/* Most bytes of a sequence's checkpoints, though two are kept in any case, and most of them. */
#define RECURRENT_CHECKPOINT_BYTES (128ULL << 20)
#define RECURRENT_MAX_CHECKPOINTS 32u

struct Snapshot;

/* One a model, the first member of what the family's open() makes: the functions below are rows of
 * its struct Family. */
struct RecurrentPool {
    size_t n_floats; /* of a state, all layers */
    unsigned max_checkpoints;
    struct Snapshot *spare;
};

/* -EFBIG: a state that does not fit in memory. */
int recurrent_pool_init(struct RecurrentPool *pool, uint64_t n_floats);
void recurrent_pool_done(struct RecurrentPool *pool);

/* [n_floats], 64-byte aligned, zeros in a new sequence. For step(), after state_reserve(). */
float *recurrent_floats(void *state);

/* See engine/architecture.h */
int recurrent_state_new(void *model, void **ret);
void recurrent_state_free(void *model, void *state);
int recurrent_state_fork(void *model, void *state, uint32_t n, void **ret);
int recurrent_state_reserve(void *model, void *state, uint32_t n, uint32_t n_more);
uint32_t recurrent_state_truncate(void *model, void *state, uint32_t n_old, uint32_t n);
size_t recurrent_state_bytes(const void *model, const void *state);
size_t recurrent_state_save_size(const void *model, const void *state, uint32_t n);
void recurrent_state_save(const void *model, const void *state, uint32_t n, void *dst);
int recurrent_state_restore(void *model, void *state, uint32_t n, const void *src, size_t size,
                            Reason *why);
