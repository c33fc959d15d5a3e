/* What recurrent.h promises of snapshots and checkpoints, on states that hold the number of tokens
 * seen. */
#include "engine/recurrent.h"

#include <errno.h>

#include "test.h"

#define N_FLOATS 100

static struct RecurrentPool pool;

/* What a step does: reserve, then write. */
static void feed(void *state, uint32_t n, uint32_t n_more) {
    REQUIRE(recurrent_state_reserve(&pool, state, n, n_more) == 0);
    float *floats = recurrent_floats(state);
    for (uint32_t i = 0; i < N_FLOATS; i++) {
        CHECK(floats[i] == (float)(n * (i + 1)));
        floats[i] = (float)((n + n_more) * (i + 1));
    }
}

static void *new_state(void) {
    void *state = NULL;
    CHECK_INT(recurrent_state_new(&pool, &state), 0);
    return state;
}

static void starts_at_zero(void) {
    REQUIRE(recurrent_pool_init(&pool, N_FLOATS) == 0);
    void *state = new_state();
    feed(state, 0, 5);
    CHECK_INT(recurrent_state_truncate(&pool, state, 5, 3), 0);
    feed(state, 0, 1);
    CHECK_INT(recurrent_state_truncate(&pool, state, 1, 1), 1);
    feed(state, 1, 1);
    recurrent_state_free(&pool, state);
    recurrent_pool_done(&pool);
}

/* Drafts are refused again and again: the way back is to where they began. */
static void goes_back_to_where_drafts_began(void) {
    REQUIRE(recurrent_pool_init(&pool, N_FLOATS) == 0);
    void *state = new_state();
    feed(state, 0, 1000);
    uint32_t n = 1000;
    for (uint32_t i = 0; i < 200; i++) {
        feed(state, n, 8);
        CHECK_INT(recurrent_state_truncate(&pool, state, n + 8, n + i % 8), n);
        feed(state, n, i % 8 + 1); /* the engine's: what lags behind, and one more */
        n += i % 8 + 1;
    }
    recurrent_state_free(&pool, state);
    recurrent_pool_done(&pool);
}

/* However long a sequence is, its checkpoints stay within the budget, and the way back from a
 * point is at most about as long as the way from it to the end. */
static void checkpoints_are_bounded(void) {
    REQUIRE(recurrent_pool_init(&pool, N_FLOATS) == 0);
    void *state = new_state();
    uint32_t n = 0;
    for (; n < 100000; n++) feed(state, n, 1);
    size_t most = (RECURRENT_MAX_CHECKPOINTS + 2) * (N_FLOATS * sizeof(float) + 64) + 1024;
    CHECK(recurrent_state_bytes(&pool, state) <= most);
    for (uint32_t back = 1; back < n; back *= 2) {
        void *fork;
        REQUIRE(recurrent_state_fork(&pool, state, n, &fork) == 0);
        uint32_t kept = recurrent_state_truncate(&pool, fork, n, n - back);
        CHECK(kept <= n - back && n - back - kept <= back + 2 * RECURRENT_INTERVAL);
        feed(fork, kept, 1);
        recurrent_state_free(&pool, fork);
    }
    feed(state, n, 1); /* the forks left it alone */
    recurrent_state_free(&pool, state);
    recurrent_pool_done(&pool);
}

static void large_states_keep_two(void) {
    REQUIRE(recurrent_pool_init(&pool, RECURRENT_CHECKPOINT_BYTES) == 0);
    CHECK_INT(pool.max_checkpoints, 2);
    recurrent_pool_done(&pool);
    CHECK_INT(recurrent_pool_init(&pool, UINT64_MAX / 4), -EFBIG);
}

static void saves_are_exact(void) {
    REQUIRE(recurrent_pool_init(&pool, N_FLOATS) == 0);
    void *state = new_state(), *other = new_state();
    float saved[N_FLOATS];
    Reason why = {""};
    feed(state, 0, 7);
    REQUIRE(recurrent_state_save_size(&pool, state, 7) == sizeof saved);
    recurrent_state_save(&pool, state, 7, saved);
    CHECK_INT(recurrent_state_restore(&pool, other, 7, saved, sizeof saved - 4, &why), -EBADMSG);
    CHECK(strstr(why.text, "bytes"));
    CHECK_INT(recurrent_state_restore(&pool, other, 7, saved, sizeof saved, &why), 0);
    feed(other, 7, 3);
    recurrent_state_free(&pool, state);
    recurrent_state_free(&pool, other);
    recurrent_pool_done(&pool);
}

int main(void) {
    return TEST_MAIN({"a state starts at zero", starts_at_zero},
                     {"drafts that are refused", goes_back_to_where_drafts_began},
                     {"checkpoints are bounded", checkpoints_are_bounded},
                     {"large states keep two", large_states_keep_two},
                     {"saves are exact", saves_are_exact});
}
