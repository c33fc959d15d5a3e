/*
 * What a step costs by how many tokens are in it, as measured while generating: the base of every
 * decision about drafting.
 */
#pragma once

#include <stdint.h>

/* Steps of more tokens are prompts. */
#define STEP_COST_TOKENS 128u

struct StepCost {
    double usec[STEP_COST_TOKENS + 1]; /* by tokens, moving averages; 0: never seen */
};

/* Of steps that are no prompts; others are passed over. */
void step_cost_add(struct StepCost *self, uint32_t n_tokens, double usec);
/* Between what was measured by a straight line, past it by the last slope; one token more costs
 * STEP_COST_PRIOR of a step until two sizes were seen. 0: nothing was measured. */
double step_cost(const struct StepCost *self, uint32_t n_tokens);

#define STEP_COST_PRIOR 0.05
