/*
 * How fast a model is: decoding for one sequence and for several together, what verifying one more
 * position costs, prompts, and the memory for it. Through engine_step(), as the worker calls it.
 *
 * A figure is the median of many steps that were measured in turns with those of the other figures,
 * so that what slows the machine down for a while slows down all of them.
 */
#pragma once

#include "engine/bench/report.h"
#include "engine/engine.h"

struct InferenceOptions {
    const char *model; /* as the figures are to name it */
    /* NULL-terminated names of figures, "decode" or "prompt 128"; NULL or empty: all */
    const char *const *figures;
    double budget_sec; /* for one figure; a single step may take longer */
    struct Roof roof;
};

/* The engine was opened for steps of 512 tokens. -ENOMEM, -ECANCELED. */
int bench_inference(Engine *engine, const struct InferenceOptions *options,
                    const struct Report *report);

/* What a step has to do at least: read all weights once, but for those that embed tokens, and what
 * n sequences remember (`state_bytes`); multiply for n_rows tokens, with the head for n_logits of
 * them. Attention, scans and what lies between the matrices is not counted. */
struct Work inference_work(const Engine *engine, unsigned n_rows, unsigned n_logits,
                           double state_bytes);
