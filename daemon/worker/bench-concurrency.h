/*
 * How a model serves several at once, with prompts arriving: the worker's own stepper
 * (worker/stepper.h) with 1, 2, 4 ... users, each of whom sends a prompt, reads the answer, and
 * sends the next one; and what a prompt of 2,000 tokens does to somebody else's answer, and gets
 * beside it. Who they are does not change what a step costs, so their tokens are random.
 */
#pragma once

#include "engine/bench/report.h"
#include "engine/engine.h"

struct ConcurrencyOptions {
    const char *model;
    double budget_sec; /* for a number of users, and the long prompt */
};

/* -ENOMEM, -ECANCELED, and what engine_step() fails with. */
int bench_concurrency(Engine *engine, const struct ConcurrencyOptions *options,
                      const struct Report *report);
