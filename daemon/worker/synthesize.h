/*
 * A model with random weights, written to a file for benchmarks (engine/synthetic/synthetic.h).
 */
#pragma once

struct SynthesizeOptions {
    const char *shape, *weights; /* `weights` NULL: the shape's own */
    const char *output;          /* path of the file */
    unsigned n_layers, n_vocab;  /* 0: the shape's own */
};

/* Returns the exit status; says on stderr what went wrong. Progress goes to stdout as event lines
 * where that is a pipe. The file is there whole or not at all; SIGTERM and SIGINT end it, too. */
int synthesize_run(const struct SynthesizeOptions *options);
/* One name a line on stdout. */
void synthesize_list(void);
