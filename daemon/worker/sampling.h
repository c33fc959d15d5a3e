/*
 * The sampler that a request's options ask for.
 */
#pragma once

#include "dbus/options.h"
#include "engine/sampling/sampler.h"
#include "worker/failure.h"

/* Without logit biases and breakers; `samplers` is lent by the options. Without a seed in them it
 * is random. */
struct SamplerOptions sampling_settings(const struct GenerateOptions *options, uint32_t n_ctx);

/* The whole, with these settings; has accepted the end of the prompt that it looks back on.
 * InvalidArgs as the sampler says. */
int sampling_open(const Engine *engine, const struct GenerateOptions *options,
                  const struct SamplerOptions *settings, const Token *tokens, size_t n_tokens,
                  Sampler **ret, struct Failure *failure);
