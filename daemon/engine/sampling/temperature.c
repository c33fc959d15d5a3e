#include <float.h>

#include "engine/sampling/real.h"
#include "engine/sampling/sampler-private.h"

/* From how even the probabilities are: their entropy as a part of the greatest possible one. */
static double dynamic_temperature(const struct SamplerOptions *options,
                                  const struct Candidates *candidates) {
    double temperature = (double)options->temperature, range = (double)options->dynatemp_range;
    double least = temperature > range ? temperature - range : 0, most = temperature + range;
    double total = candidates_total(candidates);
    double entropy = real_log(total) - candidates_mean(candidates, total);
    double part = entropy / real_log(candidates->n);
    part = part < 0 ? 0 : part > 1 ? 1 : part;
    return least + (most - least) * real_power(part, (double)options->dynatemp_exponent);
}

/* Dividing by very little would take the logits out of the range of floats: then only how far they
 * are from the top one, which is all that counts, is divided. */
static void divide(struct Candidates *candidates, double temperature) {
    double top = (double)candidates_top(candidates), limit = (double)FLT_MAX;
    double offset = top > limit * temperature || top < -limit * temperature ? top : 0;
    for (uint32_t i = 0; i < candidates->n; i++) {
        double logit = ((double)candidates->data[i].logit - offset) / temperature;
        candidates->data[i].logit = logit < -limit ? -FLT_MAX : (float)logit;
    }
    candidates_unrank(candidates);
}

void temperature_apply(Sampler *sampler, struct Candidates *candidates) {
    double temperature = (double)sampler->options.temperature;
    if (sampler->options.dynatemp_range > 0) {
        if (candidates->n < 2) return;
        temperature = dynamic_temperature(&sampler->options, candidates);
    }
    if (temperature > 0)
        divide(candidates, temperature);
    else
        candidates_keep_best(candidates, 1);
}
