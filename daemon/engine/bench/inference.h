/*
 * How fast a model is: decoding for one sequence and for several together, what verifying one more
 * position costs, prompts, and the memory for it. Through engine_step(), as the worker calls it.
 *
 * A figure is the median of many steps that were measured in turns with those of the other figures
 * and with the machine's limits, so that what slows it down for a while slows down all of them.
 */
#pragma once

#include "engine/bench/limits.h"
#include "engine/engine.h"

struct InferenceOptions {
    const char *model; /* as the figures are to name it */
    /* NULL-terminated names of figures, "decode" or "prompt 128"; NULL or empty: all */
    const char *const *figures;
    double budget_sec;     /* for one figure; a single step may take longer */
    struct Limits *limits; /* of as many threads as the engine has; becomes better here */
};

/* The engine was opened for steps of 512 tokens. -ENOMEM, -ECANCELED. */
int bench_inference(Engine *engine, const struct InferenceOptions *options,
                    const struct Report *report);
