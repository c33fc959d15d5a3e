/*
 * A small model with the vocabulary of the large one. It draws each guess with the random number
 * that the generation will draw the same token with, so that the two agree as often as their
 * distributions do, and always where both are greedy.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "engine/text/tokenizer.h"
#include "worker/draft.h"

/* Tokens that are fed before a guess, as part of its time: what another method proposed, and more.
 * So many at once where there are more. */
#define BEHIND_MAX (DRAFT_MAX + 1)
#define PIECE 32u

struct ModelDraft {
    Engine *engine;
    uint32_t n_vocab; /* of the model that verifies */
    Sequence *sequence;
    Sampler *sampler;
    Token *tokens; /* in the sequence, as fed: what was guessed wrong has to be taken back */
    uint32_t n_tokens, capacity;
};

static void model_close(void *state) {
    struct ModelDraft *self = state;

    if (!self) return;
    sequence_free(self->sequence);
    sampler_free(self->sampler);
    g_free(self->tokens);
    g_free(self);
}

/* What looks back on the answer is the generation's own affair: guesses need not be right. */
static struct SamplerOptions plain_options(const struct SamplerOptions *options) {
    struct SamplerOptions plain = *options;

    plain.repeat_last_n = 0;
    plain.dry_multiplier = 0;
    plain.mirostat = 0;
    return plain;
}

static int model_open(struct Drafting *drafting, const struct SamplerOptions *options, void **ret) {
    if (!drafting->model) return -ENOENT;

    const struct SamplerOptions plain = plain_options(options);
    struct ModelDraft *self = g_new0(struct ModelDraft, 1);
    self->engine = drafting->model;
    self->n_vocab = drafting->n_vocab;
    int r = sampler_new(&plain, engine_info(self->engine)->n_vocab, &self->sampler, NULL);
    if (r < 0) {
        model_close(self);
        return r;
    }
    *ret = self;
    return 0;
}

/* ---- Following the generation ---- */

static bool sequence_exists(struct ModelDraft *self) {
    return self->sequence || sequence_new(self->engine, &self->sequence) == 0;
}

/* Goes back to what the sequence and the generation have in common, but for the last token: its
 * logits are wanted. */
static bool sequence_rewind(struct ModelDraft *self, const struct DraftView *view) {
    uint32_t n = 0, n_max = MIN(self->n_tokens, view->n_tokens - 1);

    while (n < n_max && self->tokens[n] == view->tokens[n]) n++;
    self->n_tokens = n;
    return sequence_truncate(self->sequence, n) == 0;
}

static void tokens_note(struct ModelDraft *self, const Token *tokens, uint32_t n) {
    if (self->n_tokens + n > self->capacity) {
        self->capacity = 2 * (self->n_tokens + n);
        self->tokens = g_renew(Token, self->tokens, self->capacity);
    }
    memcpy(self->tokens + self->n_tokens, tokens, n * sizeof *tokens);
    self->n_tokens += n;
}

/* Logits after the last token; NULL: the context is full, or there is no memory. */
static const float *feed(struct ModelDraft *self, const Token *tokens, uint32_t n) {
    struct Span span = {.sequence = self->sequence};

    while (n > 0) {
        span.tokens = tokens;
        span.n_tokens = MIN(n, engine_max_tokens(self->engine));
        span.output = span.n_tokens == n ? SPAN_LAST_LOGITS : SPAN_NOTHING;
        if (engine_step(self->engine, &span, 1) < 0) return NULL;
        tokens_note(self, tokens, span.n_tokens);
        tokens += span.n_tokens;
        n -= span.n_tokens;
    }
    return span.ret;
}

/* Reads a prompt after the generation, a piece a step, which keeps the others' rhythm. True: that
 * was all there is to do now, and nothing is guessed. */
static bool catch_up(struct ModelDraft *self, const struct DraftView *view) {
    const uint32_t n_behind = view->n_tokens - self->n_tokens;

    if (n_behind <= BEHIND_MAX) return false;
    feed(self, view->tokens + self->n_tokens, MIN(n_behind - 1, PIECE));
    return true;
}

static uint32_t model_propose(void *state, const struct DraftView *view, uint32_t n_max,
                              Token *ret) {
    struct ModelDraft *self = state;
    uint32_t n = 0;

    if (!sequence_exists(self) || !sequence_rewind(self, view) || catch_up(self, view)) return 0;
    sampler_follow(self->sampler, view->sampler);
    const float *logits =
        feed(self, view->tokens + self->n_tokens, view->n_tokens - self->n_tokens);
    while (logits && n < n_max) {
        Token guess = sampler_sample(self->sampler, logits, NULL);
        if ((uint32_t)guess >= self->n_vocab) break; /* padding of the vocabulary */
        ret[n++] = guess;
        if (n < n_max) logits = feed(self, &ret[n - 1], 1);
    }
    return n;
}

static size_t model_bytes(const void *state) {
    const struct ModelDraft *self = state;
    return self->sequence ? sequence_bytes(self->sequence) : 0;
}

/* ---- Which models may draft ---- */

static bool same_text(const Tokenizer *a, const Tokenizer *b, Token token) {
    const char *text_a, *text_b;
    size_t size = tokenizer_piece(a, token, true, &text_a);

    return tokenizer_piece(b, token, true, &text_b) == size && memcmp(text_a, text_b, size) == 0;
}

int draft_check_model(const Engine *model, const Engine *draft, Reason *why) {
    const Tokenizer *a = engine_tokenizer(model), *b = engine_tokenizer(draft);
    const uint32_t n = tokenizer_size(a);

    if (tokenizer_size(b) != n)
        return reason_set(why, EINVAL, "the draft model has %u tokens, the model %u",
                          tokenizer_size(b), n);
    for (uint32_t i = 0; i < n; i++)
        if (!same_text(a, b, (Token)i))
            return reason_set(why, EINVAL, "token %u of the draft model is another one", i);
    return 0;
}

const struct DraftMethod draft_model = {"model", model_open, model_close, model_propose,
                                        model_bytes};
