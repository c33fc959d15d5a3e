/*
 * A synthetic model for a benchmark, in a directory of its own that goes with it: written as a GGUF
 * file and packed by a ryzen-llm-worker --pack, as one that is installed.
 */
#pragma once

#include <stdbool.h>

#include "engine/bench/report.h"
#include "engine/engine.h"
#include "engine/synthetic/synthetic.h"

struct BenchModel {
    char *directory; /* below TMPDIR or /var/tmp, and removed in the end, unless ... */
    bool is_lent;    /* ... it was there before */
    /* What the first use takes: copying the GGUF file, 0: it was not measured; packing it. */
    double copy_seconds, pack_seconds;
    uint64_t gguf_bytes; /* of the GGUF file, which is gone when it is packed */
};

struct BenchModelOptions {
    const char *requantise; /* "q8", "q4": what it is packed to; NULL: what the file says */
    bool copies;            /* whether the GGUF file is copied, as installing does */
};

/* synthetic->n_layers 0: those of the shape, or as many as memory and disk allow; a note says so.
 * -ENOSPC: what was asked for does not fit. */
int bench_model_make(struct BenchModel *self, const struct SyntheticOptions *synthetic,
                     const struct BenchModelOptions *options, const struct Report *report,
                     Reason *why);
/* A model that is there: packed from a GGUF file, or the directory of one that was packed before.
 */
int bench_model_take(struct BenchModel *self, const char *path,
                     const struct BenchModelOptions *options, const struct Report *report,
                     Reason *why);
int bench_model_open(const struct BenchModel *self, unsigned n_threads, Engine **ret, Reason *why);
void bench_model_done(struct BenchModel *self); /* also of one that is all zero */
