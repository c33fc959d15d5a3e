/*
 * A generation: the job that continues a prompt, token by token, and tells its stream.
 *
 * Each token goes through the sampler, the UTF-8 stream (whole characters), the stop strings (which
 * hold back what may become one) and into "delta" events. With a grammar or a schema only tokens
 * that fit come, and it ends ("stop") when nothing more can follow. It ends at the model's end of text or a
 * stop string ("stop"), at max_tokens or the end of the context ("length").
 */
#pragma once

#include "dbus/options.h"
#include "worker/draft.h"
#include "worker/event.h"
#include "worker/job.h"

/* The prompt has at least one token, and each is below n_vocab. Takes `tokens` (malloc()ed) in any
 * case, and `stream` (may be NULL) when it succeeds. Fails with ContextTooLong when the context has
 * no room for the prompt and one token more, and with InvalidArgs as the sampler and
 * constrain() do. Main thread;
 * `engine` and `drafting` (NULL: nothing is drafted) must outlive the running of the job, not the
 * job. */
int generation_new(const Engine *engine, struct Drafting *drafting, uint32_t namespace,
                   Token *tokens, size_t n_tokens, const struct GenerateOptions *options,
                   Stream *stream, struct Job **ret, struct Failure *failure);

/* Once it has ended. */
void generation_measure(const struct Job *job, struct Usage *ret_usage,
                        struct Timings *ret_timings);
