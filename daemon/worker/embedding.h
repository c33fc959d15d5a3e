/*
 * An embedding: the job that reads one text and keeps the mean of the model's final hidden states,
 * of length 1.
 */
#pragma once

#include "worker/job.h"

/* At least one token, each below n_vocab, no more than the context. Takes `tokens`
 * (malloc()ed) in any case. Main thread. */
int embedding_new(const Engine *engine, uint32_t namespace, Token *tokens, size_t n_tokens,
                  struct Job **ret, struct Failure *failure);

/* Once it has ended with FINISH_STOP: n_embd numbers, of the job. */
const double *embedding_vector(const struct Job *job, size_t *ret_n);
