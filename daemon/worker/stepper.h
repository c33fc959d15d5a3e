/*
 * Continuous batching: which jobs take part in the next step, and with how many tokens.
 *
 * Jobs that generate come first, one token each and what they have drafted behind it
 * (worker/draft.h). What is left of the step goes to prompts, in equal parts, beginning with
 * another one each time; it is cut so that the step takes about as long as the ones who wait for
 * their next token are used to (the cost of a token is measured). What a job computes does not
 * depend on it: see engine/engine.h. Compute thread.
 */
#pragma once

#include <glib.h>

#include "worker/job.h"
#include "worker/step-cost.h"

typedef struct Stepper Stepper;

/* `cost` is measured here, for those who draft. */
Stepper *stepper_new(Engine *engine, struct StepCost *cost);
void stepper_free(Stepper *self); /* accepts NULL */

/* Runs one step with the resident jobs that are neither parked nor finished, in the order of
 * `jobs` (struct Job *). Returns the number of jobs that took part. A job that the engine refuses
 * gets FINISH_ERROR, and the others go on. */
unsigned stepper_step(Stepper *self, const GPtrArray *jobs);
