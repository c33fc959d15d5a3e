/*
 * Continuous batching: which jobs take part in the next step, and with how many tokens.
 *
 * Jobs that generate come first, one token each and what they have drafted behind it
 * (worker/draft.h). Prompts fill the step up to a time, by what steps were measured to cost
 * (worker/step-budget.h), and share it fairly (worker/prompt-shares.h). A step
 *
 *     with prompts beside someone who generates takes at most STEP_SLOWDOWN times what it takes
 *     without them, or STEP_USEC_SHARED where that is more: the rhythm he sees;
 *     with prompts alone takes STEP_USEC_ALONE, or up to twice that while it has fewer than
 *     STEP_TOKENS_EFFICIENT tokens: how late somebody new can begin, or a cancellation
 *     take effect;
 *
 * as far as the past tells; but STEP_PROMPT_MIN tokens of prompts there are in any case, so that
 * they come to an end. Now and then a step is made without prompts, to measure what that costs.
 *
 * What a job computes does not depend on any of this: see engine/engine.h. Compute thread.
 */
#pragma once

#include <glib.h>

#include "worker/job.h"
#include "worker/step-cost.h"

typedef struct Stepper Stepper;

/* The time, in microseconds. */
typedef gint64 StepClock(void);

/* `cost` is measured here, for those who draft. `clock` NULL: g_get_monotonic_time(). */
Stepper *stepper_new(Engine *engine, struct StepCost *cost, StepClock *clock);
void stepper_free(Stepper *self); /* accepts NULL */

/* Runs one step with the resident jobs that are neither parked nor finished, in the order of
 * `jobs` (struct Job *). Returns the number of jobs that took part. A job that the engine refuses
 * gets FINISH_ERROR, and the others go on. */
unsigned stepper_step(Stepper *self, const GPtrArray *jobs);
