#include "engine/engine.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine-private.h"
#include "engine/limits.h"
#include "engine/sampling/token-trie.h"
#include "engine/sequence.h"
#include "engine/source.h"
#include "engine/text/tokenizer.h"

/* ---- Opening ---- */

static size_t round_up(size_t n, size_t multiple) {
    return (n + multiple - 1) / multiple * multiple;
}

/* Reading, packing and verifying weights are many runs: the caller is settled while they last. */
static int start_compute(struct Compute *compute, const struct EngineOptions *options,
                         Reason *why) {
    compute->kernels = options->kernels ? options->kernels : kernels_best();
    compute->max_tokens = options->max_tokens ? options->max_tokens : 512;
    if (compute->max_tokens > STEP_MAX_TOKENS)
        return reason_set(why, EINVAL, "a step may have %u tokens at most", STEP_MAX_TOKENS);
    if (options->threads_of) {
        compute->pool = options->threads_of->compute.pool;
    } else {
        int r = pool_new(options->n_threads, &compute->pool);
        if (r < 0) return reason_set(why, -r, "the compute threads cannot be started");
    }
    pool_settle(compute->pool);
    return 0;
}

static int check_shape(const Engine *engine, const struct ModelShape *shape, Reason *why) {
    uint32_t n = tokenizer_size(engine->tokenizer);
    if (n > shape->n_vocab)
        return reason_set(why, EBADMSG, "the vocabulary has %u tokens, the model computes %u", n,
                          shape->n_vocab);
    return 0;
}

static void describe(Engine *engine, const struct ModelShape *shape, uint32_t n_ctx) {
    struct ModelInfo *info = &engine->info;
    info->family = engine->family->name;
    info->n_layers = shape->n_layers;
    info->n_embd = shape->n_embd;
    info->n_vocab = shape->n_vocab;
    info->kv_type = shape->kv_type ? shape->kv_type : "";
    info->n_ctx = n_ctx > 0 && n_ctx < shape->n_ctx ? n_ctx : shape->n_ctx;
    info->weight_bytes = weights_size(engine->weights);
    memcpy(info->fingerprint, &engine->fingerprint, sizeof info->fingerprint);
}

/* The rows that a step writes to, but for the logits: those grow when they are asked for. */
static int make_batch(Engine *engine) {
    int r = batch_init(&engine->batch, engine->compute.max_tokens);
    if (r < 0) return r;
    engine->batch.hidden_stride = round_up(engine->info.n_embd, 16);
    engine->batch.logits_stride = round_up(engine->info.n_vocab, 16);
    size_t size = engine->compute.max_tokens * engine->batch.hidden_stride * sizeof(float);
    engine->batch.hidden = aligned_alloc(64, size);
    return engine->batch.hidden ? 0 : -ENOMEM;
}

static int load(Engine *engine, struct SourceFiles files, const struct EngineOptions *options,
                Reason *why) {
    struct ModelShape shape;
    int r = source_open(engine, files, options->requantise, why);
    if (r != 0) return r;
    r = tokenizer_new(engine->gguf, &engine->tokenizer, why);
    if (r < 0) return r;
    r = source_plan(engine, options, &shape, why);
    if (r < 0) return r;
    r = check_shape(engine, &shape, why);
    if (r < 0) return r;
    r = weights_fill(engine->weights, NULL, NULL, NULL, why);
    if (r < 0) return r;
    r = engine->family->start(engine->model, &engine->compute);
    if (r < 0) return r;
    describe(engine, &shape, options->n_ctx);
    return make_batch(engine);
}

int engine_open_parts(const int *fds, size_t n_fds, const struct EngineOptions *options,
                      Engine **ret, Reason *why) {
    static const struct EngineOptions defaults;
    if (!options) options = &defaults;
    if (why) why->text[0] = '\0';
    Engine *engine = calloc(1, sizeof *engine);
    if (!engine) return -ENOMEM;
    engine->shares_threads = options->threads_of;
    int r = start_compute(&engine->compute, options, why);
    if (r == 0) r = load(engine, (struct SourceFiles){fds, n_fds}, options, why);
    pool_leave(engine->compute.pool);
    if (r != 0) {
        engine_free(engine);
        if (r == -ENOMEM) reason_set(why, ENOMEM, "not enough memory for the model");
        return r;
    }
    *ret = engine;
    return 0;
}

int engine_open(int fd, const struct EngineOptions *options, Engine **ret, Reason *why) {
    return engine_open_parts(&fd, 1, options, ret, why);
}

Engine *engine_free(Engine *engine) {
    if (!engine) return NULL;
    free(engine->batch.hidden);
    batch_done(&engine->batch);
    free(engine->logits);
    token_trie_free(engine->trie);
    tokenizer_free(engine->tokenizer);
    settling_done(&engine->settling);
    source_close(engine);
    if (!engine->shares_threads) pool_free(engine->compute.pool);
    free(engine);
    return NULL;
}

/* ---- Packing ---- */

int engine_pack_parts(const int *fds, size_t n_fds, int out_fd,
                      const struct EnginePackOptions *options, struct PackReport *ret_report,
                      Reason *why) {
    static const struct EngineOptions defaults;
    static const struct EnginePackOptions no_options;
    if (!options) options = &no_options;
    struct ModelShape shape;
    if (why) why->text[0] = '\0';
    Engine *engine = calloc(1, sizeof *engine);
    if (!engine) return -ENOMEM;
    int r = start_compute(&engine->compute, &defaults, why);
    if (r == 0) r = source_open(engine, (struct SourceFiles){fds, n_fds}, options->requantise, why);
    if (r == 0 && engine->packed) r = reason_set(why, EINVAL, "the file is packed already");
    if (r == 0) r = tokenizer_new(engine->gguf, &engine->tokenizer, why);
    if (r == 0) r = source_plan(engine, &defaults, &shape, why);
    if (r == 0) r = check_shape(engine, &shape, why);
    if (r == 0) r = source_pack(engine, out_fd, options->progress, options->userdata, why);
    if (r == 0 && ret_report) weights_report(engine->weights, ret_report);
    engine_free(engine);
    if (r == -ENOMEM) reason_set(why, ENOMEM, "not enough memory to pack the model");
    return r;
}

int engine_pack(int fd, int out_fd, const struct EnginePackOptions *options,
                struct PackReport *ret_report, Reason *why) {
    return engine_pack_parts(&fd, 1, out_fd, options, ret_report, why);
}

/* ---- Asking ---- */

const struct ModelInfo *engine_info(const Engine *engine) {
    return &engine->info;
}

const Tokenizer *engine_tokenizer(const Engine *engine) {
    return engine->tokenizer;
}

/* Two threads that come at once both build it, and one throws its own away. */
int engine_token_trie(const Engine *engine, const struct TokenTrie **ret) {
    _Atomic(TokenTrie *) *place = &((Engine *)engine)->trie; /* no model depends on it */
    TokenTrie *new = NULL, *old = atomic_load(place);
    if (!old) {
        int r = token_trie_new(engine->tokenizer, engine->info.n_vocab, &new);
        if (r < 0) return r;
        if (atomic_compare_exchange_strong(place, &old, new)) old = new;
        if (old != new) token_trie_free(new);
    }
    *ret = old;
    return 0;
}

unsigned engine_n_threads(const Engine *engine) {
    return pool_n_threads(engine->compute.pool);
}

uint32_t engine_max_tokens(const Engine *engine) {
    return engine->compute.max_tokens;
}

/* ---- Steps ---- */

static int reserve_logits(Engine *engine) {
    struct Batch *batch = &engine->batch;
    if (batch->n_logits > engine->logits_rows) {
        size_t size = batch->n_logits * batch->logits_stride * sizeof(float);
        float *logits = aligned_alloc(64, size);
        if (!logits) return -ENOMEM;
        free(engine->logits);
        engine->logits = logits;
        engine->logits_rows = batch->n_logits;
    }
    batch->logits = engine->logits;
    return 0;
}

static int reserve_state(Engine *engine, Sequence *sequence, uint32_t n_more) {
    int r = sequence_reserve(sequence, n_more);
    if (r < 0) return r;
    return engine->family->state_reserve(engine->model, sequence->state, sequence->n_state,
                                         sequence_lag(sequence) + n_more);
}

static int reserve_states(Engine *engine, const struct Span *spans, size_t n_spans) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < n_spans; i++)
        r = reserve_state(engine, spans[i].sequence, spans[i].n_tokens);
    return r;
}

/* Bytes that the step reads, about: all weights and the row's own past for every row. */
static uint64_t step_cost(const Engine *engine, const struct Span *spans, size_t n_spans) {
    uint64_t cost = engine->info.weight_bytes * engine->batch.n_rows;
    for (size_t i = 0; i < n_spans; i++)
        cost += sequence_bytes(spans[i].sequence) * spans[i].n_tokens;
    return cost;
}

int engine_catch_up(Engine *engine, Sequence *sequence) {
    const uint32_t max_tokens = engine->compute.max_tokens;
    while (sequence_lag(sequence) > 0) {
        const uint32_t lag = sequence_lag(sequence), n = lag < max_tokens ? lag : max_tokens;
        int r = engine->family->state_reserve(engine->model, sequence->state, sequence->n_state, n);
        if (r < 0) return r;
        batch_fill_lag(&engine->batch, sequence, n);
        engine->compute.is_alone = engine->info.weight_bytes * n < COMPUTE_MIN_STEP;
        engine->family->step(engine->model, &engine->batch);
        sequence->n_state += n;
    }
    return 0;
}

/* What the sequences lag behind rides along where it fits, and is computed before where not. */
static int fit_lags(Engine *engine, const struct Span *spans, size_t n_spans) {
    uint64_t n_rows = 0;
    int r = 0;
    for (size_t i = 0; i < n_spans; i++)
        n_rows += spans[i].n_tokens + sequence_lag(spans[i].sequence);
    if (n_rows <= engine->compute.max_tokens) return 0;
    for (size_t i = 0; r == 0 && i < n_spans; i++) r = engine_catch_up(engine, spans[i].sequence);
    return r;
}

int engine_step(Engine *engine, struct Span *spans, size_t n_spans) {
    int r = batch_check(engine, spans, n_spans);
    if (r < 0) return r;
    r = fit_lags(engine, spans, n_spans);
    if (r < 0) return r;
    r = reserve_states(engine, spans, n_spans);
    if (r < 0) return r;
    batch_fill(&engine->batch, spans, n_spans);
    r = reserve_logits(engine);
    if (r < 0) return r;
    engine->compute.is_alone = step_cost(engine, spans, n_spans) < COMPUTE_MIN_STEP;
    if (n_spans > 0) engine->family->step(engine->model, &engine->batch);
    for (size_t i = 0; i < n_spans; i++)
        sequence_append(spans[i].sequence, spans[i].tokens, spans[i].n_tokens);
    batch_return(&engine->batch, spans, n_spans);
    return 0;
}

bool engine_settle(Engine *engine) {
    const struct Packed *packed = engine->packed;
    if (packed && !engine->settling.mapping)
        settling_init(&engine->settling, packed->mapping, packed->size);
    return settling_step(&engine->settling, engine->compute.pool);
}

void engine_share(const Engine *engine, uint32_t n, uint64_t cost,
                  void (*task)(void *userdata, uint32_t i), void *userdata) {
    compute_rows(&engine->compute, n, cost, task, userdata);
}
