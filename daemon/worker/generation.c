#include "worker/generation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/names.h"
#include "engine/text/tokenizer.h"
#include "worker/annotation.h"
#include "worker/constrain.h"
#include "worker/sampling.h"
#include "worker/stopstring.h"

typedef struct Generation {
    struct Job job; /* first */
    const Tokenizer *tokenizer;
    Sampler *sampler;
    Constraint *constraint; /* NULL: any token may come */
    StopString *stop;
    Annotations *annotations; /* NULL: only the text is asked for */
    uint64_t n_bytes;         /* of text, before stop strings */
    struct Utf8Stream utf8;
    GString *text, *lines; /* scratch of one token */
    Draft *draft;          /* NULL: no drafting */
    uint32_t n_vocab, n_max, n_completion, n_drafted, n_accepted;
    uint32_t n_right; /* of those drafted in the last step */
    bool progress, ignore_eos;
    gint64 prompt_done_usec;
} Generation;

static Generation *generation(struct Job *job) {
    return (Generation *)job;
}

/* ---- Text ---- */

/* Turns `text` into events. */
static void text_send(Generation *self) {
    g_string_truncate(self->lines, 0);
    if (self->annotations)
        annotations_say(self->annotations, self->text->str, self->text->len, self->lines);
    else
        event_delta(self->lines, self->text->str, self->text->len);
    if (self->job.stream) stream_write(self->job.stream, self->lines);
}

/* Bytes of a token, or of the end, through UTF-8 and stop strings. True: a stop string was there.
 */
static bool text_push(Generation *self, const char *bytes, size_t size, bool last) {
    /* three for every byte that is replaced, and what was pending */
    g_autofree char *whole = g_malloc(3 * (size + sizeof self->utf8.pending) + 3);
    size_t n = utf8_stream_push(&self->utf8, bytes, size, whole);

    if (last) n += utf8_stream_finish(&self->utf8, whole + n);
    g_string_truncate(self->text, 0);
    self->n_bytes += n;
    return stopstring_push(self->stop, whole, n, self->text);
}

static bool piece_send(Generation *self, Token token) {
    const char *piece = NULL;
    size_t size = tokenizer_piece(self->tokenizer, token, false, &piece);
    bool stopped = text_push(self, piece, size, false);

    text_send(self);
    return stopped;
}

/* What was held back, at the end. */
static void text_finish(Generation *self) {
    bool stopped = text_push(self, "", 0, true);
    if (!stopped) stopstring_finish(self->stop, self->text);
    text_send(self);
    if (stopped || !self->annotations) return;
    g_string_truncate(self->lines, 0);
    annotations_finish(self->annotations, self->lines);
    if (self->job.stream) stream_write(self->job.stream, self->lines);
}

/* ---- Constraint ---- */

static enum Finish constraint_fail(Generation *self, int r, const Reason *why) {
    struct Failure *failure = &self->job.failure;

    if (r == -ENOMEM)
        failure_set_errno(failure, r, why);
    else
        failure_set(failure, ERROR_INVALID_ARGS, "The answer cannot go on: %s.", why->text);
    text_finish(self);
    return FINISH_ERROR;
}

/* The tokens that may come next, or why none does: the answer is complete, or cannot go on. */
static enum Finish allowed_find(Generation *self, const uint64_t **ret) {
    static const Reason stuck = {"no token of the model fits what the grammar asks for next"};
    size_t n = token_words(self->n_vocab);
    Reason why = {""};
    size_t i = 0;

    *ret = NULL;
    if (!self->constraint) return FINISH_NONE;
    int r = constraint_mask(self->constraint, ret, &why);
    if (r < 0) return constraint_fail(self, r, &why);
    while (i < n && !(*ret)[i]) i++;
    if (i < n) return FINISH_NONE;
    if (!constraint_may_end(self->constraint)) return constraint_fail(self, -EINVAL, &stuck);
    text_finish(self);
    return FINISH_STOP;
}

/* True: job->finish says how it ends. */
static bool constraint_go_on(Generation *self, Token token) {
    Reason why = {""};
    int r = constraint_accept(self->constraint, token, &why);

    if (r < 0) {
        self->job.finish = constraint_fail(self, r, &why);
    } else if (constraint_must_end(self->constraint)) {
        text_finish(self);
        self->job.finish = FINISH_STOP;
    }
    return self->job.finish != FINISH_NONE;
}

/* ---- Tokens ---- */

static enum Finish token_take(Generation *self, Token token, const float *logits) {
    struct Job *job = &self->job;

    if (!self->ignore_eos && tokenizer_is_end(self->tokenizer, token)) {
        text_finish(self);
        return FINISH_STOP;
    }
    self->n_completion++;
    sampler_accept(self->sampler, token);
    if (self->annotations)
        annotations_add(self->annotations, logits, self->n_vocab, token, self->n_bytes);
    if (piece_send(self, token)) return FINISH_STOP;
    if (self->constraint && constraint_go_on(self, token)) return job->finish;
    if (self->n_completion == self->n_max) {
        text_finish(self);
        return FINISH_LENGTH;
    }
    job->tokens[job->n_tokens++] = token;
    return FINISH_NONE;
}

static void progress_send(Generation *self) {
    g_string_truncate(self->lines, 0);
    event_progress(self->lines, NULL, self->job.n_fed, self->job.n_prompt);
    if (self->job.stream) stream_write(self->job.stream, self->lines);
}

/* Samples after the last token and after each drafted one that was sampled, too. Returns how many
 * of the drafted ones were. */
static uint32_t tokens_sample(Generation *self, const struct Span *span) {
    struct Job *job = &self->job;
    const float *logits = span->ret;

    for (uint32_t n_right = 0;; n_right++, logits += span->ret_stride) {
        const uint64_t *allowed;
        job->finish = allowed_find(self, &allowed);
        if (job->finish) return n_right;
        Token token = sampler_sample(self->sampler, logits, allowed);
        bool right = n_right < job->n_drafted && token == job->tokens[job->n_tokens];
        job->finish = token_take(self, token, logits);
        if (!right || job->finish) return n_right + right;
    }
}

static void generation_sample(struct Job *job, const struct Span *span) {
    Generation *self = generation(job);

    if (self->progress && !self->prompt_done_usec) progress_send(self);
    if (job->n_fed < job->n_tokens) return;
    if (!self->prompt_done_usec) self->prompt_done_usec = g_get_monotonic_time();
    self->n_right = tokens_sample(self, span);
}

/* The sequence forgets what was guessed wrong. */
static void generation_computed(struct Job *job, const struct Span *span) {
    Generation *self = generation(job);

    if (job->n_drafted == 0) return;
    self->n_drafted += job->n_drafted;
    self->n_accepted += self->n_right;
    draft_verified(self->draft, self->n_right);
    job->n_fed -= job->n_drafted - self->n_right;
    job->n_drafted = 0;
    sequence_truncate(job->sequence, job->n_fed);
}

/* One token less than may still come: the last logits bring one, too. */
static void generation_draft(struct Job *job, uint32_t n_others) {
    Generation *self = generation(job);
    const struct DraftView view = {job->tokens, job->n_tokens, self->sampler};

    if (!self->draft) return;
    job->n_drafted =
        draft_propose(self->draft, &view, n_others, self->n_max - self->n_completion - 1,
                      job->tokens + job->n_tokens);
}

static void generation_ended(struct Job *job) {
    Generation *self = generation(job);
    struct Usage usage;
    struct Timings timings;

    generation_measure(job, &usage, &timings);
    g_string_truncate(self->lines, 0);
    event_done(self->lines, finish_name(job->finish), &usage, &timings, &job->failure);
    if (job->stream) stream_end(job->stream, self->lines);
}

/* ---- Numbers ---- */

/* Milliseconds between two times, of which the later ones may not have come. */
static double span_ms(gint64 from_usec, gint64 to_usec, gint64 end_usec) {
    if (!from_usec) return 0;
    return (double)((to_usec ? to_usec : end_usec) - from_usec) / 1000;
}

static double per_second(double n, double ms) {
    return n > 0 && ms > 0 ? 1000 * n / ms : 0;
}

void generation_measure(const struct Job *job, struct Usage *ret_usage,
                        struct Timings *ret_timings) {
    const Generation *self = (const Generation *)job;
    gint64 end_usec = job->ended_usec;

    *ret_usage = (struct Usage){
        .prompt_tokens = job->n_prompt,
        .completion_tokens = self->n_completion,
        .drafted_tokens = self->n_drafted,
        .accepted_tokens = self->n_accepted,
    };
    *ret_timings = (struct Timings){
        .queue_ms = span_ms(job->submitted_usec, job->admitted_usec, end_usec),
        .prompt_ms = span_ms(job->admitted_usec, self->prompt_done_usec, end_usec),
        .generate_ms = span_ms(self->prompt_done_usec, 0, end_usec),
    };
    ret_timings->prompt_per_second =
        per_second(MIN(job->n_fed, job->n_prompt), ret_timings->prompt_ms);
    /* the first token came with the prompt */
    ret_timings->tokens_per_second =
        per_second((double)self->n_completion - 1, ret_timings->generate_ms);
}

/* ---- Making and freeing ---- */

static void generation_free(struct Job *job) {
    Generation *self = generation(job);

    draft_free(self->draft);
    sampler_free(self->sampler);
    constraint_free(self->constraint);
    stopstring_free(self->stop);
    annotations_free(self->annotations);
    g_string_free(self->text, TRUE);
    g_string_free(self->lines, TRUE);
    g_free(self);
}

static size_t generation_bytes(const struct Job *job) {
    return draft_bytes(((const Generation *)job)->draft);
}

static const struct JobType generation_type = {
    .last_output = SPAN_LAST_LOGITS,
    .other_output = SPAN_NOTHING,
    .draft = generation_draft,
    .sample = generation_sample,
    .computed = generation_computed,
    .ended = generation_ended,
    .free = generation_free,
    .bytes = generation_bytes,
};

/* NULL: none wanted, or nothing to draft with. */
static Draft *draft_open(struct Drafting *drafting, const struct GenerateOptions *options,
                         const struct SamplerOptions *settings) {
    return drafting ? draft_new(drafting, options->draft ? options->draft : "auto", settings)
                    : NULL;
}

int generation_new(const Engine *engine, struct Drafting *drafting, uint32_t namespace,
                   Token *tokens, size_t n_tokens, const struct GenerateOptions *options,
                   Stream *stream, struct Job **ret, struct Failure *failure) {
    const struct ModelInfo *info = engine_info(engine);
    const struct SamplerOptions settings = sampling_settings(options, info->n_ctx);
    Sampler *sampler = NULL;
    Constraint *constraint = NULL;

    if (n_tokens >= info->n_ctx) {
        free(tokens);
        failure_set(failure, ERROR_CONTEXT_TOO_LONG,
                    "The prompt has %zu tokens; the context holds %u, with the answer.", n_tokens,
                    info->n_ctx);
        return -EOVERFLOW;
    }
    uint32_t n_max = MIN(options->max_tokens, info->n_ctx - (uint32_t)n_tokens);
    Token *grown = realloc(tokens, (n_tokens + n_max) * sizeof *tokens);
    int r = grown ? sampling_open(engine, options, &settings, grown, n_tokens, &sampler, failure)
                  : failure_set_errno(failure, -ENOMEM, NULL);
    if (r >= 0) r = constrain(engine, options, &constraint, failure);
    if (r < 0) {
        sampler_free(sampler);
        free(grown ? grown : tokens);
        return r;
    }

    Generation *self = g_new0(Generation, 1);
    job_init(&self->job, &generation_type, namespace, grown, (uint32_t)n_tokens, stream);
    self->tokenizer = engine_tokenizer(engine);
    self->sampler = sampler;
    self->constraint = constraint;
    self->draft = draft_open(drafting, options, &settings);
    self->stop = stopstring_new(options->stop);
    self->text = g_string_new(NULL);
    self->lines = g_string_new(NULL);
    if (options_is_set(options, "logprobs"))
        self->annotations = annotations_new(self->tokenizer, options->logprobs);
    self->n_vocab = info->n_vocab;
    self->n_max = n_max;
    self->progress = options->progress;
    self->ignore_eos = options->ignore_eos;
    *ret = &self->job;
    return 0;
}
