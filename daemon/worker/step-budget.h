/*
 * How many tokens a step with prompts may have, to take no longer than it should.
 *
 * Reading the weights is a fixed part of what a step costs; a token more costs little while memory
 * is the limit, far more where the kernels go over to panels of many vectors, and evenly from
 * there. So the cost is kept as it was measured, size by size, with straight lines between; past
 * the largest that was seen a budget doubles at most. From any beginning it is found within some
 * ten steps.
 *
 * What was not measured for a while is forgotten: the machine may be less busy by now, or the
 * contexts shorter. No clock here, and no thread: the stepper's.
 */
#pragma once

#include <stdint.h>

/* 1 to 16, then four an octave: 20, 24, 28, 32, 40 ... 4096. */
#define STEP_BUDGET_SIZES 48u
/* Measurements until one is forgotten that was not made again. */
#define STEP_BUDGET_MEMORY 128u

struct StepBudget {
    struct {
        double usec;   /* moving average */
        uint32_t when; /* the number of its last measurement; 0: never */
    } sizes[STEP_BUDGET_SIZES];
    uint32_t n_measured;
};

/* A step with so many tokens took so long. */
void step_budget_add(struct StepBudget *self, uint32_t n_tokens, double usec);
/* The most tokens, all of the step counted, that fit into `usec`: a size of the table, or 0.
 * `first`: while nothing is known. */
uint32_t step_budget_fit(const struct StepBudget *self, double usec, uint32_t first);
