#include "engine/recurrent.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/rows.h"

struct Snapshot {
    unsigned n_users;
    _Alignas(64) float floats[];
};

struct Checkpoint {
    uint32_t n_tokens;
    struct Snapshot *snapshot;
};

struct State {
    struct Snapshot *now; /* NULL: zeros, as at the start */
    bool after_many;      /* the last step appended several tokens */
    unsigned n_checkpoints;
    struct Checkpoint checkpoints[RECURRENT_MAX_CHECKPOINTS + 1]; /* by n_tokens, ascending */
};

static size_t state_size(const struct RecurrentPool *pool) {
    return pool->n_floats * sizeof(float);
}

int recurrent_pool_init(struct RecurrentPool *pool, uint64_t n_floats) {
    if (n_floats > SIZE_MAX / 8 / sizeof(float)) return -EFBIG;
    *pool = (struct RecurrentPool){.n_floats = n_floats};
    uint64_t fit = RECURRENT_CHECKPOINT_BYTES / (state_size(pool) + 1);
    pool->max_checkpoints = fit < 2                           ? 2
                            : fit > RECURRENT_MAX_CHECKPOINTS ? RECURRENT_MAX_CHECKPOINTS
                                                              : (unsigned)fit;
    return 0;
}

void recurrent_pool_done(struct RecurrentPool *pool) {
    free(pool->spare);
    pool->spare = NULL;
}

/* ---- Snapshots. One is kept in store: verifying drafts makes and drops one each step ---- */

static struct Snapshot *snapshot_new(struct RecurrentPool *pool) {
    struct Snapshot *snapshot = pool->spare;
    pool->spare = NULL;
    if (!snapshot) snapshot = rows_allocate(1, sizeof *snapshot + state_size(pool));
    if (snapshot) snapshot->n_users = 1;
    return snapshot;
}

static struct Snapshot *snapshot_share(struct Snapshot *snapshot) {
    snapshot->n_users++;
    return snapshot;
}

static void snapshot_release(struct RecurrentPool *pool, struct Snapshot *snapshot) {
    if (!snapshot || --snapshot->n_users > 0) return;
    if (pool->spare)
        free(snapshot);
    else
        pool->spare = snapshot;
}

float *recurrent_floats(void *userdata) {
    struct State *state = userdata;
    return state->now->floats;
}

/* ---- Checkpoints ---- */

static void checkpoint_remove(struct RecurrentPool *pool, struct State *state, unsigned i) {
    snapshot_release(pool, state->checkpoints[i].snapshot);
    state->n_checkpoints--;
    memmove(&state->checkpoints[i], &state->checkpoints[i + 1],
            (state->n_checkpoints - i) * sizeof state->checkpoints[0]);
}

/* Without checkpoint i, going back to the one after it costs `gap` tokens more than now. That is
 * worth the less the farther back it is: the smallest ratio goes. */
static unsigned checkpoint_least(const struct State *state) {
    const struct Checkpoint *all = state->checkpoints;
    const unsigned last = state->n_checkpoints - 1;
    unsigned least = 0;
    double least_worth = 0;
    for (unsigned i = 0; i < last; i++) {
        uint32_t before = i > 0 ? all[i - 1].n_tokens : 0;
        double gap = all[i + 1].n_tokens - before;
        double worth = gap / (all[last].n_tokens - all[i].n_tokens);
        if (i == 0 || worth < least_worth) {
            least = i;
            least_worth = worth;
        }
    }
    return least;
}

static bool wants_checkpoint(const struct State *state, uint32_t n, uint32_t n_more) {
    if (n == 0) return false; /* zeros: always there */
    uint32_t last =
        state->n_checkpoints > 0 ? state->checkpoints[state->n_checkpoints - 1].n_tokens : 0;
    return n > last && (n_more > 1 || state->after_many || n - last >= RECURRENT_INTERVAL);
}

static void checkpoint_add(struct RecurrentPool *pool, struct State *state, uint32_t n) {
    state->checkpoints[state->n_checkpoints++] = (struct Checkpoint){n, snapshot_share(state->now)};
    if (state->n_checkpoints > pool->max_checkpoints)
        checkpoint_remove(pool, state, checkpoint_least(state));
}

/* ---- As rows of a family ---- */

int recurrent_state_new(void *model, void **ret) {
    *ret = calloc(1, sizeof(struct State));
    return *ret ? 0 : -ENOMEM;
}

void recurrent_state_free(void *model, void *userdata) {
    struct RecurrentPool *pool = model;
    struct State *state = userdata;
    while (state->n_checkpoints > 0) checkpoint_remove(pool, state, state->n_checkpoints - 1);
    snapshot_release(pool, state->now);
    free(state);
}

int recurrent_state_fork(void *model, void *userdata, uint32_t n, void **ret) {
    const struct State *state = userdata;
    struct State *fork = malloc(sizeof *fork);
    if (!fork) return -ENOMEM;
    *fork = *state;
    if (fork->now) snapshot_share(fork->now);
    for (unsigned i = 0; i < fork->n_checkpoints; i++)
        snapshot_share(fork->checkpoints[i].snapshot);
    *ret = fork;
    return 0;
}

/* A snapshot that nobody shares, to be written to. */
int recurrent_state_reserve(void *model, void *userdata, uint32_t n, uint32_t n_more) {
    struct RecurrentPool *pool = model;
    struct State *state = userdata;
    if (wants_checkpoint(state, n, n_more)) checkpoint_add(pool, state, n);
    state->after_many = n_more > 1;
    if (state->now && state->now->n_users == 1) return 0;
    struct Snapshot *copy = snapshot_new(pool);
    if (!copy) return -ENOMEM;
    if (state->now)
        memcpy(copy->floats, state->now->floats, state_size(pool));
    else
        memset(copy->floats, 0, state_size(pool));
    snapshot_release(pool, state->now);
    state->now = copy;
    return 0;
}

uint32_t recurrent_state_truncate(void *model, void *userdata, uint32_t n_old, uint32_t n) {
    struct RecurrentPool *pool = model;
    struct State *state = userdata;
    if (n >= n_old) return n_old;
    while (state->n_checkpoints > 0 && state->checkpoints[state->n_checkpoints - 1].n_tokens > n)
        checkpoint_remove(pool, state, state->n_checkpoints - 1);
    snapshot_release(pool, state->now);
    state->now = NULL;
    state->after_many = false;
    if (state->n_checkpoints == 0) return 0;
    const struct Checkpoint *last = &state->checkpoints[state->n_checkpoints - 1];
    state->now = snapshot_share(last->snapshot);
    return last->n_tokens;
}

size_t recurrent_state_bytes(const void *model, const void *userdata) {
    const struct RecurrentPool *pool = model;
    const struct State *state = userdata;
    size_t n = state->n_checkpoints + (state->now != NULL);
    /* `now` and the last checkpoint may be one snapshot */
    if (state->now && state->n_checkpoints > 0 &&
        state->checkpoints[state->n_checkpoints - 1].snapshot == state->now)
        n--;
    return sizeof *state + n * (sizeof(struct Snapshot) + state_size(pool));
}

/* The checkpoints stay behind: the engine has the tokens. */
size_t recurrent_state_save_size(const void *model, const void *userdata, uint32_t n) {
    return n > 0 ? state_size(model) : 0;
}

void recurrent_state_save(const void *model, const void *userdata, uint32_t n, void *dst) {
    const struct State *state = userdata;
    if (n > 0) memcpy(dst, state->now->floats, state_size(model));
}

int recurrent_state_restore(void *model, void *userdata, uint32_t n, const void *src, size_t size,
                            Reason *why) {
    struct State *state = userdata;
    if (size != recurrent_state_save_size(model, state, n))
        return reason_set(why, EBADMSG, "the saved state has %zu bytes, the model's states %zu",
                          size, state_size(model));
    if (n == 0) return 0;
    int r = recurrent_state_reserve(model, state, 0, n);
    if (r < 0) return r;
    memcpy(state->now->floats, src, size);
    return 0;
}
