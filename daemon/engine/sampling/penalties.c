#include <float.h>

#include "engine/sampling/sampler-private.h"

void penalties_accept(Sampler *sampler, Token token) {
    uint32_t n = sampler->options.repeat_last_n;
    if (!sampler->counts) return;
    if (sampler->history.n >= n) sampler->counts[history_at(&sampler->history, n - 1)]--;
    sampler->counts[token]++;
}

static float penalise(const struct SamplerOptions *options, float logit, uint32_t count) {
    logit = logit > 0 ? logit / options->repeat_penalty : logit * options->repeat_penalty;
    logit -= options->presence_penalty + options->frequency_penalty * (float)count;
    return logit > FLT_MAX ? FLT_MAX : logit < -FLT_MAX ? -FLT_MAX : logit;
}

void penalties_apply(Sampler *sampler, struct Candidates *candidates) {
    for (uint32_t i = 0; i < candidates->n; i++) {
        struct Candidate *candidate = &candidates->data[i];
        uint32_t count = sampler->counts[candidate->token];
        if (count) candidate->logit = penalise(&sampler->options, candidate->logit, count);
    }
    candidates_unrank(candidates);
}
