/*
 * ryzen-llm-worker --bench: how fast this machine, these kernels and models of real shapes are,
 * each figure with its distance to what the machine can do at most. Results are lines on stdout
 * (worker/bench-report.h).
 */
#pragma once

struct BenchOptions {
    const char *suite;         /* "inference", "kernels", "load", "concurrency", "all" */
    const char *const *shapes; /* NULL-terminated; NULL or empty: BENCH_SHAPE; "all": every one */
    const char *model;         /* a GGUF file, or the directory of a packed one, instead; or NULL */
    const char *const *figures; /* of the suite inference, "decode", "prompt 128"; empty: all */
    const char *threads;        /* "1,2,8"; NULL: one per core */
    /* "TQ2_0,q8": each shape with each of these, a tensor type instead of its own, or what its own
     * are packed to; NULL: its own. Of a GGUF file, one of file, q8, q4. */
    const char *weights;
    unsigned n_layers, n_vocab; /* 0: the shape's own */
    double budget_sec;          /* for a figure; 0: BENCH_BUDGET_SEC */
};

#define BENCH_SHAPE "bitnet-2b4t"
#define BENCH_BUDGET_SEC 3.0

/* Returns the exit status; says on stderr what went wrong. */
int bench_run(const struct BenchOptions *options);
