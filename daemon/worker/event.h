/*
 * The lines of the event stream, as org.ryzenllm1.Manager.xml documents them: one JSON object each,
 * at most EVENT_SIZE_MAX bytes with the newline. Every function appends whole lines to `lines`.
 *
 * Strings are escaped here and not by json-glib: a delta must be cut where its *escaped* text
 * fills a line, and a NUL, which a byte-level vocabulary can produce, has to become U+FFFD.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "engine/engine.h"
#include "engine/sampling/logprobs.h"
#include "worker/failure.h"

#define EVENT_SIZE_MAX 4096 /* PIPE_BUF: a line goes into a pipe whole or not at all */

struct Usage {
    uint32_t prompt_tokens, cached_tokens, completion_tokens, drafted_tokens, accepted_tokens;
};

struct Timings {
    double queue_ms, prompt_ms, generate_ms;
    double prompt_per_second, tokens_per_second;
};

/* Text of valid UTF-8; as many lines as it takes, none when it is empty. */
void event_delta(GString *lines, const char *text, gsize size);
/* The text of one token, which may be empty, and what is known of it; mostly one line. */
void event_token(GString *lines, const char *text, gsize size, const Tokenizer *tokenizer,
                 const struct Logprobs *logprobs);
/* `stage` may be NULL. */
void event_progress(GString *lines, const char *stage, uint64_t done, uint64_t total);
/* One line for each kind of tensor that was requantised; `stage` as above. */
void event_requantised(GString *lines, const char *stage, const struct PackReport *report);
/* Each of usage, timings and failure may be NULL. */
void event_done(GString *lines, const char *finish_reason, const struct Usage *usage,
                const struct Timings *timings, const struct Failure *failure);

/* For the above: a JSON string of valid UTF-8. */
void event_append_text(GString *line, const char *text, gsize size);
