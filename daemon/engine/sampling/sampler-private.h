/*
 * What a Sampler is, for the files that have its parts: each of them one kind of sampler, which
 * changes or filters candidates. The chain is in sampler.c.
 */
#pragma once

#include "engine/sampling/candidates.h"
#include "engine/sampling/dry.h"
#include "engine/sampling/history.h"
#include "engine/sampling/sampler.h"

struct SamplerRow;

struct Sampler {
    struct SamplerOptions options; /* without what it only points to */
    uint32_t n_vocab;
    uint64_t n_draws;
    double mirostat_mu;
    struct Candidate *candidates; /* [n_vocab] */
    float *biased;                /* [n_vocab]; NULL: no logit has a bias */
    struct LogitBias *biases;
    size_t n_biases;
    uint32_t *counts; /* [n_vocab]: of each token in the window of the penalties; NULL: off */
    struct History history;
    struct Dry dry;
    const struct SamplerRow *chain[SAMPLER_MAX_CHAIN];
    size_t n_chain;
};

/* ---- penalties.c ---- */
void penalties_accept(Sampler *sampler, Token token); /* before history_push() */
void penalties_apply(Sampler *sampler, struct Candidates *candidates);

/* ---- truncation.c ---- */
void top_n_sigma_apply(Sampler *sampler, struct Candidates *candidates);
void top_k_apply(Sampler *sampler, struct Candidates *candidates);
void typical_apply(Sampler *sampler, struct Candidates *candidates);
void top_p_apply(Sampler *sampler, struct Candidates *candidates);
void min_p_apply(Sampler *sampler, struct Candidates *candidates);
void xtc_apply(Sampler *sampler, struct Candidates *candidates);

/* ---- temperature.c ---- */
void temperature_apply(Sampler *sampler, struct Candidates *candidates);

/* ---- mirostat.c ---- */
void mirostat_apply(Sampler *sampler, struct Candidates *candidates);
/* The token that was drawn had this probability. */
void mirostat_learn(Sampler *sampler, double probability);
