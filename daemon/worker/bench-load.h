/*
 * How long it takes until a model answers: a worker process of its own is started, as systemd does,
 * by connecting to its socket, and asked for one token.
 */
#pragma once

#include "engine/bench/limits.h"
#include "worker/bench-model.h"

struct LoadOptions {
    const char *model;
    double budget_sec; /* for all starts together; at least one */
    unsigned n_threads;
    struct Limits *limits; /* of as many threads; becomes better here */
};

/* -ECANCELED, and what starting a process or talking to it fails with. */
int bench_load(const struct BenchModel *model, const struct LoadOptions *options,
               const struct Report *report, Reason *why);
