/*
 * A job: tokens that one sequence of the engine is fed with, and what becomes of the results. A
 * generation and an input of Embed are jobs.
 *
 * A job is made on the main thread, belongs to the compute thread from scheduler_submit() until it
 * comes back through `finished`, and is freed on the main thread. Only `mail` may be touched by
 * both (see mailbox.h). States, all but the last on the compute thread:
 *
 *     queued ─▶ resident: has a sequence ─▶ ended: last line waits for its reader ─▶ returned
 *
 * A resident job whose stream is full is parked: it keeps its sequence, the steps skip it.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "engine/engine.h"
#include "worker/failure.h"
#include "worker/mailbox.h"
#include "worker/stream.h"

enum Finish {
    FINISH_NONE, /* goes on */
    FINISH_STOP,
    FINISH_LENGTH,
    FINISH_CANCELLED,
    FINISH_ERROR, /* `failure` says why */
};

struct Job;

/* What kind of job it is; where nothing else is said on the compute
 * thread, and free() on the main thread. */
struct JobType {
    /* Wanted of the span that brings the last token fed, and of those before. */
    enum SpanOutput last_output, other_output;
    /* Writes guesses at what follows behind the last token, and sets n_drafted; a step that has
     * n_others tokens anyway is to verify them. NULL: none ever. */
    void (*draft)(struct Job *job, uint32_t n_others);
    /* A step has appended tokens up to n_fed, and those drafted, with logits after the last token
     * and after each of them. May write to the stream, append tokens, or set `finish`. Runs on any
     * of the engine's threads, beside that of other jobs: touches what is the job's alone, and not
     * its sequence. NULL: nothing to do. */
    void (*sample)(struct Job *job, const struct Span *span);
    /* After all jobs of the step were sampled. May do the same, and leaves n_fed at what is right
     * of the drafted tokens. */
    void (*computed)(struct Job *job, const struct Span *span);
    /* `finish` was set, by one of these or by the scheduler: writes the last lines. */
    void (*ended)(struct Job *job);
    void (*free)(struct Job *job);
    /* Memory held besides the sequence; NULL: none. */
    size_t (*bytes)(const struct Job *job);
};

struct Job {
    struct Mail mail; /* first */
    const struct JobType *type;
    uint32_t namespace;
    Stream *stream; /* NULL: nobody to write to */

    /* tokens[0..n_prompt) was given, the rest generated; n_fed of them are in the sequence. */
    Token *tokens;
    uint32_t n_prompt, n_tokens, n_fed;
    uint32_t n_drafted; /* behind tokens[n_tokens - 1], in the next or the running step only */
    Sequence *sequence; /* while resident */

    enum Finish finish;
    struct Failure failure;
    gint64 submitted_usec, admitted_usec, ended_usec; /* g_get_monotonic_time(); 0: not yet */
    gint64 parked_usec;                               /* since when it is parked, or 0 */

    bool last_of_call; /* of those submitted together; the scheduler's */
    /* On the main thread; takes the job. */
    void (*finished)(struct Job *job, void *userdata);
    void *userdata;
};

const char *finish_name(enum Finish finish); /* "stop", "length", "cancelled", "error" */

/* Takes `stream` and `tokens` (malloc()ed) when it succeeds. */
void job_init(struct Job *job, const struct JobType *type, uint32_t namespace, Token *tokens,
              uint32_t n_tokens, Stream *stream);
void job_free(struct Job *job); /* accepts NULL */

static inline bool job_in_prompt(const struct Job *job) {
    return job->n_fed < job->n_prompt;
}
