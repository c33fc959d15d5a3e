/*
 * The family "fake": no weights, and the next token is a plain function of the whole past. Tests of
 * what lies above the engine use it: any mistake with the state of a sequence shows in its text.
 *
 * The past is hashed as h = 0, then h = h * 31 + token + 1 (mod 2^32) for each token. The next
 * token is number h % m among the m tokens of the vocabulary that are not the end. Its logit is 10,
 * that of every other token t is ((h ^ t * 2654435761) >> 16 & 1023) / 1024, below 1.
 *
 * Keys, all optional: fake.context_length (4096), fake.delay_usec (0): what a token costs,
 * fake.step_usec (0): what a step costs besides,
 * fake.end_after (0: never): from that length on the next token is tokenizer.ggml.eos_token_id,
 * fake.window (0): how many of the last tokens count as the past, 0: all,
 * fake.rewind_step (1): it goes back to multiples of that only, as recurrent families do. n_vocab
 * is the length of tokenizer.ggml.tokens.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/architecture.h"
#include "engine/limits.h"

#define N_EMBD 8

struct Fake {
    uint32_t n_vocab, n_ctx;
    uint32_t delay_usec, step_usec, end_after, rewind_step, window;
    uint32_t eos; /* UINT32_MAX: none */
};

struct FakeState {
    uint32_t capacity;
    Token *tokens;
};

static int fake_open(const struct ModelFile *file, struct ModelShape *ret_shape, void **ret,
                     Reason *why) {
    struct Fake fake = {.n_ctx = 4096, .rewind_step = 1, .eos = UINT32_MAX};
    struct GgufArray tokens;
    int r = model_u32(file, "context_length", 1, MODEL_MAX_CONTEXT, &fake.n_ctx, why);
    if (r >= 0) r = model_u32(file, "n_ctx", 1, MODEL_MAX_CONTEXT, &fake.n_ctx, why);
    if (r >= 0) r = model_u32(file, "delay_usec", 0, 60000000, &fake.delay_usec, why);
    if (r >= 0) r = model_u32(file, "step_usec", 0, 60000000, &fake.step_usec, why);
    if (r >= 0) r = model_u32(file, "end_after", 0, MODEL_MAX_CONTEXT, &fake.end_after, why);
    if (r >= 0) r = model_u32(file, "window", 0, MODEL_MAX_CONTEXT, &fake.window, why);
    if (r >= 0) r = model_u32(file, "rewind_step", 1, MODEL_MAX_CONTEXT, &fake.rewind_step, why);
    if (r >= 0) r = gguf_get_u32(file->gguf, "tokenizer.ggml.eos_token_id", &fake.eos, why);
    if (r >= 0)
        r = gguf_require(gguf_get_strings(file->gguf, "tokenizer.ggml.tokens", &tokens, why),
                         "tokenizer.ggml.tokens", why);
    if (r < 0) return r;
    if (tokens.n < 2 || tokens.n > TOKENIZER_MAX_TOKENS)
        return reason_set(why, EBADMSG, "a fake model needs at least two tokens");

    fake.n_vocab = (uint32_t)tokens.n;
    struct Fake *model = malloc(sizeof *model);
    if (!model) return -ENOMEM;
    *model = fake;
    *ret_shape = (struct ModelShape){0, N_EMBD, fake.n_vocab, fake.n_ctx};
    *ret = model;
    return 0;
}

static void fake_close(void *model) {
    free(model);
}

static int fake_start(void *model, const struct Compute *compute) {
    return 0;
}

/* ---- Computing ---- */

static uint32_t hash_of(const Token *tokens, uint32_t n) {
    uint32_t h = 0;
    for (uint32_t i = 0; i < n; i++) h = h * 31u + (uint32_t)tokens[i] + 1;
    return h;
}

static uint32_t next_token(const struct Fake *fake, uint32_t h, uint32_t n_past) {
    if (fake->eos >= fake->n_vocab) return h % fake->n_vocab;
    if (fake->end_after > 0 && n_past >= fake->end_after) return fake->eos;
    uint32_t next = h % (fake->n_vocab - 1);
    return next >= fake->eos ? next + 1 : next;
}

static void write_logits(const struct Fake *fake, uint32_t h, uint32_t n_past, float *logits) {
    for (uint32_t t = 0; t < fake->n_vocab; t++)
        logits[t] = (float)((h ^ t * 2654435761u) >> 16 & 1023) / 1024.0f;
    logits[next_token(fake, h, n_past)] = 10.0f;
}

static void fake_step(void *model, const struct Batch *batch) {
    const struct Fake *fake = model;
    uint64_t usec = fake->step_usec + (uint64_t)fake->delay_usec * batch->n_rows;
    struct timespec delay = {(time_t)(usec / 1000000), (long)(usec % 1000000) * 1000};
    if (usec > 0)
        while (nanosleep(&delay, &delay) < 0 && errno == EINTR) {
        }

    for (uint32_t i = 0; i < batch->n_rows; i++) {
        struct FakeState *state = batch->rows[i].state;
        state->tokens[batch->rows[i].position] = batch->rows[i].token;
    }
    for (uint32_t i = 0; i < batch->n_outputs; i++) {
        const struct BatchRow *row = &batch->rows[batch->outputs[i]];
        const struct FakeState *state = row->state;
        const uint32_t n = row->position + 1;
        const uint32_t n_seen = fake->window > 0 && fake->window < n ? fake->window : n;
        uint32_t h = hash_of(state->tokens + n - n_seen, n_seen);
        for (uint32_t j = 0; j < N_EMBD; j++)
            batch->hidden[i * batch->hidden_stride + j] = (float)(h >> 4 * j & 15) - 7.5f;
        if (i < batch->n_logits) write_logits(fake, h, n, batch->logits + i * batch->logits_stride);
    }
}

/* ---- State: the tokens ---- */

static int fake_state_new(void *model, void **ret) {
    *ret = calloc(1, sizeof(struct FakeState));
    return *ret ? 0 : -ENOMEM;
}

static void fake_state_free(void *model, void *userdata) {
    struct FakeState *state = userdata;
    free(state->tokens);
    free(state);
}

static int fake_state_reserve(void *model, void *userdata, uint32_t n, uint32_t n_more) {
    struct FakeState *state = userdata;
    if (n + n_more <= state->capacity) return 0;
    uint32_t capacity = (n + n_more + 63) / 64 * 64;
    Token *tokens = realloc(state->tokens, capacity * sizeof *tokens);
    if (!tokens) return -ENOMEM;
    state->tokens = tokens;
    state->capacity = capacity;
    return 0;
}

static int fake_state_restore(void *model, void *userdata, uint32_t n, const void *src, size_t size,
                              Reason *why) {
    const struct Fake *fake = model;
    struct FakeState *state = userdata;
    if (size != n * sizeof(Token))
        return reason_set(why, EBADMSG, "the saved state has %zu bytes for %u tokens", size, n);
    int r = fake_state_reserve(model, state, 0, n);
    if (r < 0 || n == 0) return r;
    memcpy(state->tokens, src, size);
    for (uint32_t i = 0; i < n; i++)
        if (state->tokens[i] < 0 || (uint32_t)state->tokens[i] >= fake->n_vocab)
            return reason_set(why, EBADMSG, "the saved state has a token out of range");
    return 0;
}

static int fake_state_fork(void *model, void *userdata, uint32_t n, void **ret) {
    const struct FakeState *state = userdata;
    void *copy;
    int r = fake_state_new(model, &copy);
    if (r < 0) return r;
    r = fake_state_restore(model, copy, n, state->tokens, n * sizeof(Token), NULL);
    if (r < 0) {
        fake_state_free(model, copy);
        return r;
    }
    *ret = copy;
    return 0;
}

static uint32_t fake_state_truncate(void *model, void *userdata, uint32_t n_old, uint32_t n) {
    const struct Fake *fake = model;
    return n == n_old ? n : n - n % fake->rewind_step;
}

static size_t fake_state_bytes(const void *model, const void *userdata) {
    const struct FakeState *state = userdata;
    return sizeof *state + state->capacity * sizeof(Token);
}

static size_t fake_state_save_size(const void *model, const void *userdata, uint32_t n) {
    return n * sizeof(Token);
}

static void fake_state_save(const void *model, const void *userdata, uint32_t n, void *dst) {
    const struct FakeState *state = userdata;
    if (n > 0) memcpy(dst, state->tokens, n * sizeof(Token));
}

const struct Family family_fake = {
    .name = "fake",
    .open = fake_open,
    .close = fake_close,
    .start = fake_start,
    .step = fake_step,
    .state_new = fake_state_new,
    .state_free = fake_state_free,
    .state_fork = fake_state_fork,
    .state_reserve = fake_state_reserve,
    .state_truncate = fake_state_truncate,
    .state_bytes = fake_state_bytes,
    .state_save_size = fake_state_save_size,
    .state_save = fake_state_save,
    .state_restore = fake_state_restore,
};
